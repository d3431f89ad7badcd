"""Joins two parts of a FROM clause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, canonical, column, conjuncts
from crannog.sql.refresh.relate.draft import Pending
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.relate.filters import attached, filtered, joined
from crannog.sql.refresh.relate.scope import Merged, Scope, folded
from crannog.sql.refresh.relate.tables import From
from crannog.sql.refresh.relation import Outer, Relation, used
from crannog.sql.refresh.unsupported import too_complex

MakeResolver = Callable[[Scope], Resolver]


@dataclass(frozen=True, slots=True)
class _Condition:
    """Hold what a join is on, over columns of both sides."""

    on: list[Expr]
    merged: list[Merged]
    pending: list[Pending]
    correlated: list[Expr]


def is_comma(join: exp.Join) -> bool:
    """Say whether a comma stands between the two, or CROSS JOIN."""
    plain = not (join.method or join.side or join.args.get("on") or join.args.get("using"))
    return plain and not join.kind


def cross(left: From, right: From) -> From:
    """Return every row of one side with every row of the other."""
    return From(
        joined(left.relation, right.relation, ()),
        _both(left, right, [*left.scope.merged, *right.scope.merged]),
        [*left.correlated, *right.correlated],
    )


def join(resolver_of: MakeResolver, left: From, right: From, node: exp.Join) -> From:
    """Return the join of two sides as the clause says."""
    method, side, kind = node.method.upper(), node.side.upper(), node.kind.upper()
    if method not in ("", "NATURAL", "ASOF") or kind not in (
        "",
        "INNER",
        "OUTER",
        "CROSS",
        "SEMI",
        "ANTI",
    ):
        raise too_complex(f"{method or kind} JOIN is not represented")
    for key, value in node.args.items():
        if value and key not in ("this", "method", "side", "kind", "on", "using"):
            raise too_complex(f"a join with {key.strip('_')}")
    found = _condition(resolver_of, left, right, node)
    if kind in ("SEMI", "ANTI"):
        if side or method == "ASOF":
            raise too_complex(f"{side or method} {kind} JOIN is not represented")
        return _semi(resolver_of, left, right, found, negated=kind == "ANTI")
    if not side and method != "ASOF":
        return _inner(left, right, found)
    return _outer(left, right, found, f"{method} {side}".removeprefix("NATURAL").strip())


def _both(left: From, right: From, merged: list[Merged]) -> Scope:
    scope = left.scope
    return Scope([*scope.items, *right.scope.items], merged, scope.parent)


def _inner(left: From, right: From, found: _Condition) -> From:
    relation = joined(left.relation, right.relation, () if found.pending else found.on)
    if found.pending:
        relation = attached(relation, found.pending, found.on)
    correlated = [*left.correlated, *right.correlated, *found.correlated]
    return From(relation, _both(left, right, found.merged), correlated)


def _outer(left: From, right: From, found: _Condition, shown: str) -> From:
    if found.pending or found.correlated or left.correlated or right.correlated:
        raise too_complex(f"a subquery in a {shown} JOIN")
    kinds: dict[str, Literal["left", "full", "asof", "asof_left"]]
    kinds = {
        "LEFT": "left",
        "RIGHT": "left",
        "FULL": "full",
        "ASOF": "asof",
        "ASOF LEFT": "asof_left",
    }
    kind = kinds.get(shown)
    if kind is None:
        raise too_complex(f"{shown} JOIN is not represented")
    one, two = (right, left) if shown == "RIGHT" else (left, right)
    other, on = two.relation, found.on
    if kind in ("left", "asof_left"):
        # What rows without a partner look like does not hang on it.
        other, on = _pushed(two, on) if kind == "left" else (other, on)
    relation = Outer(kind, one.relation, other, tuple(on))
    return From(relation, _both(left, right, found.merged))


def _pushed(right: From, on: list[Expr]) -> tuple[Relation, list[Expr]]:
    """Move those conditions of a left join below it that are about its right side alone."""
    columns = set(right.relation.columns)
    low = [each for each in on if used(each) and used(each) <= columns]
    return filtered(right.relation, low), [each for each in on if each not in low]


def _semi(
    resolver_of: MakeResolver, left: From, right: From, found: _Condition, *, negated: bool
) -> From:
    if found.pending or found.correlated or left.correlated or right.correlated:
        raise too_complex("a subquery in a SEMI or ANTI JOIN")
    (name,) = resolver_of(left.scope).draft.fresh(1)
    other, on = _pushed(right, found.on)
    pending = Pending("exists", other, tuple(on), (), (), name)
    condition: Expr = column(name)
    if negated:
        condition = canonical(exp.Not(this=condition))
    return From(attached(left.relation, [pending], [condition]), left.scope)


def _condition(resolver_of: MakeResolver, left: From, right: From, node: exp.Join) -> _Condition:
    merged = [*left.scope.merged, *right.scope.merged]
    using = node.args.get("using")
    if node.method.upper() == "NATURAL":
        return _using(left, right, _common(left.scope, right.scope), node)
    if using:
        return _using(left, right, [each.name for each in using], node)
    resolver = resolver_of(_both(left, right, merged))
    condition = node.args.get("on")
    if condition is None:
        return _Condition([], merged, [], [])
    on: list[Expr] = []
    correlated: list[Expr] = []
    for each in conjuncts(condition):
        resolver.outer = set()
        value = resolver.resolve(each)
        (correlated if resolver.outer else on).append(value)
    if correlated and resolver.pending:
        raise too_complex("a join on a subquery and on columns of the query around")
    return _Condition(on, merged, resolver.pending, correlated)


def _common(left: Scope, right: Scope) -> list[str]:
    names = [[name for name, _ in scope.all()] for scope in (left, right)]
    if None in names[0] and None in names[1]:
        raise too_complex("NATURAL JOIN of columns without a name of their own")
    others = {folded(name) for name in names[1] if name is not None}
    return [name for name in names[0] if name is not None and folded(name) in others]


def _using(left: From, right: From, names: Sequence[str], node: exp.Join) -> _Condition:
    side, method = node.side.upper(), node.method.upper()
    on: list[Expr] = []
    made: list[Merged] = []
    for number, name in enumerate(names):
        one, two = (_named(each.scope, name) for each in (left, right))
        # The last column of an ASOF join is the one that is compared by order.
        last = method == "ASOF" and number == len(names) - 1
        comparison = exp.GTE if last else exp.EQ
        on.append(canonical(comparison(this=one.copy(), expression=two.copy())))
        value = two if side == "RIGHT" else one
        if side == "FULL":
            value = canonical(exp.Coalesce(this=one.copy(), expressions=[two.copy()]))
        made.append(Merged(name, value, _behind(left.scope, one) | _behind(right.scope, two)))
    ids = frozenset[str]().union(*(each.ids for each in made))
    kept = [each for each in (*left.scope.merged, *right.scope.merged) if not each.ids & ids]
    return _Condition(on, [*kept, *made], [], [])


def _named(scope: Scope, name: str) -> Expr:
    value = scope.find([name])
    if value is None:
        raise too_complex(f"the column {name} of USING is not found")
    return value


def _behind(scope: Scope, value: Expr) -> frozenset[str]:
    """Return the columns that a name of USING stands for."""
    ids = frozenset(used(value))
    for each in scope.merged:
        if ids <= each.ids:
            return each.ids
    return ids
