"""What DuckDB makes of definitions of columns: it reads them itself, in an empty table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crannog.engine.edit import placed, target_of
from crannog.engine.splice import SplicedText
from crannog.errors import QueryError
from crannog.names import literal, quote
from crannog.types import Column, column_for

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Run
    from crannog.engine.scratch import Scratch
    from crannog.names import TableName

_Found = tuple[str, str, bool, str | None]


@dataclass(frozen=True, slots=True)
class Definition:
    """Say what an ALTER TABLE makes of a table's columns.

    Args:
        added: the column that is new; `default` is what the rows that are there get.
        dropped: the column that goes.
        renamed: a column's old name and its new one.
        retyped: the column that gets another type; `using` gives its values.
        not_null: the column that may not be NULL from now on.
    """

    columns: tuple[Column, ...]
    added: str | None = None
    default: str | None = None
    dropped: str | None = None
    renamed: tuple[str, str] | None = None
    retyped: str | None = None
    using: SplicedText | None = None
    not_null: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def rewrites(self) -> bool:
        """Whether the rows that are there are written anew."""
        moved = self.dropped or self.renamed or self.retyped
        return bool(moved) or (self.added is not None and self.must_fill)

    @property
    def must_fill(self) -> bool:
        """Whether the rows that are there need a value in the new column."""
        column = next(each for each in self.columns if each.name == self.added)
        return self.default is not None or not column.nullable


def defined(run: Run, name: TableName) -> tuple[Column, ...]:
    """Return the columns of CREATE TABLE (...)."""
    statement = run.statement
    body = statement.body or ""
    start = statement.start + (statement.body_start or 0)
    definition = SplicedText(body, body, source=run.script, offset=start)
    if not definition.text.startswith("("):
        raise placed(run, QueryError("syntax_error", "CREATE TABLE needs (column type, ...) here"))
    with run.duck.scratch() as scratch:
        make = f"CREATE TABLE {scratch.name}.main.{quote(name.name)} {definition.text}"
        _execute(run, scratch, make, definition)
        found = _columns(scratch)
    columns = []
    for column, kind, nullable, default in found:
        if default is not None:
            raise placed(run, _not_kept("DEFAULT", f"of column {column}"))
        columns.append(replace(column_for(column, kind), nullable=nullable))
    return tuple(columns)


def altered(run: Run, pin: Pin) -> Definition:
    """Return what ALTER TABLE makes of a table's columns; DuckDB alters an empty one like it."""
    statement = run.statement
    action = statement.clauses[0]
    text = statement.text[action.start : action.end]
    body = SplicedText(text, text, source=run.script, offset=statement.start + action.start)
    name = quote(target_of(run).name)
    with run.duck.scratch() as scratch:
        place = f"{scratch.name}.main.{name}"
        listed = ", ".join(map(_definition, pin.columns))
        scratch.execute(f"CREATE TABLE {place} ({listed})")
        _execute(run, scratch, f"ALTER TABLE {place} {text}", body)
        found = _columns(scratch)
    return _told(run, pin, action.name, found)


def _told(run: Run, pin: Pin, action: str, found: Sequence[_Found]) -> Definition:
    old = {column.name.lower(): column for column in pin.columns}
    named = run.statement.names
    first = named[0].parts[-1].lower() if named else ""
    if action == "add column":
        return _added(pin, found)
    if action == "drop column":
        left = {each[0].lower() for each in found}
        columns = tuple(column for column in pin.columns if column.name.lower() in left)
        return Definition(columns, dropped=old[first].name if first in old else None)
    if action == "rename column":
        columns = tuple(
            replace(column, name=each[0]) for column, each in zip(pin.columns, found, strict=True)
        )
        for column in columns:
            column_for(column.name, column.type)
        return Definition(columns, renamed=(old[first].name, named[1].parts[-1]))
    columns = tuple(_like(column, each) for column, each in zip(pin.columns, found, strict=True))
    if action == "change type":
        if all(a.type == b.type for a, b in zip(columns, pin.columns, strict=True)):
            using = run.statement.clause("using")
            if using is None:
                return Definition(pin.columns)
        return Definition(columns, retyped=old[first].name, using=_using(run))
    return Definition(columns, not_null=old[first].name if action == "set not null" else None)


def _added(pin: Pin, found: Sequence[_Found]) -> Definition:
    if len(found) == len(pin.columns):
        return Definition(pin.columns)
    name, kind, nullable, default = found[-1]
    column = replace(column_for(name, kind), nullable=nullable)
    warnings: tuple[str, ...] = ()
    if default is not None:
        said = f"the rows that are there get {default} in {name}"
        warnings = (f"{said}; later ones what their INSERT says: a Delta table keeps no default",)
    return Definition((*pin.columns, column), added=name, default=default, warnings=warnings)


def _like(column: Column, found: _Found) -> Column:
    """Return a column with the type and nullability that DuckDB gave it."""
    _, kind, nullable, _ = found
    if kind == column.type:
        return replace(column, nullable=nullable)
    made = column_for(column.name, kind)
    return replace(column, type=made.type, stored=made.stored, nullable=nullable)


def _using(run: Run) -> SplicedText | None:
    statement = run.statement
    clause = statement.clause("using")
    if clause is None:
        return None
    text = statement.text[clause.start : clause.end]
    return SplicedText(text, text, source=run.script, offset=statement.start + clause.start)


def _definition(column: Column) -> str:
    return f"{quote(column.name)} {column.type}{'' if column.nullable else ' NOT NULL'}"


def _execute(run: Run, scratch: Scratch, sql: str, part: SplicedText) -> None:
    """Run a definition, and point at what is wrong with it."""
    params = run.params if any(token.kind == "param" for token in run.statement.tokens) else None
    try:
        scratch.variables(run.variables)
        scratch.execute(sql, params, place=part.place(sql, run.file))
    except QueryError as error:
        raise (error if error.line else placed(run, error)) from error.__cause__
    refused = scratch.fetchall(_CONSTRAINTS.format(literal(scratch.name)))
    if refused:
        raise placed(run, _not_kept(*map(str, refused[0])))


def _columns(scratch: Scratch) -> list[_Found]:
    found = scratch.fetchall(_COLUMNS.format(literal(scratch.name)))
    return [
        (str(name), str(kind), bool(nullable), None if default is None else str(default))
        for name, kind, nullable, default in found
    ]


def _not_kept(what: str, where: str) -> QueryError:
    named = where if where.startswith(what) else f"{what} {where}"
    message = f"{named} cannot be kept in a Delta table"
    return QueryError("not_supported", message, hint=_INSTEAD.get(what))


_CHECKED = "a test in sources/<schema>.<table>.toml checks it"
_INSTEAD = {
    "PRIMARY KEY": f"{_CHECKED}: unique(...)",
    "UNIQUE": f"{_CHECKED}: unique(...)",
    "FOREIGN KEY": f"{_CHECKED}: relationships(...)",
    "CHECK": _CHECKED,
    "DEFAULT": "write the value in INSERT",
}
_CONSTRAINTS = """
    SELECT constraint_type, constraint_text FROM duckdb_constraints()
    WHERE database_name = {} AND constraint_type <> 'NOT NULL' ORDER BY constraint_index
"""
_COLUMNS = """
    SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns()
    WHERE database_name = {} ORDER BY column_index
"""
