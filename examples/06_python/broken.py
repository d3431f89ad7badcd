"""Ask for a column that is not there."""

from __future__ import annotations

from crannog.engine import connect
from crannog.errors import CrannogError

with connect("./lake") as lake:
    try:
        lake.sql("SELECT kilometres FROM walks")
    except CrannogError as error:
        print(f"{error.code}: {error.message} (line {error.line}, column {error.column})")
