"""Random SELECTs whose rows are compared with others: windows, DISTINCT ON, LIMIT."""

from __future__ import annotations

from fuzz.aggregates import Aggregates
from fuzz.expressions import Ref
from fuzz.sources import From, Select
from fuzz.values import POOLS


class Windows(Aggregates):
    """Draw SELECTs with windows."""

    def total(self, scope: list[Ref], first: list[Ref] | None = None) -> str | None:
        """Order by all columns, so that rows that tie are equal; None where a value may vary."""
        if not all(each.exact for each in scope):
            return None
        rest = list(dict.fromkeys(each.sql for each in scope))
        self.rng.shuffle(rest)
        lead = [each.sql for each in first or []]
        listed = list(dict.fromkeys([*lead, *rest]))
        return ", ".join(f"{each}{self.direction()}" for each in listed)

    def direction(self) -> str:
        """Draw how one column is ordered."""
        return self.rng.choice(["", "", " DESC", " NULLS FIRST", " DESC NULLS LAST"])

    def window(self, found: From, where: str) -> Select:
        """Draw a SELECT with windows."""
        rng = self.rng
        scope = found.scope
        usable = [each for each in scope if each.exact and each.kind in POOLS]
        partition: list[str] = []
        if usable and not self.chance(self.style.globally):
            partition = list({rng.choice(usable).sql for _ in range(rng.choice([1, 1, 2]))})
        by = f"PARTITION BY {', '.join(partition)} " if partition else ""
        named = self.chance(0.2)
        calls = [self._call(scope, by, named=named) for _ in range(rng.choice([1, 1, 2]))]
        values = [(sql, kind, True) for kind, sql in self._kept(scope, partition)]
        values += [(each.sql, each.kind, each.exact) for each in calls]
        if self.chance(0.2):
            rng.shuffle(values)
        texts, columns = self.output(values)
        sql = f"SELECT {', '.join(texts)} FROM {found.sql}{where}"
        if named:
            sql += f" WINDOW w AS ({by.strip()})"
        if self.chance(0.3):
            sql += f" QUALIFY {self._qualify(scope, by, calls)}"
        return Select(sql, columns)

    def _kept(self, scope: list[Ref], partition: list[str]) -> list[tuple[str, str]]:
        """Show the columns of the partition, mostly, and some others."""
        kinds = {each.sql: each.kind for each in scope}
        shown = [each for each in partition if not self.chance(self.style.hidden)]
        exact = [each.sql for each in scope if each.exact]
        shown += self.rng.sample(exact, min(len(exact), self.rng.choice([0, 1, 2, 3])))
        return [(kinds[each], each) for each in dict.fromkeys(shown)]

    def _qualify(self, scope: list[Ref], by: str, calls: list[Ref]) -> str:
        order = self.total(scope)
        if order is not None and self.chance(0.6):
            return f"row_number() OVER ({by}ORDER BY {order}) <= {self.rng.choice([1, 1, 2])}"
        exact = [each for each in calls if each.exact and each.kind in POOLS]
        return self.condition(exact, 1) if exact else f"count(*) OVER ({by.strip()}) > 1"

    def _call(self, scope: list[Ref], by: str, *, named: bool) -> Ref:
        """Draw a window function that is the same each time: ties are ordered, or do not count."""
        rng = self.rng
        usable = [each for each in scope if each.exact and each.kind in POOLS]
        if not usable:
            return Ref(f"count(*) OVER ({by.strip()})", "", "int")
        ref, some = rng.choice(usable), rng.choice(usable)
        order = self.total(scope, [some])
        choice = rng.random()
        if named and choice < 0.6:
            over = rng.choice(["w", f"(w ORDER BY {some.sql})"])
            return rng.choice([self._whole(scope, over), Ref(f"count(*) OVER {over}", "", "int")])
        if choice < 0.3 or order is None:
            over = f"({by.strip()})" if self.chance(0.6) else f"({by}ORDER BY {some.sql})"
            return self._whole(scope, over)
        if choice < 0.45:
            word = rng.choice(["rank", "dense_rank", "percent_rank", "cume_dist"])
            over = f"({by}ORDER BY {some.sql}{self.direction()})"
            kind = "int" if "rank" in word and word != "percent_rank" else "dbl"
            return Ref(f"{word}() OVER {over}", "", kind, exact=kind == "int")
        if choice < 0.6:
            word = rng.choice(["row_number()", "row_number()", "ntile(3)"])
            return Ref(f"{word} OVER ({by}ORDER BY {order})", "", "int")
        if choice < 0.75:
            word = rng.choice(["lag", "lead"])
            arguments = rng.choice(["", ", 2", f", 1, {self.literal(ref.kind)}"])
            return Ref(f"{word}({ref.sql}{arguments}) OVER ({by}ORDER BY {order})", "", ref.kind)
        if choice < 0.85:
            word = rng.choice(["first_value", "last_value"])
            nulls = rng.choice(["", "", " IGNORE NULLS"])
            call = f"{word}({ref.sql}{nulls})"
            return Ref(f"{call} OVER ({by}ORDER BY {order}{self._rows()})", "", ref.kind)
        if choice < 0.95:
            return self._framed(scope, by, order)
        return self._ranged(scope, by)

    def _whole(self, scope: list[Ref], over: str) -> Ref:
        """Draw an aggregate over a window, in which the order of equal rows does not count."""
        kind = self.rng.choice(["int", "dec"])
        numbers = [each for each in scope if each.exact and each.kind in {"int", "dec"}]
        ref = self.rng.choice(numbers) if numbers else None
        word = self.rng.choice(["sum", "count", "max", "min", "avg"])
        if ref is None or word == "count":
            return Ref(f"count({self.value(scope, kind, 0)}) OVER {over}", "", "int")
        if word == "avg":
            return Ref(f"avg({ref.sql}) OVER {over}", "", "dbl", exact=False)
        return Ref(f"{word}({ref.sql}) OVER {over}", "", ref.kind)

    def _rows(self) -> str:
        return self.rng.choice(
            [
                "",
                " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
            ]
        )

    def _framed(self, scope: list[Ref], by: str, order: str) -> Ref:
        over = f"({by}ORDER BY {order}{self._rows()})"
        return self._whole(scope, over)

    def _ranged(self, scope: list[Ref], by: str) -> Ref:
        numbers = [each for each in scope if each.exact and each.kind in {"int", "date", "ts"}]
        if not numbers:
            return self._whole(scope, f"({by.strip()})")
        ref = self.rng.choice(numbers)
        step = "1" if ref.kind == "int" else "INTERVAL 30 DAY"
        frame = self.rng.choice(
            [
                f"RANGE BETWEEN {step} PRECEDING AND CURRENT ROW",
                f"RANGE BETWEEN {step} PRECEDING AND {step} FOLLOWING",
                "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            ]
        )
        return self._whole(scope, f"({by}ORDER BY {ref.sql} {frame})")

    def distinct_on(self, found: From, where: str) -> Select | None:
        """Draw a SELECT DISTINCT ON with an order of all columns."""
        scope = found.scope
        usable = [each for each in scope if each.exact and each.kind in POOLS]
        if not usable or not all(each.exact for each in scope):
            return None
        on = list(
            {
                each.sql: each for each in self.rng.choices(usable, k=self.rng.choice([1, 1, 2]))
            }.values()
        )
        shown = [each for each in on if not self.chance(self.style.hidden)]
        shown += [each for each in self.rng.sample(scope, min(3, len(scope))) if each not in shown]
        texts, columns = self.output([(each.sql, each.kind, True) for each in shown])
        order = self.total(scope, on if self.chance(0.6) else None)
        listed = ", ".join(each.sql for each in on)
        sql = f"SELECT DISTINCT ON ({listed}) {', '.join(texts)} FROM {found.sql}{where}"
        return Select(f"{sql} ORDER BY {order}", columns)

    def limited(self, made: Select) -> Select | None:
        """Keep some rows by an order of all columns."""
        if not all(each.exact for each in made.columns):
            return None
        order = self.total([Ref(each.name, each.name, each.kind) for each in made.columns])
        if self.chance(0.2):
            order = ", ".join(str(number + 1) for number in range(len(made.columns)))
        limit = self.rng.choice(["LIMIT 3", "LIMIT 10", "LIMIT 5 OFFSET 2", "LIMIT 0", "LIMIT 1"])
        name = self.alias()
        return Select(f"SELECT * FROM ({made.sql}) {name} ORDER BY {order} {limit}", made.columns)
