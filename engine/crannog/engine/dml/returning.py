"""The rows of RETURNING, kept as a result that may be read any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.engine.lookup import Lookup
from crannog.engine.query import Query
from crannog.engine.result import Result
from crannog.engine.splice import splice
from crannog.names import TableName, quote

if TYPE_CHECKING:
    import pyarrow

    from crannog.engine.reading import Reading, Run

_KEPT = TableName("main", "@returned")


def kept_rows(
    run: Run,
    at: Reading,
    columns: Sequence[tuple[str, str]],
    rows: pyarrow.Table,
    hidden: Sequence[str] = (),
) -> Result:
    """Keep rows in a database of their own.

    Args:
        columns: names and DuckDB types.
        hidden: names of columns that the user's table does not have.
    """
    lookup = Lookup(run.duck, run.duck.scratch(), at)
    try:
        kinds = {f"c{index}": kind for index, (_, kind) in enumerate(columns)}
        lookup.scratch.table(_KEPT, kinds, rows)
        listed = ", ".join(
            f"c{index} AS {quote(name)}"
            for index, (name, _) in enumerate(columns)
            if name not in hidden
        )
        sql = f"SELECT {listed} FROM {lookup.scratch.name}.{_KEPT.sql}"
        return Result(Query(lookup, splice(sql, ()), None, {}, None))
    except BaseException:
        lookup.close()
        raise
