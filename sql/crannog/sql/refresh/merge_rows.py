"""Make the signed rows of a linear relation: those that came count once, those that went minus."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.expressions import expands, plain
from crannog.sql.refresh.program import Make, Match, Restrict, SemiJoin, Step, Version, versioned
from crannog.sql.refresh.relate.canonical import column, conjuncts, substituted
from crannog.sql.refresh.relate.canonical import sql as sql_of
from crannog.sql.refresh.relation import (
    Expr,
    Filter,
    Join,
    Project,
    Relation,
    Scan,
    Union,
    scans,
    used,
)
from crannog.sql.refresh.rewrite import mapped, widened
from crannog.sql.refresh.signed import branches

WEIGHT = "@weight"
_SIGNS: tuple[tuple[Version, int], ...] = (("plus", 1), ("minus", -1))


@dataclass(slots=True)
class SignedRows:
    """Hold a relation whose rows are signed, over tables that steps make.

    Args:
        weight: the column that is 1 for a row that came and -1 for one that went.
        names: what stands for a name of the relation's places in SQL.
        reads: what its SQL reads of a query's places.
    """

    relation: Relation
    weight: str
    steps: tuple[Step, ...]
    names: Mapping[str, str]
    reads: tuple[tuple[str, Version], ...]

    def source(self, scan: Scan) -> str:
        """Return the SQL of the table that is scanned."""
        return self.names.get(scan.place, quote(scan.place))


def telescoped(relation: Relation, changed: Collection[str], weight: str) -> SignedRows:
    """Return the signed rows of a linear relation.

    A product telescopes: summed over its factors that changed, the product in which this one is
    what changed, those before it are new and those after it old. Each is read only in the rows
    that have a partner among what changed, where equalities lead to it.
    """
    made = _Made()
    found = [(branch, list(scans(branch))) for branch in branches(relation)]
    chosen = [
        (branch, factors, at)
        for branch, factors in found
        for at, scan in enumerate(factors)
        if scan.place in changed
    ]
    # Where nothing changed, any factor shows that.
    chosen = chosen or [(branch, factors, 0) for branch, factors in found if factors][:1]
    terms = [made.term(branch, factors, at, weight) for branch, factors, at in chosen]
    rows = terms[0] if len(terms) == 1 else Union(tuple(terms), (*relation.columns, weight))
    return SignedRows(rows, weight, tuple(made.steps), made.names, tuple(made.reads))


@dataclass(slots=True)
class _Made:
    """Collect the steps of all terms."""

    steps: list[Step] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    reads: dict[tuple[str, Version], None] = field(default_factory=dict)
    number: int = 0

    def term(self, branch: Relation, factors: list[Scan], at: int, weight: str) -> Relation:
        """Return the product in which one factor is what changed."""
        term = _Term(self, factors, at, *_flat(branch))
        term.change()
        term.partners()
        scanned = {id(scan): term.scan(index, weight) for index, scan in enumerate(factors)}
        tree = mapped(branch, lambda node: scanned.get(id(node)))
        wide = widened(tree, [weight])
        assert wide is not None, "every node of a linear relation lets columns up"
        names = (*branch.columns, weight)
        return Project(wide, names, tuple(column(name) for name in names))

    def target(self) -> str:
        self.number += 1
        return f"@m{self.number}"

    def version(self, place: str, version: Version) -> str:
        """Return the name under which a relation may scan a version of a place."""
        name = f"@{version}.{place}"
        self.names[name] = versioned(place, version)
        self.reads[place, version] = None
        return name


@dataclass(slots=True)
class _Term:
    made: _Made
    factors: list[Scan]
    at: int
    values: dict[str, Expr]
    conditions: list[Expr]
    tables: dict[int, str] = field(default_factory=dict)

    def change(self) -> None:
        """Put the rows of the factor that came and went into one table."""
        scan = self.factors[self.at]
        listed = ", ".join(map(quote, dict.fromkeys(scan.names)))
        comma = ", " if listed else ""
        where = " AND ".join(f"({each})" for each in self.local(self.at)) or "true"
        signed = [
            f"SELECT {listed}{comma}{sign} AS {quote(WEIGHT)} "
            f"FROM {versioned(scan.place, version)} WHERE {where}"
            for version, sign in _SIGNS
        ]
        target = self.made.target()
        reads = tuple((scan.place, version) for version, _ in _SIGNS)
        self.made.steps.append(Make(target, " UNION ALL ".join(signed), reads))
        self.tables[self.at] = target

    def partners(self) -> None:
        """Restrict the other factors to what can meet the change, as far as equalities lead."""
        left = [index for index in range(len(self.factors)) if index != self.at]
        while left:
            found = next(((i, joins) for i in left if (joins := self.joins(i))), None)
            if found is None:
                return
            index, joins = found
            scan = self.factors[index]
            target = self.made.target()
            self.made.steps.append(
                Restrict(
                    target,
                    scan.place,
                    self.version(index),
                    tuple(dict.fromkeys(scan.names)),
                    joins,
                    tuple(self.local(index)),
                )
            )
            self.tables[index] = target
            left.remove(index)

    def version(self, index: int) -> Version:
        return "new" if index < self.at else "old"

    def joins(self, index: int) -> tuple[SemiJoin, ...]:
        """Return the semi-joins of a factor with those that are restricted already."""
        found = []
        for other, table in self.tables.items():
            pairs = [pair for each in self.conditions if (pair := self.pair(each, index, other))]
            if pairs:
                found.append(self.semi(index, other, table, pairs))
        return tuple(found)

    def semi(
        self, index: int, other: int, table: str, pairs: list[tuple[Expr, Expr, bool]]
    ) -> SemiJoin:
        target = self.made.target()
        scan, partner = self.factors[index], self.factors[other]
        keys = [f"{_own(partner, theirs)} AS k{n}" for n, (_, theirs, _) in enumerate(pairs)]
        self.made.steps.append(
            Make(target, f"SELECT DISTINCT {', '.join(keys)} FROM {quote(table)}")
        )
        matches = []
        for number, (ours, _, null_safe) in enumerate(pairs):
            name = plain(ours)
            own = scan.names[scan.columns.index(name)] if name is not None else None
            matches.append(Match(_own(scan, ours), own, f"k{number}", null_safe))
        return SemiJoin(target, tuple(matches))

    def pair(self, condition: Expr, index: int, other: int) -> tuple[Expr, Expr, bool] | None:
        """Return both sides of an equality between two factors: ours, theirs, and of NULLs."""
        bare = condition.unnest()
        if not isinstance(bare, exp.EQ | exp.NullSafeEQ):
            return None
        for ours, theirs in ((bare.left, bare.right), (bare.right, bare.left)):
            if self.only(ours, index) and self.only(theirs, other):
                return ours, theirs, isinstance(bare, exp.NullSafeEQ)
        return None

    def local(self, index: int) -> list[str]:
        """Return the conditions on one factor alone, in SQL over the names of its table."""
        return [_own(self.factors[index], c) for c in self.conditions if self.only(c, index)]

    def only(self, expression: Expr, index: int) -> bool:
        names = used(expression)
        return bool(names) and names <= set(self.factors[index].columns)

    def scan(self, index: int, weight: str) -> Scan:
        """Return the scan of what stands for a factor."""
        scan, table = self.factors[index], self.tables.get(index)
        if index == self.at and table is not None:
            return Scan(table, (*scan.names, WEIGHT), (*scan.columns, weight))
        if table is None:
            table = self.made.version(scan.place, self.version(index))
        return replace(scan, place=table)


def _flat(node: Relation) -> tuple[dict[str, Expr], list[Expr]]:
    """Return what columns are in terms of those of tables, and conditions that all rows meet."""
    match node:
        case Scan():
            return {name: column(name) for name in node.columns}, []
        case Filter():
            values, found = _flat(node.child)
            return values, [*found, *_known(node.where, values)]
        case Project():
            values, found = _flat(node.child)
            computed = {
                name: substituted(value, values)
                for name, value in zip(node.columns, node.values, strict=True)
                if used(value) <= values.keys() and not expands(value)
            }
            return computed, found
        case Join():
            values, found = {}, []
            for child in node.children:
                below, conditions = _flat(child)
                values |= below
                found += conditions
            return values, [*found, *_known(node.on, values)]
        case _:
            return {}, []


def _known(conditions: tuple[Expr, ...], values: dict[str, Expr]) -> list[Expr]:
    parts = [part for each in conditions for part in conjuncts(each)]
    return [substituted(part, values) for part in parts if used(part) <= values.keys()]


def _own(scan: Scan, expression: Expr) -> str:
    """Return an expression in SQL over the names that the table has."""
    names: dict[str, Expr] = {
        name: exp.Column(this=exp.Identifier(this=own, quoted=True))
        for name, own in zip(scan.columns, scan.names, strict=True)
    }
    return sql_of(substituted(expression, names))
