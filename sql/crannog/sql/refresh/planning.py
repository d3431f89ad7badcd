"""Decides in which parts a query is kept: hidden tables of what has a rule, and what is above."""

from __future__ import annotations

from crannog.errors import CrannogError
from crannog.sql.refresh.inexact import inexact
from crannog.sql.refresh.parts import Force, Linear, Part
from crannog.sql.refresh.query import Bind, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.relation import Aggregate, Relation, Scan, Window
from crannog.sql.refresh.replace import replaces
from crannog.sql.refresh.rewrite import listed, nodes, text_of
from crannog.sql.refresh.signed import linear
from crannog.sql.refresh.staging import NO_STATE, Stages, read_columns
from crannog.sql.refresh.undefined import order_undefined
from crannog.sql.refresh.volatile import volatile
from crannog.sql.tokens import code_tokens


def planned(query: Query, bind: Bind, force: Force | None) -> tuple[Part, ...]:
    """Return the parts in which a query is kept; the last one is the model itself."""
    reason = volatile(code_tokens(query.text))
    if reason is not None:
        return (_rebuilt(query, reason),)
    try:
        relation = _related(query, bind)
    except Unsupported as refused:
        return (_rebuilt(query, refused.reason),)
    kinds = _kinds(relation, query, bind)
    reason = order_undefined(relation, kinds)
    if reason is not None:
        return (_rebuilt(query, reason),)
    found = inexact(relation, query.columns, kinds)
    whole = _part(relation, query, found)
    if _suits(whole, force):
        return (whole,)
    stages = Stages(query, bind, force)
    try:
        top = stages.top(relation)
        final = stages.final(top) if stages.parts else None
    except CrannogError:
        # What was made of it does not bind: then it stays whole.
        return (whole,)
    return (whole,) if final is None else (*stages.read_by(final), _part(top, final, found))


def _related(query: Query, bind: Bind) -> Relation:
    """Return the relation of a query, which DuckDB sees as it does the query itself."""
    relation = relate(query)
    try:
        bound = bind(listed(relation, [name for name, _ in query.columns]), query.places)
    except CrannogError as refused:
        raise Unsupported(_not_the_same(refused.message)) from refused
    if [kind for _, kind in bound] != [kind for _, kind in query.columns]:
        raise Unsupported(_not_the_same("its columns have other types"))
    return relation


def _not_the_same(detail: str) -> Reason:
    return Reason(ReasonCode.TOO_COMPLEX, f"it was not surely understood: {detail}")


def _kinds(relation: Relation, query: Query, bind: Bind) -> dict[str, str]:
    """Ask for the types of what is read and of what is computed from several rows."""
    found: dict[str, str] = {}
    for node in nodes(relation):
        match node:
            case Scan():
                own = dict(query.place(node.place).columns)
                found |= {c: own[name] for c, name in zip(node.columns, node.names, strict=True)}
            case Aggregate() | Window():
                bound = bind(text_of(node), query.places)
                found |= dict(zip(node.columns, (kind for _, kind in bound), strict=True))
            case _:
                pass
    return found


def _suits(part: Part, force: Force | None) -> bool:
    """Say whether a query need not be cut, for the rule that is preferred."""
    if force == "linear":
        return isinstance(part.linear, Linear)
    if force == "replace":
        return not isinstance(part.replaces, Reason)
    return False


def _rebuilt(query: Query, reason: Reason) -> Part:
    return Part("", query, reason, reason, reason)


def _part(relation: Relation, query: Query, found: frozenset[int]) -> Part:
    rules = replaces(relation, query)
    return Part("", query, linear(relation), rules, NO_STATE, found, read_columns(relation))
