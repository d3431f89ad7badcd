"""Random scalar expressions and conditions over the columns in scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from fuzz.values import POOLS

INTS = ["0", "1", "2", "3", "5"]


@dataclass(frozen=True)
class Ref:
    """Hold a column in scope.

    Args:
        sql: how the query itself names it.
        exact: two runs give the same value.
        outer: how a subquery names it; empty where it can't be sure to.
    """

    sql: str
    name: str
    kind: str
    exact: bool = True
    outer: str = ""


Scope = Sequence[Ref]
# Gives a subquery condition over a scope, or a scalar subquery of a kind.
Sub = Callable[[Scope], str | None]


class Expressions:
    """Draw expressions."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """Say yes sometimes."""
        return self.rng.random() < probability

    def literal(self, kind: str) -> str:
        """Draw a constant that occurs in tables."""
        rng = self.rng
        if self.chance(0.04):
            return f"CAST(NULL AS {_CAST[kind]})"
        if kind == "dbl":
            return f"CAST({rng.choice(['1.5', '0.0', '3.0', '0.1'])} AS DOUBLE)"
        return rng.choice(POOLS[kind])

    def value(self, scope: Scope, kind: str, depth: int = 2) -> str:
        """Draw an expression of a kind over the exact columns in scope."""
        here = [ref.sql for ref in scope if ref.kind == kind and ref.exact]
        if here and (depth <= 0 or self.chance(0.6)):
            return self.rng.choice(here)
        if depth <= 0 or self.chance(0.1):
            return self.literal(kind)
        return self._made(scope, kind, depth - 1)

    def _made(self, scope: Scope, kind: str, depth: int) -> str:
        def sub(of: str = kind) -> str:
            return self.value(scope, of, depth)

        choice = self.rng.random()
        if choice < 0.2:
            return f"coalesce({sub()}, {self.literal(kind)})"
        if choice < 0.32:
            return (
                f"CASE WHEN {self.condition(scope, depth - 1)} THEN {sub()} "
                + self.rng.choice([f"ELSE {sub()} ", ""])
                + "END"
            )
        if choice < 0.36:
            return f"nullif({sub()}, {self.literal(kind)})"
        if choice < 0.40 and kind != "dbl":
            return f"{self.rng.choice(['greatest', 'least'])}({sub()}, {sub()})"
        kinds = {ref.kind for ref in scope if ref.exact}
        makers = [each for each in _MAKERS[kind] if kinds.intersection(each[1])]
        if not makers:
            return self.literal(kind)
        text, needed = self.rng.choice(makers)
        return text.format(*[sub(of) for of in needed], self.rng.choice(INTS[1:]))

    def any_value(self, scope: Scope, depth: int = 1) -> tuple[str, str, bool]:
        """Draw an expression of any kind for a select list; an inexact column may pass too."""
        if scope and self.chance(0.95):
            ref = self.rng.choice(scope)
            if ref.kind not in POOLS or self.chance(0.7):
                return ref.sql, ref.kind, ref.exact
            if not ref.exact:
                return f"{ref.sql} * 2", "dbl", False
            return self.value(scope, ref.kind, depth), ref.kind, True
        kind = self.rng.choice(list(POOLS))
        return self.value(scope, kind, depth), kind, True

    def condition(self, scope: Scope, depth: int = 2, sub: Sub | None = None) -> str:
        """Draw a condition with SQL's three truth values."""
        if depth > 0 and self.chance(0.3):
            word = self.rng.choice([" AND ", " OR "])
            parts = [self.condition(scope, depth - 1, sub) for _ in range(2)]
            return "(" + word.join(parts) + ")"
        if depth > 0 and self.chance(0.1):
            return f"NOT ({self.condition(scope, depth - 1, sub)})"
        if sub is not None and self.chance(0.12):
            found = sub(scope)
            if found is not None:
                return found
        return self._atom(scope, depth)

    def _atom(self, scope: Scope, depth: int) -> str:
        rng = self.rng
        here = [ref for ref in scope if ref.exact and ref.kind in POOLS]
        if not here:
            return rng.choice(["true", "1 = 1", "1 = 2"])
        ref = rng.choice(here)
        kind = ref.kind
        left = ref.sql if depth <= 0 or self.chance(0.8) else self.value(scope, kind, 1)
        choice = rng.random()
        if choice < 0.1:
            return f"{left} IS {rng.choice(['', 'NOT ', 'NOT '])}NULL"
        if kind == "bool":
            return rng.choice([left, f"NOT {left}", f"{left} IS NOT TRUE", f"{left} = true"])
        if choice < 0.2:
            some = ", ".join(self.literal(kind) for _ in range(rng.randint(1, 3)))
            return f"{left} {rng.choice(['', 'NOT ', 'NOT '])}IN ({some})"
        if choice < 0.27:
            word = rng.choice(["BETWEEN", "NOT BETWEEN", "NOT BETWEEN"])
            return f"{left} {word} {self.literal(kind)} AND {self.literal(kind)}"
        if choice < 0.33:
            return f"{left} IS {rng.choice(['', 'NOT '])}DISTINCT FROM {self.value(scope, kind, 1)}"
        if kind == "str" and choice < 0.43:
            pattern = rng.choice(["'a%'", "'%a'", "'%b%'", "'_'"])
            return f"{left} {rng.choice(['LIKE', 'NOT LIKE', 'ILIKE'])} {pattern}"
        others = [each.sql for each in here if each.kind == kind and each.sql != ref.sql]
        right = rng.choice(others) if others and self.chance(0.3) else self.literal(kind)
        operators = ["=", "<>", "<", ">=", ">", "<=", "<>", "<>"]
        return f"{left} {rng.choice(operators)} {right}"


