"""Loading: files into a table, each exactly once."""

from __future__ import annotations

from crannog.engine.load.loading import load_files
from crannog.engine.load.options import FileResult, LoadOptions, LoadResult, options_of, texts

__all__ = ["FileResult", "LoadOptions", "LoadResult", "load_files", "options_of", "texts"]
