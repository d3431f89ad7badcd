"""COMMENT ON TABLE, VIEW and COLUMN."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.edit import Edit, TableEdit, existing, no_rest, placed, pointed, target_of
from crannog.engine.lookup import unknown_table
from crannog.engine.ownership import kind_of, refuse_made
from crannog.errors import QueryError
from crannog.names import did_you_mean, quote
from crannog.sql.tokens import string_value

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Reading, Run
    from crannog.types import Column


def comment(run: Run, at: Reading) -> Edit:
    """Evaluate COMMENT ON; other readers of the Delta table see it too."""
    no_rest(run)
    name = target_of(run)
    entry = at.state.tables.get(name.key)
    if entry is None:
        raise placed(run, unknown_table(name, at.state))
    pin = at.lake.pin(entry)
    refuse_made(pin, instead="write it in the model's file and run `crannog build`")
    text = _text(run)
    what = run.statement.word.removeprefix("comment on ")
    if what == "column":
        changed = replace(pin, columns=_commented(run, pin, text))
    elif what != kind_of(entry):
        message = f"{entry.name} is a {kind_of(entry)}"
        hint = f"COMMENT ON {kind_of(entry).upper()}"
        raise placed(run, QueryError(f"not_a_{what}", message, hint=hint))
    else:
        changed = replace(pin, comment=text)
    if pin.kind != "view":
        existing(run, at, name)
    if changed == pin:
        return Edit("COMMENT")
    edit = TableEdit(pin, changed, operation="COMMENT", staged=pin.kind != "view")
    return Edit("COMMENT", tables={name.key: edit}, read={name.key: entry.digest})


def _text(run: Run) -> str | None:
    clause = run.statement.clause("text")
    if clause is None:
        raise placed(run, QueryError("syntax_error", "COMMENT needs IS 'text' or IS NULL"))
    token = run.statement.tokens[-1]
    return string_value(token) if token.kind == "string" else None


def _commented(run: Run, pin: Pin, text: str | None) -> tuple[Column, ...]:
    column = run.statement.names[0]
    wanted = column.parts[0].lower()
    if wanted not in {each.name.lower() for each in pin.columns}:
        raise pointed(
            run,
            column,
            QueryError(
                "unknown_column",
                f"column {quote(column.parts[0])} does not exist in {pin.name}",
                hint=did_you_mean(column.parts[0], [each.name for each in pin.columns]),
            ),
        )
    return tuple(
        replace(each, comment=text) if each.name.lower() == wanted else each for each in pin.columns
    )
