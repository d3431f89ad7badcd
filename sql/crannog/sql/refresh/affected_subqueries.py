"""Finds affected values where a subquery is asked for each row."""

from __future__ import annotations

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.affected import Affected, Targets
from crannog.sql.refresh.affected_joins import Step, usable
from crannog.sql.refresh.affected_pieces import Piece, select, union
from crannog.sql.refresh.equalities import across, never_null
from crannog.sql.refresh.loose import ANSWERS
from crannog.sql.refresh.pushing import Condition, Part
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate.canonical import conjuncts, sql
from crannog.sql.refresh.relation import Attach, Expr, used

_EXTREMES = (exp.Min, exp.Max)


def attach_rows(affected: Affected, node: Attach, targets: Targets) -> Piece | None:
    """Return what the targets may be in rows with a subquery's value that came or went."""
    wanted = used(*targets.values())
    if node.column in wanted:
        return _with_value(affected, node, targets)
    return union((affected.rows(node.left, targets), *_by_right(affected, node, targets)))


def _with_value(affected: Affected, node: Attach, targets: Targets) -> Piece | None:
    left = used(*targets.values()) - {node.column}
    if node.kind == "value":
        keys = (left | used(*node.on)) & set(node.left.columns)
        return affected.differing(node, sorted(keys), targets)
    table = affected.table(node, sorted(left))
    if table is None:
        return None
    answers = f"({ANSWERS}) AS q({node.column})"
    return select(targets, Piece(f"SELECT * FROM {quote(table)} CROSS JOIN {answers}"))


def _by_right(affected: Affected, node: Attach, targets: Targets) -> list[Piece | None]:
    """Return targets of the left for which the subquery's rows came or went."""
    if not affected.reading.touched(node.right):
        return []
    by = affected.reading.locality.needed(node)
    own = {name: across(each, by, affected.types) for name, each in targets.items()}
    there = {name: each for name, each in own.items() if each is not None}
    if len(there) == len(own) and by:
        return [affected.rows(node.right, there)]
    if not node.on and node.kind != "in":
        return [_everything(affected, node, targets, _changed(affected, node))]
    on = [each for condition in node.on for each in conjuncts(condition)]
    on = usable(on, (node.left, node.right)) or on
    values = list(node.value) if node.kind == "in" else []
    right = used(*on, *values) & set(node.right.columns)
    table = affected.table(node.right, sorted(right))
    assert table is not None
    if node.kind != "in":
        return [
            select(targets, Step(table, right, node.left, on).joined(affected, _names(targets)))
        ]
    return _in(affected, node, targets, table, on)


def _in(
    affected: Affected, node: Attach, targets: Targets, table: str, on: list[Expr]
) -> list[Piece | None]:
    """Return targets of the left whose IN may have another answer by values in a table."""
    known, wanted = node.right.columns, _names(targets)
    equal: list[Expr] = [
        exp.EQ(this=probe.copy(), expression=value.copy())
        for probe, value in zip(node.probe, node.value, strict=True)
    ]
    if affected.reading.locality.is_positive(node):
        return [
            select(targets, Step(table, known, node.left, [*on, *equal]).joined(affected, wanted))
        ]
    if on or len(equal) != 1:
        doubtful = [*on, *(_in_doubt(each) for each in equal)]
        return [select(targets, Step(table, known, node.left, doubtful).joined(affected, wanted))]
    probe, value = node.probe[0], node.value[0]
    found: list[Piece | None] = [
        select(targets, Step(table, known, node.left, equal).joined(affected, wanted))
    ]
    if not never_null(node.left, probe):
        found.append(_of_null(affected, node, targets, table))
    if not never_null(node.right, value):
        nulls = f"SELECT DISTINCT 1 AS x FROM {quote(table)} WHERE ({sql(value)}) IS NULL"
        found.append(_everything(affected, node, targets, affected.program.make(nulls)))
    return found


def _in_doubt(equal: Expr) -> Expr:
    """Return when an IN may depend on a value: it is the same, or NULL is on either side."""
    assert isinstance(equal, exp.EQ)
    found: Expr = equal
    for each in (equal.left, equal.right):
        null = exp.Is(this=each.copy(), expression=exp.Null())
        found = exp.Or(this=found, expression=null)
    return exp.Paren(this=found)


def _of_null(affected: Affected, node: Attach, targets: Targets, table: str) -> Piece:
    """Return targets of the left whose probe is NULL: for them it counts if there is any value."""
    probe = node.probe[0]
    null = affected.program.make(
        f"SELECT DISTINCT CASE WHEN false THEN {sql(node.value[0])} END AS v0 FROM {quote(table)}"
    )
    kind = affected.types.of(probe)
    kind = kind if affected.types.comparable(probe, node.value[0]) else None
    rows = affected.reading.possible(
        node.left,
        _names(targets) | used(probe),
        [Condition(null, (Part(probe, "v0", kind, True),))],
    )
    text = f"SELECT * FROM ({rows.text}) SEMI JOIN {quote(null)} ON ({sql(probe)}) IS NULL"
    return select(targets, Piece(text, rows.reads))


def _changed(affected: Affected, node: Attach) -> str:
    """Make a table with a row if the one value of a subquery is not what it was."""
    if affected.is_shared(node.right) and not _is_extreme(node):
        raise Unsupported(Reason(ReasonCode.SCALAR_CHANGED))
    value = "count(*) > 0" if node.kind == "exists" else sql(node.value[0])
    old, new = affected.reading.before_and_after(node.right, [])
    return affected.program.make(
        f"SELECT 1 AS x FROM (SELECT {value} AS v FROM ({old.text})) "
        f"CROSS JOIN (SELECT {value} AS w FROM ({new.text})) WHERE v IS DISTINCT FROM w",
        old.reads | new.reads,
    )


def _is_extreme(node: Attach) -> bool:
    """Say whether changed rows often leave a subquery's value as it is."""
    return node.kind == "exists" or isinstance(node.value[0].unnest(), _EXTREMES)


def _everything(affected: Affected, node: Attach, targets: Targets, table: str) -> Piece:
    """Return all targets that there are, if a table has a row."""
    rows = affected.reading.possible(node.left, _names(targets), [])
    text = f"SELECT * FROM ({rows.text}) WHERE EXISTS (FROM {quote(table)})"
    return select(targets, Piece(text, rows.reads))


def _names(targets: Targets) -> set[str]:
    return used(*targets.values())
