"""Who a commit is by, where nobody says."""

from __future__ import annotations

import getpass
import os


def default_author() -> str:
    """Return CRANNOG_USER, else the name of the user that runs this."""
    named = os.environ.get("CRANNOG_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in a container's password file
        return "unknown"
