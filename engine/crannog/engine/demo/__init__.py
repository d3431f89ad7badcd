"""The demo: the history of a git clone, loaded, modelled and travelled through."""

from __future__ import annotations
