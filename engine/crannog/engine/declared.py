"""What a model's header says of its columns, held against those that its query gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crannog.engine.write import Layout
from crannog.names import did_you_mean
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.engine.compile import Node
    from crannog.engine.facts import Facts
    from crannog.errors import CrannogError
    from crannog.sql.header import Declared
    from crannog.sql.model import Model
    from crannog.types import Column

_ABOUT_COLUMN = re.compile(r'column (?:name )?"((?:[^"]|"")*)"')
_NESTED = re.compile(r"STRUCT|MAP|.*\]\Z|BLOB")


def check_columns(model: Model, columns: Sequence[Column]) -> None:
    """Refuse a header that names columns which the query does not give, or can't be laid out by."""
    found = {column.name.lower(): column for column in columns}
    named = (
        ("key", model.key),
        ("partition_by", model.partition_by),
        ("cluster_by", model.cluster_by),
    )
    for key, declared in named:
        for each in declared:
            column = _column(each, key, found)
            if key != "key" and _NESTED.match(column.stored):
                raise each.place.error(
                    "bad_header", f"{key}: {each.text} is {column.type}, which has no order"
                )
            if key == "partition_by" and column.stored in ("FLOAT", "DOUBLE"):
                raise each.place.error(
                    "bad_header",
                    f"{key}: {each.text} is {column.type}, whose values no folder can be named by",
                    "cast it to DECIMAL, or take another column",
                )
    if model.partition_by and len(model.partition_by) == len(columns):
        raise model.partition_by[0].place.error(
            "bad_header",
            "partition_by names every column: nothing would be left in the files",
            "name a few columns with few values",
        )


def _column(declared: Declared, key: str, found: Mapping[str, Column]) -> Column:
    column = found.get(declared.text.lower())
    if column is None:
        said = "the key" if key == "key" else key
        raise declared.place.error(
            "unknown_column",
            f'{said} names "{declared.text}", which is no column of the query',
            did_you_mean(declared.text, (each.name for each in found.values())),
        )
    return column


def layout_of(facts: Facts, columns: Sequence[Column]) -> Layout:
    """Return how a model's rows are put into files, as its header says."""
    names = {column.name.lower(): column.name for column in columns}
    partition = tuple(names.get(name.lower(), name) for name in facts.partition_by)
    order = tuple(names.get(name.lower(), name) for name in facts.cluster_by)
    return Layout(tuple(name for name in order if name not in partition), partition)


def layout_changed(node: Node) -> Reason | None:
    """Say whether a header asks for other files than those that there are."""
    last = node.last
    if last is None or node.kind != "model":
        return None
    for key, was, now in (
        ("partition_by", last.partition_by, node.facts.partition_by),
        ("cluster_by", last.cluster_by, node.facts.cluster_by),
    ):
        if [name.lower() for name in was] != [name.lower() for name in now]:
            said = f"{key} is {_shown(now)} now, was {_shown(was)}"
            return Reason(ReasonCode.REQUESTED, f"{node.facts.path}: {said}")
    return None


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def placed(model: Model, error: CrannogError) -> CrannogError:
    """Point an error about a column at the last place in the model that spells its name."""
    if error.line is not None:
        return error
    about = _ABOUT_COLUMN.match(error.message)
    name = about[1].replace('""', '"').lower() if about else None
    named = [each for each in model.tokens if each.is_name and each.name.lower() == name]
    at = named[-1] if named else model.tokens[0]
    return model.source.error(
        model.sql, at.start, at.end, code=error.code, message=error.message, hint=error.hint
    )
