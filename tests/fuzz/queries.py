"""Random queries over the whole grammar, nested up to three deep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

from fuzz.expressions import Ref, Scope
from fuzz.sources import From, Select, refs
from fuzz.styles import INSIDE, STYLES
from fuzz.values import POOLS, Column, Table
from fuzz.windows import Windows


class Queries(Windows):
    """Draw queries."""

    def __init__(self, rng: Random, tables: Sequence[Table], name: str) -> None:
        super().__init__(rng, tables)
        self.style, self.kind = STYLES[name], name

    @contextmanager
    def as_style(self, name: str) -> Iterator[None]:
        """Draw what is inside in another style."""
        before = self.style, self.kind
        self.style, self.kind = STYLES[name], name
        yield
        self.style, self.kind = before

    def query(self, depth: int) -> Select:
        """Draw a whole query, with CTEs perhaps."""
        outer = list(self.ctes)
        prefix = self._with(depth) if depth > 0 and self.chance(self.style.cte) else ""
        made = self._set_operation(depth) if self.chance(self.style.setop) else None
        made = made or self.select(depth)
        self.ctes = outer
        return Select(prefix + made.sql, made.columns)

    def inside(self, depth: int) -> Select:
        """Draw the query of a subquery or a CTE."""
        with self.as_style(self.pick(INSIDE[self.kind])):
            return self.query(depth)

    def _with(self, depth: int) -> str:
        texts = []
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            # A CTE does not see those that come after it, nor itself.
            made = self.inside(depth - 1)
            taken = {each.name for each in self.ctes}
            self.count += 1
            name = f"c{self.count}"
            free = [each.name for each in self.tables if each.name not in taken]
            if free and self.chance(0.08):
                name = self.rng.choice(free)
            shown, columns = name, made.columns
            if self.chance(0.08):
                renamed = [f"v{n}" for n in range(len(columns))]
                shown = f"{name}({', '.join(renamed)})"
                columns = [
                    Column(new, each.kind, each.exact)
                    for new, each in zip(renamed, columns, strict=True)
                ]
            how = self.rng.choice(["AS", "AS", "AS", "AS MATERIALIZED", "AS NOT MATERIALIZED"])
            texts.append(f"{shown} {how} ({made.sql})")
            self.ctes = [each for each in self.ctes if each.name != name]
            self.ctes.append(Table(name, columns))
        return f"WITH {', '.join(texts)} "

    def select(self, depth: int) -> Select:
        """Draw one SELECT."""
        form = self.pick(self.style.forms)
        if form == "limit":
            with self.as_style(self.pick(INSIDE[self.kind])):
                made = self.query(depth)
            return self.limited(made) or made
        found = self.from_(depth, few=form == "window" and self.chance(0.6))
        where = self._where(found, depth)
        if form == "aggregate":
            return self.aggregate(found, where)
        if form == "window":
            return self.window(found, where)
        if form == "distinct on":
            made = self.distinct_on(found, where)
            if made is not None:
                return made
        return self._plain(found, where, depth, distinct=form == "distinct")

    def _where(self, found: From, depth: int) -> str:
        parts = list(found.conditions)
        if self.chance(0.4):
            use_sub = depth > 0 and self.chance(self.style.sub)
            parts.append(self.condition(found.scope, 2, self._sub if use_sub else None))
        if depth > 0 and self.chance(self.style.sub * 0.3):
            parts.append(self._sub(found.scope) or "true")
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _plain(self, found: From, where: str, depth: int, *, distinct: bool) -> Select:
        fit = not distinct or all(each.exact for each in found.scope)
        if fit and found.alone and self.chance(0.15) and self._named_once(found.scope):
            return self._star(found, where, distinct=distinct)
        values = []
        for _ in range(self.rng.choice([1, 2, 3, 3, 4, 5])):
            sql, kind, exact = self.any_value(found.scope)
            if exact or not distinct:
                values.append((sql, kind, exact))
        if depth > 0 and not distinct and self.chance(self.style.sub * 0.25):
            values.append(self._scalar(found.scope) or ("1", "int", True))
        values = values or [("1", "int", True)]
        texts, columns = self.output(values)
        if not distinct and "(SELECT" not in "".join(texts) and self.chance(0.06):
            self._lateral_alias(found, texts, columns)
        if not distinct and self.chance(0.03):
            self._unnested(found, texts, columns)
        word = "SELECT DISTINCT" if distinct else "SELECT"
        return Select(f"{word} {', '.join(texts)} FROM {found.sql}{where}", columns)

    def _named_once(self, scope: Scope) -> bool:
        names = [each.name.lower().strip('"') for each in scope]
        return len(set(names)) == len(names)

    def _star(self, found: From, where: str, *, distinct: bool) -> Select:
        star, columns = "*", [Column(each.name, each.kind, each.exact) for each in found.scope]
        at = self.rng.randrange(len(columns))
        choice = self.rng.random()
        if choice < 0.25 and len(columns) > 1:
            star = f"* EXCLUDE ({columns[at].name})"
            del columns[at]
        elif choice < 0.5 and columns[at].exact and columns[at].kind in POOLS:
            value = self.value(found.scope, columns[at].kind, 1)
            star = f"* REPLACE ({value} AS {columns[at].name})"
        word = "SELECT DISTINCT" if distinct else "SELECT"
        return Select(f"{word} {star} FROM {found.sql}{where}", columns)

    def _lateral_alias(self, found: From, texts: list[str], columns: list[Column]) -> None:
        """Use the name of a value of the same select list."""
        names = {each.name.lower() for each in found.scope}
        usable = [
            each
            for each in columns
            if each.exact and each.kind in POOLS and each.name.lower() not in names
        ]
        if usable:
            last = self.rng.choice(usable)
            value = self.value([Ref(last.name, last.name, last.kind)], last.kind, 2)
            texts.append(f"{value} AS lateral_{len(texts)}")
            columns.append(Column(f"lateral_{len(columns)}", last.kind))

    def _unnested(self, found: From, texts: list[str], columns: list[Column]) -> None:
        values = [self.value(found.scope, "int", 1) for _ in range(2)]
        texts.append(f"unnest([{', '.join(values)}]) AS u{len(texts)}")
        columns.append(Column(f"u{len(columns)}", "int"))

    def _set_operation(self, depth: int) -> Select | None:
        """Put queries with equal columns together."""
        kinds = ["int", "str", *[each.kind for table in self.tables for each in table.columns]]
        kinds = [each for each in kinds if each in POOLS]
        kinds = [self.rng.choice(kinds) for _ in range(self.rng.choice([1, 2, 2, 3]))]
        parts = [self._typed(depth, kinds) for _ in range(self.rng.choice([2, 2, 2, 3]))]
        sql = parts[0]
        word = self.pick(self.style.setops)
        for part in parts[1:]:
            sql = f"{sql} {word} {part}" if word.startswith("UNION") else f"({sql}) {word} ({part})"
        columns = [Column(f"s{n}", kind) for n, kind in enumerate(kinds)]
        return Select(sql, columns)

    def _typed(self, depth: int, kinds: list[str]) -> str:
        if depth > 0 and self.chance(0.3):
            made = self.inside(depth - 1)
            alias = self.alias()
            found = From(f"({made.sql}) AS {alias}", refs(alias, made.columns))
        else:
            found = self.from_(max(depth - 1, 0), few=self.chance(0.5))
        where = self._where(found, 0)
        values = [f"{self.value(found.scope, kind, 1)} AS s{n}" for n, kind in enumerate(kinds)]
        word = "SELECT DISTINCT" if self.kind != "linear" and self.chance(0.1) else "SELECT"
        return f"{word} {', '.join(values)} FROM {found.sql}{where}"

    def _outer(self, scope: Scope) -> list[Ref]:
        """Name the columns as a subquery can, where a name means the same in it."""
        return [
            Ref(each.outer, each.name, each.kind)
            for each in scope
            if each.outer and each.exact and each.kind in POOLS
        ]

    def _subquery(self, scope: Scope, correlated: float) -> tuple[str, list[Ref], list[str]]:
        """Draw FROM and the conditions of a subquery."""
        text, alias, columns = self.named({""})
        if " " not in text:
            alias = self.alias()
            text = f"{text} AS {alias}"
        inner = refs(alias, columns)
        outer = self._outer(scope)
        conditions = []
        if outer and self.chance(correlated):
            conditions.append(self.on(outer, inner))
        if self.chance(0.35):
            conditions.append(self.condition(inner, 1))
        return text, inner, conditions

    def _sub(self, scope: Scope) -> str | None:
        """Draw a condition that is a subquery."""
        choice = self.rng.random()
        correlated = 0.9 if choice < 0.4 else 0.3
        text, inner, conditions = self._subquery(scope, correlated)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        word = self.rng.choice(["", "NOT "])
        if choice < 0.4:
            return f"{word}EXISTS (SELECT 1 FROM {text}{where})"
        outer = self._outer(scope)
        pairs = [
            (one, other)
            for one in outer
            for other in inner
            if one.kind == other.kind and other.exact
        ]
        if not pairs:
            return None
        one, other = self.rng.choice(pairs)
        if choice < 0.75:
            return f"{one.sql} {word}IN (SELECT {other.sql} FROM {text}{where})"
        if choice < 0.80 and not any(ref.sql in where for ref in outer):
            second = self.rng.choice(pairs)
            return (
                f"({one.sql}, {second[0].sql}) {word}IN "
                f"(SELECT {other.sql}, {second[1].sql} FROM {text}{where})"
            )
        if choice < 0.85:
            some = self.rng.choice(["= ANY", "> ALL", "<> ALL", "< ANY"])
            return f"{one.sql} {some} (SELECT {other.sql} FROM {text}{where})"
        operator = self.rng.choice(["=", "<", ">="])
        aggregate = self.rng.choice(["max", "min"])
        return f"{one.sql} {operator} (SELECT {aggregate}({other.sql}) FROM {text}{where})"

    def _scalar(self, scope: Scope) -> tuple[str, str, bool] | None:
        """Draw a subquery that is a value."""
        text, inner, conditions = self._subquery(scope, 0.8)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        usable = [each for each in inner if each.exact and each.kind in POOLS]
        if not usable or self.chance(0.3):
            return f"(SELECT count(*) FROM {text}{where})", "int", True
        ref = self.rng.choice(usable)
        if ref.kind in {"int", "dec"} and self.chance(0.4):
            return f"(SELECT sum({ref.sql}) FROM {text}{where})", ref.kind, True
        word = self.rng.choice(["max", "min"])
        return f"(SELECT {word}({ref.sql}) FROM {text}{where})", ref.kind, True
