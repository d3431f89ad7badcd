"""Builds one SELECT, clause after clause, in the order in which SQL computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from crannog.sql.refresh.relate import stars
from crannog.sql.refresh.relate.aggregates import Grouped, Grouping, aggregates_in, check_columns
from crannog.sql.refresh.relate.canonical import Expr, column, conjuncts, sql
from crannog.sql.refresh.relate.draft import Ctes, Draft, Pending, Rows
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.relate.filters import attached, filtered
from crannog.sql.refresh.relate.grouping import grouping
from crannog.sql.refresh.relate.limits import limit_clause, ordered
from crannog.sql.refresh.relate.scope import Scope, folded
from crannog.sql.refresh.relate.sources import Sources
from crannog.sql.refresh.relate.tables import From, only, with_ctes
from crannog.sql.refresh.relate.windows import with_windows
from crannog.sql.refresh.relation import Constant, Distinct, Limit, Project, Relation
from crannog.sql.refresh.unsupported import too_complex

_CLAUSES = frozenset(
    """
    with_ expressions from_ joins laterals where group having qualify windows distinct order limit
    offset
    """.split()
)


@dataclass(slots=True)
class Body:
    """Hold a SELECT up to its WHERE.

    Args:
        resolver: of all later clauses.
        correlated: conditions that use columns of the query around.
    """

    draft: Draft
    node: exp.Select
    relation: Relation
    resolver: Resolver
    correlated: list[Expr]

    @property
    def names(self) -> tuple[str | None, ...]:
        """The names of its columns."""
        return tuple(each.name for each in self.resolver.chosen)

    @property
    def items(self) -> list[Expr]:
        """The expressions of the SELECT list."""
        return [self.resolver.item(index) for index in range(len(self.resolver.chosen))]


@dataclass(slots=True)
class _Clauses:
    """Hold the expressions of a SELECT that is not yet computed."""

    items: list[Expr]
    having: list[Expr] = field(default_factory=list)
    qualify: list[Expr] = field(default_factory=list)
    on: list[Expr] = field(default_factory=list)
    order: list[Expr] = field(default_factory=list)
    groups: Grouping = field(default_factory=Grouping)

    def __iter__(self) -> Iterator[Expr]:
        for each in (self.items, self.having, self.qualify, self.on, self.order):
            yield from each

    def replace(self, made: Sequence[Expr]) -> None:
        """Put others in place, in the order in which these are given."""
        rest = iter(made)
        for each in (self.items, self.having, self.qualify, self.on, self.order):
            each[:] = [next(rest) for _ in each]

    def change(self, to: Callable[[Expr], Expr]) -> None:
        """Change each."""
        self.replace([to(each) for each in self])


def select(draft: Draft, node: exp.Select, ctes: Ctes) -> Rows:
    """Build a SELECT that sees no columns around it."""
    return finished(begun(draft, node, ctes, None))


def begun(draft: Draft, node: exp.Select, ctes: Ctes, around: Scope | None) -> Body:
    """Build a SELECT up to its WHERE."""
    only(node, _CLAUSES)
    seen = with_ctes(node, ctes)
    if node.args.get("from_") is None:
        source = From(Constant("SELECT 1", draft.fresh(1)), Scope([], [], around))
    else:
        source = Sources(draft, seen, around).of(node)
    windows = {folded(each.name): each for each in node.args.get("windows") or ()}
    main = Resolver(draft, source.scope, seen, windows=windows)
    main.chosen = tuple(stars.chosen(node.expressions, source.scope, main))
    relation, correlated = _where(node, source, main)
    return Body(draft, node, relation, main, [*source.correlated, *correlated])


def _where(node: exp.Select, source: From, main: Resolver) -> tuple[Relation, list[Expr]]:
    clause = node.args.get("where")
    if clause is None:
        return source.relation, []
    resolver = Resolver(main.draft, main.scope, main.ctes, main.chosen)
    plain: list[Expr] = []
    correlated: list[Expr] = []
    for each in conjuncts(clause.this):
        resolver.outer = set()
        value = resolver.resolve(each, "after")
        (correlated if resolver.outer else plain).append(value)
    return attached(source.relation, resolver.pending, plain), correlated


def finished(body: Body) -> Rows:
    """Build the rest of a SELECT."""
    clauses = _clauses(body)
    if body.correlated or body.resolver.outer:
        raise too_complex("a subquery uses columns of the query around in an unusual place")
    relation = body.relation
    if is_aggregated(body, clauses):
        relation = _grouped(body, relation, clauses)
    else:
        relation = attached(relation, body.resolver.pending)
    check_columns(list(clauses), relation)
    relation = filtered(relation, clauses.having)
    relation, made = with_windows(body.draft, relation, list(clauses))
    clauses.replace(made)
    relation = filtered(relation, clauses.qualify)
    return Rows(_projected(body, relation, clauses), body.names)


def _clauses(body: Body) -> _Clauses:
    node, resolver = body.node, body.resolver
    clauses = _Clauses(body.items)
    clauses.groups = grouping(node.args.get("group"), resolver, clauses.items)
    if node.args.get("having") is not None:
        resolver.keys = clauses.groups.keys
        clauses.having = conjuncts(resolver.resolve(node.args["having"].this, "first"))
        resolver.keys = ()
    if node.args.get("qualify") is not None:
        clauses.qualify = conjuncts(resolver.resolve(node.args["qualify"].this, "after"))
    distinct = node.args.get("distinct")
    on = None if distinct is None else distinct.args.get("on")
    if on is not None:
        each = on.expressions if isinstance(on, exp.Tuple) else [on]
        clauses.on = [ordered(part, resolver, clauses.items)[0] for part in each]
    if node.args.get("order") is not None and (on is not None or limit_clause(node)):
        for part in node.args["order"].expressions:
            clauses.order += ordered(part, resolver, clauses.items)
    return clauses


def is_aggregated(body: Body, expressions: _Clauses | Sequence[Expr]) -> bool:
    """Say whether a SELECT groups its rows, if only into one group."""
    if body.node.args.get("group") is not None or body.node.args.get("having") is not None:
        return True
    return any(aggregates_in(each, body.draft.aggregates) for each in expressions)


def _grouped(body: Body, relation: Relation, clauses: _Clauses) -> Relation:
    grouped = Grouped(body.draft, clauses.groups.keys)
    clauses.change(grouped.above)
    below, above = _split(body.resolver.pending, grouped)
    relation = attached(relation, below)
    check_columns([*grouped.keys, *grouped.values], relation)
    if any(each.find(exp.Explode, exp.Unnest) for each in (*grouped.keys, *grouped.values)):
        raise too_complex("unnest() is grouped by or aggregated")
    return attached(grouped.relation(relation, clauses.groups.sets), above)


def _split(pending: list[Pending], grouped: Grouped) -> tuple[list[Pending], list[Pending]]:
    """Say which subqueries are computed for each row, and which for each group."""
    inside = {
        each.name for part in (*grouped.keys, *grouped.values) for each in part.find_all(exp.Column)
    }
    below: list[Pending] = []
    for each in reversed(pending):
        if each.column in inside:
            below.insert(0, each)
            inside |= each.needs
    columns = {each.column for each in below}
    above = [each.over(grouped.above) for each in pending if each.column not in columns]
    return below, above


def _projected(body: Body, relation: Relation, clauses: _Clauses) -> Relation:
    draft, node = body.draft, body.node
    limit, distinct = limit_clause(node), node.args.get("distinct")
    expands = any(each.find(exp.Explode, exp.Unnest) for each in clauses.items)
    if distinct is None and not (limit and expands):
        if limit:
            relation = Limit(relation, tuple(clauses.order), limit)
        return _project(draft, relation, clauses.items, expands=expands)
    on = [each.this if isinstance(each, exp.Ordered) else each for each in clauses.on]
    whole = _Extended(draft, relation, clauses.items, expands)
    keys = tuple(whole.column(each).name for each in on)
    order = tuple(whole.ordered(each) for each in clauses.order)
    if distinct is not None and not on and whole.extra:
        raise too_complex("DISTINCT with an ORDER BY of what is not selected")
    made: Relation = whole.relation()
    if distinct is not None:
        made = Distinct(made, keys, order) if on else Distinct(made)
    if limit:
        made = Limit(made, order, limit)
    if not whole.extra:
        return made
    return _project(draft, made, [column(name) for name in whole.columns], expands=False)


class _Extended:
    """Project the SELECT list, and beside it what ORDER BY and DISTINCT ON need."""

    def __init__(
        self, draft: Draft, relation: Relation, items: Sequence[Expr], expands: bool
    ) -> None:
        self.draft = draft
        self.child = relation
        self.expands = expands
        self.items = list(items)
        self.columns = draft.fresh(len(items))
        self.extra: dict[str, str] = {}
        self.values: list[Expr] = []
        self.known: dict[str, str] = {}
        for item, name in zip(self.items, self.columns, strict=True):
            self.known.setdefault(sql(item), name)

    def column(self, node: Expr) -> exp.Column:
        """Return the column that holds an expression."""
        text = sql(node)
        if text not in self.known:
            (self.known[text],) = self.draft.fresh(1)
            self.extra[text] = self.known[text]
            self.values.append(node)
        return column(self.known[text])

    def ordered(self, node: Expr) -> Expr:
        made = node.copy()
        made.set("this", self.column(node.this))
        return made

    def relation(self) -> Project:
        columns = (*self.columns, *self.extra.values())
        return Project(self.child, columns, (*self.items, *self.values), self.expands)


def _project(draft: Draft, relation: Relation, items: Sequence[Expr], *, expands: bool) -> Relation:
    plain = tuple(each.name if isinstance(each, exp.Column) else None for each in items)
    if plain == relation.columns and not expands:
        return relation
    return Project(relation, draft.fresh(len(items)), tuple(items), expands)
