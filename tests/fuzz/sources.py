"""Random FROM clauses: tables, CTEs and subqueries, joined in every way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from fuzz.expressions import Expressions, Ref
from fuzz.styles import Style
from fuzz.values import POOLS, Column, Table, plain


@dataclass(frozen=True)
class Select:
    """Hold a query with the columns that it gives."""

    sql: str
    columns: list[Column]


@dataclass
class From:
    """Hold a FROM clause with what it puts in scope.

    Args:
        alone: a `*` gives exactly the scope.
        listed: the last relation stands after a comma, so that a join looks at it alone.
        near: how many columns stand before the last comma; DuckDB lets ON see these too.
        conditions: of joins that WHERE makes.
    """

    sql: str
    scope: list[Ref]
    alone: bool = True
    listed: bool = False
    near: int = 0
    conditions: list[str] = field(default_factory=list)


class Draws(Protocol):
    """Gives the query of a subquery."""

    def inside(self, depth: int) -> Select:
        """Draw the query of a subquery."""


class Sources(Expressions):
    """Draw FROM clauses."""

    style: Style

    def __init__(self, rng: Random, tables: Sequence[Table]) -> None:
        super().__init__(rng)
        self.tables = list(tables)
        self.ctes: list[Table] = []
        self.count = 0

    def inside(self, depth: int) -> Select:
        """Draw the query of a subquery."""
        raise AssertionError

    def pick(self, odds: dict[str, float]) -> str:
        """Draw by odds."""
        return self.rng.choices(list(odds), weights=list(odds.values()))[0]

    def alias(self) -> str:
        """Give a relation a name of its own."""
        self.count += 1
        if self.chance(0.03):
            return f'"T {self.count}"'
        return f"t{self.count}"

    def relation(self, depth: int, taken: set[str]) -> tuple[str, str, list[Column]]:
        """Draw one relation: its text with the alias, the alias, its columns."""
        rng = self.rng
        if depth > 0 and self.chance(self.style.nested):
            made = self.inside(depth - 1)
            alias, columns = self.alias(), made.columns
            shown = alias
            if self.chance(0.06):
                renamed = [f"r{n}" for n in range(len(columns))]
                shown = f"{alias}({', '.join(renamed)})"
                columns = [
                    Column(name, each.kind, each.exact)
                    for name, each in zip(renamed, columns, strict=True)
                ]
            return f"({made.sql}) {rng.choice(['AS ', ''])}{shown}", alias, columns
        if self.chance(0.015):
            alias = self.alias()
            text = rng.choice(["range(0, 5)", "generate_series(-1, 4)"])
            return f"{text} AS {alias}(i)", alias, [Column("i", "int")]
        if self.chance(0.015):
            alias = self.alias()
            return (
                f"(VALUES (1, 'a'), (2, NULL), (2, 'b')) AS {alias}(i, s)",
                alias,
                [Column("i", "int"), Column("s", "str")],
            )
        return self.named(taken)

    def named(self, taken: set[str]) -> tuple[str, str, list[Column]]:
        """Draw a table or a CTE."""
        rng = self.rng
        hidden = {each.name for each in self.ctes}
        free = [each for each in self.tables if each.name not in hidden]
        table = rng.choice(self.ctes if self.ctes and self.chance(0.6) else free or self.ctes)
        name = table.name
        if name not in hidden and self.chance(0.05):
            name = rng.choice([f"main.{name}", name.upper(), f'"{name}"'])
        if self.chance(0.2) and table.name not in taken:
            return name, table.name, table.columns
        alias = self.alias()
        if self.chance(0.02):
            column = rng.choice(table.columns).name
            alias = column if column not in taken else alias
        return f"{name} {rng.choice(['AS ', ''])}{alias}", alias, table.columns

    def from_(self, depth: int, *, few: bool = False) -> From:
        """Draw a FROM clause."""
        taken: set[str] = set()
        text, alias, columns = self.relation(depth, taken)
        taken.add(alias)
        found = From(text, refs(alias, columns))
        odds = self.style.more
        more = 0 if few else self.rng.choices(range(len(odds)), weights=list(odds))[0]
        for number in range(more):
            kind = self.pick(self.style.joins)
            self._join(found, kind, depth, taken, last=number == more - 1)
        self._unqualify(found)
        return found

    def _join(self, found: From, kind: str, depth: int, taken: set[str], *, last: bool) -> None:
        if kind == "unnest":
            self._unnest(found)
            return
        if kind == "lateral":
            self._lateral(found, taken)
            return
        text, alias, columns = self.relation(depth, taken)
        taken.add(alias)
        if kind == "asof":
            self._asof(found, columns, text)
            return
        self._plain_join(found, kind, text, refs(alias, columns), last=last)

    def _plain_join(
        self, found: From, kind: str, text: str, right: list[Ref], *, last: bool
    ) -> None:
        mine = [(each.name, each.kind) for each in found.scope if each.exact]
        names = [each.name for each in found.scope]
        shared = [
            each.name
            for each in right
            if each.exact and names.count(each.name) == 1 and (each.name, each.kind) in mine
        ]
        if "using" in kind and (not shared or not last or found.listed):
            kind = kind.replace("using", "").strip() or "inner"
        if kind == "natural" and (not shared or found.listed or not self._natural(found, right)):
            kind = "inner"
        if kind in {"comma", "cross"}:
            joined = self.rng.choice([", ", " CROSS JOIN "]) if kind == "cross" else ", "
            found.sql += f"{joined}{text}"
            if kind == "comma":
                found.conditions.append(self.on(found.scope, right))
            self._after_comma(found)
            found.scope += right
        elif "using" in kind:
            self._using(found, kind, text, right, shared)
        elif kind == "natural":
            found.sql += f" NATURAL JOIN {text}"
            found.scope += [each for each in right if each.name not in shared]
            found.alone = False
        elif kind in {"semi", "anti"}:
            found.sql += (
                f" {kind.upper()} JOIN {text} ON {self.on(found.scope[found.near :], right)}"
            )
        else:
            word = {"left": "LEFT", "right": "RIGHT", "full": "FULL OUTER"}.get(kind, "")
            near = found.scope[found.near :] if self.chance(0.9) else found.scope
            on = self.on(near, right)
            if kind == "odd":
                word = self.rng.choice(["", "LEFT"])
                on = self.condition([*near, *right], 1)
            found.sql += f" {word} JOIN {text} ON {on}".replace("  ", " ")
            found.scope += right

    def _after_comma(self, found: From) -> None:
        found.listed, found.near = True, len(found.scope)

    def _natural(self, found: From, right: list[Ref]) -> bool:
        """Say whether all names in common are of one kind, and the same each time."""
        mine = {each.name.lower(): each for each in found.scope}
        pairs = [(mine.get(each.name.lower()), each) for each in right]
        return len(mine) == len(found.scope) and all(
            one is None or (one.kind == each.kind and one.exact and each.exact)
            for one, each in pairs
        )

    def _using(
        self, found: From, kind: str, text: str, right: list[Ref], shared: list[str]
    ) -> None:
        chosen = self.rng.sample(shared, min(len(shared), self.rng.choice([1, 1, 2])))
        word = {"left using": "LEFT ", "full using": "FULL "}.get(kind, "")
        found.sql += f" {word}JOIN {text} USING ({', '.join(chosen)})"
        merged = [Ref(each.name, each.name, each.kind) for each in right if each.name in chosen]
        rest = [
            each for each in [*found.scope, *right] if each.name not in chosen or self.chance(0.15)
        ]
        found.scope = merged + rest
        found.alone = False

    def on(self, left: list[Ref], right: list[Ref]) -> str:
        """Draw a join's condition: mostly an equality, and sometimes more."""
        pairs = [
            (one, other)
            for one in left
            for other in right
            if one.kind == other.kind and one.exact and other.exact and one.kind in POOLS
        ]
        same = [pair for pair in pairs if pair[0].name == pair[1].name]
        if not pairs:
            return self.condition([*left, *right], 0)
        parts = []
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            one, other = self.rng.choice(same if same and self.chance(0.6) else pairs)
            operator = "=" if self.chance(0.95) else "IS NOT DISTINCT FROM"
            sides = [one.sql, other.sql]
            if self.chance(0.06):
                sides[0] = self.value([one], one.kind, 1)
            if self.chance(0.3):
                sides.reverse()
            parts.append(f"{sides[0]} {operator} {sides[1]}")
        if self.chance(0.15):
            parts.append(self.condition([*left, *right], 1))
        return " AND ".join(dict.fromkeys(parts))

    def _asof(self, found: From, columns: list[Column], text: str) -> None:
        """Join with the last row before: one row for each time, so that there are no ties."""
        times = {each.kind for each in found.scope if each.exact} & {"date", "ts", "int"}
        usable = [each for each in columns if each.kind in times and each.exact]
        if not usable:
            return
        at = self.rng.choice(usable)
        mine = self.rng.choice(
            [each for each in found.scope if each.kind == at.kind and each.exact]
        )
        values = [each for each in columns if each.exact and each is not at][:2]
        shown = ", ".join(
            [at.name, *[f"max({each.name}) AS v{n}" for n, each in enumerate(values)]]
        )
        alias = self.alias()
        word = self.rng.choice(["ASOF", "ASOF LEFT"])
        found.sql += (
            f" {word} JOIN (SELECT {shown} FROM {text} GROUP BY {at.name}) AS {alias}"
            f" ON {mine.sql} >= {alias}.{at.name}"
        )
        found.scope.append(Ref(f"{alias}.{at.name}", at.name, at.kind))
        found.scope += [Ref(f"{alias}.v{n}", f"v{n}", each.kind) for n, each in enumerate(values)]

    def _unnest(self, found: From) -> None:
        alias = self.alias()
        kind = self.rng.choice(["int", "str"])
        if kind == "str":
            text = f"string_split({self.value(found.scope, 'str', 0)}, ' ')"
        else:
            text = f"[{self.value(found.scope, kind, 0)}, {self.value(found.scope, kind, 0)}]"
        found.sql += f", unnest({text}) AS {alias}(u)"
        self._after_comma(found)
        found.scope.append(Ref(f"{alias}.u", "u", kind))

    def _lateral(self, found: From, taken: set[str]) -> None:
        text, alias, columns = self.named(taken)
        inner = refs(alias, columns)
        value = self.rng.choice([each for each in inner if each.exact and each.kind in POOLS])
        name = self.alias()
        self._after_comma(found)
        on = self.on(found.scope, inner)
        aggregate = self.rng.choice(["max", "min", "count"])
        found.sql += (
            f", LATERAL (SELECT {aggregate}({value.sql}) AS x FROM {text} WHERE {on}) AS {name}"
        )
        kind = "int" if aggregate == "count" else value.kind
        found.scope.append(Ref(f"{name}.x", "x", kind))

    def _unqualify(self, found: From) -> None:
        """Sometimes leave out the names of the relations, where the columns' names suffice."""
        if not self.chance(0.4):
            return
        names = [plain(each.name).lower() for each in found.scope]
        aliases = {plain(each.sql.split(".")[0]).lower() for each in found.scope}
        found.scope = [
            Ref(each.name, each.name, each.kind, each.exact, each.outer)
            if names.count(name) == 1 and name not in aliases
            else each
            for name, each in zip(names, found.scope, strict=True)
        ]


def refs(alias: str, columns: Sequence[Column]) -> list[Ref]:
    """Return the columns of a relation as those in scope."""
    return [
        Ref(f"{alias}.{each.name}", each.name, each.kind, each.exact, f"{alias}.{each.name}")
        for each in columns
    ]
