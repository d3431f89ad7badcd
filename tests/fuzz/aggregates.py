"""Random SELECTs with GROUP BY: keys, aggregates, HAVING, grouping sets."""

from __future__ import annotations

from fuzz.expressions import Ref
from fuzz.sources import From, Select, Sources
from fuzz.values import POOLS, Column

EXACT = {"int", "dec"}


class Aggregates(Sources):
    """Draw SELECTs that group."""

    def output(self, values: list[tuple[str, str, bool]]) -> tuple[list[str], list[Column]]:
        """Name the values of a select list: each once."""
        texts, columns, taken = [], [], set()
        for sql, kind, exact in values:
            bare = sql.rsplit(".", 1)[-1] if sql.replace(".", "").replace("_", "").isalnum() else ""
            name = bare if bare and not bare[0].isdigit() and self.chance(0.7) else ""
            if not name or name.lower() in taken:
                name = f"c{len(columns)}"
                if self.chance(0.04):
                    name = f'"C {len(columns)}"'
            while name.lower() in taken:
                name += "x"
            taken.add(name.lower())
            texts.append(sql if name == bare else f"{sql} AS {name}")
            columns.append(Column(name, kind, exact))
        return texts, columns

    def aggregate(self, found: From, where: str) -> Select:
        """Draw a SELECT that groups."""
        rng = self.rng
        keys = self._keys(found)
        calls = [self.call(found) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
        if self.style.sums and self.chance(0.5):
            calls.append(Ref("count(*)", "", "int"))
        how = self.pick({"plain": 5, "ordinal": 1.5, "all": 1, "alias": 0.7, "sets": 0.45})
        if not keys or (how == "sets" and self.style.sums and self.chance(0.7)):
            how = "plain"
        shown = [key for key in keys if how == "all" or not self.chance(self.style.hidden)]
        values = [(key.sql, key.kind, True) for key in shown]
        values += [self._after(call, keys, calls, plain=how == "all") for call in calls]
        if how == "sets" and self.chance(0.5):
            values.append((f"grouping({keys[0].sql})", "int", True))
        if keys and self.chance(0.08) and how in {"plain", "ordinal"}:
            values.append(self._over(keys, calls))
        if how != "ordinal" and self.chance(0.3):
            rng.shuffle(values)
        texts, columns = self.output(values)
        sql = f"SELECT {', '.join(texts)} FROM {found.sql}{where}"
        if how == "alias":
            names = {each.name.lower() for each in found.scope}
            how = "plain" if names & {each.name.lower() for each in columns} else how
        sql += self._grouping(how, keys, values, columns)
        if self.chance(0.12) and (calls or keys):
            here = [*keys, *calls] if how != "all" else calls
            sql += f" HAVING {self.condition(here, 1)}"
        return Select(sql, columns)

    def _keys(self, found: From) -> list[Ref]:
        rng = self.rng
        usable = [each for each in found.scope if each.exact and each.kind in POOLS]
        if not usable or self.chance(self.style.globally):
            return []
        chosen: dict[str, Ref] = {}
        for _ in range(rng.choice([1, 1, 1, 2, 2, 3])):
            ref = rng.choice(usable)
            sql = ref.sql
            if self.chance(0.15):
                made = self.value([ref], ref.kind, 2)
                # A constant number would be the number of a column.
                sql = made if ref.sql in made else sql
            chosen[sql] = Ref(sql, "", ref.kind)
        return list(chosen.values())

    def _grouping(
        self,
        how: str,
        keys: list[Ref],
        values: list[tuple[str, str, bool]],
        columns: list[Column],
    ) -> str:
        if not keys:
            return ""
        texts = [key.sql for key in keys]
        if how == "all":
            return " GROUP BY ALL"
        if how in {"ordinal", "alias"}:
            at = {sql: number for number, (sql, *_) in enumerate(values)}
            for number, key in enumerate(keys):
                if key.sql in at:
                    place = at[key.sql]
                    texts[number] = str(place + 1) if how == "ordinal" else columns[place].name
        if how == "sets":
            listed = ", ".join(texts)
            some = [f"({listed})", f"({texts[0]})", "()"]
            return " GROUP BY " + self.rng.choice(
                [
                    f"ROLLUP ({listed})",
                    f"GROUPING SETS ({', '.join(some)})",
                    f"CUBE ({', '.join(texts[:2])})" if len(texts) <= 2 else f"ROLLUP ({listed})",
                ]
            )
        return f" GROUP BY {', '.join(texts)}"

    def _after(
        self, call: Ref, keys: list[Ref], calls: list[Ref], *, plain: bool
    ) -> tuple[str, str, bool]:
        """Show an aggregate, sometimes as part of an expression."""
        if self.chance(0.75) or call.kind not in POOLS:
            return call.sql, call.kind, call.exact
        if not call.exact:
            return f"coalesce({call.sql}, 0)", "dbl", False
        if call.kind in EXACT and self.chance(0.3):
            return f"{call.sql} / (1 + count(*))", "dbl", False
        scope = calls if plain else [*keys, *calls]
        return self.value(scope, call.kind, 2), call.kind, True

    def _over(self, keys: list[Ref], calls: list[Ref]) -> tuple[str, str, bool]:
        """Draw a window over groups."""
        exact = [call for call in calls if call.exact and call.kind in EXACT]
        key = self.rng.choice(keys).sql
        if exact:
            call = self.rng.choice(exact)
            return self.rng.choice(
                [
                    (f"sum({call.sql}) OVER (PARTITION BY {key})", call.kind, True),
                    (f"rank() OVER (PARTITION BY {key} ORDER BY {call.sql})", "int", True),
                    (f"{call.sql} / nullif(sum({call.sql}) OVER (), 0)", "dbl", False),
                ]
            )
        return f"count(*) OVER (PARTITION BY {key})", "int", True

    def call(self, found: From) -> Ref:
        """Draw a call of an aggregate function."""
        made = self._sum(found.scope) if self.style.sums else self._any_call(found)
        if self.chance(0.12) and made.sql.endswith(")"):
            condition = self.condition(found.scope, 1)
            made = Ref(f"{made.sql} FILTER (WHERE {condition})", "", made.kind, made.exact)
        return made

    def _sum(self, scope: list[Ref]) -> Ref:
        choice = self.rng.random()
        if choice < 0.25:
            return Ref("count(*)", "", "int")
        if choice < 0.45:
            return Ref(f"count({self.any_value(scope)[0]})", "", "int")
        kinds = [each.kind for each in scope if each.exact and each.kind in EXACT]
        if not kinds:
            return Ref("count(*)", "", "int")
        kind = self.rng.choice(kinds)
        if choice < 0.55:
            return Ref(f"avg({self.value(scope, kind, 1)})", "", "dbl", exact=False)
        if choice < 0.62:
            return Ref(f"sum(CASE WHEN {self.condition(scope, 1)} THEN 1 ELSE 0 END)", "", "int")
        return Ref(f"sum({self.value(scope, kind, 1)})", "", kind)

    def _any_call(self, found: From) -> Ref:
        usable = [each for each in found.scope if each.exact and each.kind in POOLS]
        if not usable or self.chance(0.35):
            return self._sum(found.scope)
        odds = {
            "extreme": 25,
            "distinct": 10,
            "text": 6,
            "float": 4,
            "median": 3,
            "truth": 4,
            "at extreme": 4,
            "first": 3,
            "list": 3,
            "sum distinct": 3,
        }
        return self._named_call(self.pick(odds), found.scope, usable)

    def _named_call(self, name: str, scope: list[Ref], usable: list[Ref]) -> Ref:
        rng = self.rng
        ref, other = rng.choice(usable), rng.choice(usable)
        if name == "text" and ref.kind not in {"dbl", "dec"}:
            return self._text(ref)
        if name == "float":
            value = ref.sql if ref.kind == "dbl" else self.value(scope, "dbl", 1)
            return Ref(f"{rng.choice(['sum', 'avg'])}({value})", "", "dbl", exact=False)
        if name in {"median", "sum distinct"}:
            kind = "dbl" if name == "median" else "int"
            word = "median(" if name == "median" else "sum(DISTINCT "
            return Ref(f"{word}{self.value(scope, 'int', 1)})", "", kind)
        if name == "truth":
            word = rng.choice(["bool_or", "bool_and"])
            return Ref(f"{word}({self.condition(scope, 1)})", "", "bool")
        if name == "at extreme":
            # The value itself is the last of what is compared, so that there are no ties.
            call = f"{rng.choice(['arg_max', 'arg_min'])}({ref.sql}, ({other.sql}, {ref.sql}))"
            return Ref(call, "", ref.kind)
        if name == "first":
            call = f"{rng.choice(['first', 'last'])}({ref.sql} ORDER BY {other.sql}, {ref.sql})"
            return Ref(call, "", ref.kind)
        if name == "list":
            return Ref(f"list({ref.sql} ORDER BY {ref.sql})", "", "list")
        if name == "extreme":
            return Ref(f"{rng.choice(['min', 'max'])}({ref.sql})", "", ref.kind)
        return Ref(f"count(DISTINCT {ref.sql})", "", "int")

    def _text(self, ref: Ref) -> Ref:
        text = self.value([ref], "str", 1) if ref.kind == "str" else f"CAST({ref.sql} AS VARCHAR)"
        if ref.sql not in text:
            text = f"CAST({ref.sql} AS VARCHAR)"
        distinct = self.rng.choice(["", "", "DISTINCT "])
        return Ref(f"string_agg({distinct}{text}, ',' ORDER BY {text})", "", "str")