_CAST = {
    "int": "INTEGER",
    "dec": "DECIMAL(9,2)",
    "str": "VARCHAR",
    "date": "DATE",
    "ts": "TIMESTAMP",
    "dbl": "DOUBLE",
    "bool": "BOOLEAN",
}
_MAKERS: dict[str, list[tuple[str, list[str]]]] = {
    "int": [
        ("({0} + {1})", ["int"]),
        ("({0} - {1})", ["int", "int"]),
        ("({0} % {1})", ["int"]),
        ("({0} * {1})", ["int"]),
        ("({0} // {1})", ["int"]),
        ("abs({0})", ["int"]),
        ("length({0})", ["str"]),
        ("year({0})", ["date"]),
        ("month({0})", ["ts"]),
        ("date_diff('day', {0}, {1})", ["date", "date"]),
        ("CAST({0} AS INTEGER)", ["bool"]),
        ("TRY_CAST({0} AS INTEGER)", ["str"]),
        ("sign({0})", ["dec"]),
        ("(- {0})", ["int"]),
        ("extract(dow FROM {0})", ["date"]),
    ],
    "dec": [
        ("({0} + {1}.25)", ["dec"]),
        ("({0} - {1})", ["dec", "dec"]),
        ("(- {0})", ["dec"]),
        ("round({0}, 1)", ["dec"]),
        ("abs({0})", ["dec"]),
        ("CAST({0} % 100 AS DECIMAL(9,2))", ["int"]),
        ("CAST({0} AS DECIMAL(30,2))", ["dec"]),
    ],
    "str": [
        ("lower({0})", ["str"]),
        ("upper({0})", ["str"]),
        ("trim({0})", ["str"]),
        ("rtrim({0})", ["str"]),
        ("substr({0}, 1, {1})", ["str"]),
        ("({0} || {1})", ["str", "str"]),
        ("concat({0}, '-', {1})", ["str", "int"]),
        ("CAST({0} AS VARCHAR)", ["int"]),
        ("CAST({0} AS VARCHAR)", ["date"]),
        ("replace({0}, 'a', 'x')", ["str"]),
        ("strftime({0}, '%Y-%m')", ["date"]),
        ("({0})[1:{1}]", ["str"]),
    ],
    "date": [
        ("({0} + {1})", ["date"]),
        ("CAST({0} AS DATE)", ["ts"]),
        ("{0}::DATE", ["ts"]),
        ("CAST(date_trunc('month', {0}) AS DATE)", ["date"]),
        ("last_day({0})", ["date"]),
    ],
    "ts": [
        ("date_trunc('day', {0})", ["ts"]),
        ("date_trunc('month', {0})", ["ts"]),
        ("date_trunc('hour', {0})", ["ts"]),
        ("CAST({0} AS TIMESTAMP)", ["date"]),
        ("({0} + INTERVAL {1} DAY)", ["ts"]),
        ("({0} - INTERVAL '{1} hours')", ["ts"]),
    ],
    "dbl": [
        ("({0} + {1})", ["dbl"]),
        ("({0} * {1})", ["dbl"]),
        ("CAST({0} AS DOUBLE)", ["int"]),
        ("({0} / {1})", ["int"]),
        ("round({0}, {1})", ["dbl"]),
    ],
    "bool": [
        ("({0} > {1})", ["int"]),
        ("({0} = {1})", ["str", "str"]),
        ("({0} IS NULL)", ["str"]),
        ("(NOT {0})", ["bool"]),
        ("({0} OR {1})", ["bool", "bool"]),
        ("({0} <= {1})", ["date", "date"]),
    ],
}
