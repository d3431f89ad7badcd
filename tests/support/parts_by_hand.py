"""Parts of models whose rules are written by hand, as the rules of a refresh would give them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from queries import plain_query

from crannog.names import quote
from crannog.sql.refresh.parts import Linear, Part
from crannog.sql.refresh.program import DELTA, KEYS, Make, Match, Restrict, SemiJoin, Step
from crannog.sql.refresh.query import Place, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode

COLUMNS = {
    "main.a": (("id", "INTEGER"), ("k", "INTEGER"), ("x", "DECIMAL(9,2)"), ("f", "DOUBLE")),
    "main.b": (("k", "BIGINT"), ("name", "VARCHAR"), ("unread", "DATE")),
}
NO = Reason(ReasonCode.TOO_COMPLEX)


@dataclass(frozen=True)
class ByKey:
    positions: tuple[int, ...]
    columns: dict[str, str]
    null_safe: bool = True

    def affected(self, changed: Collection[str]) -> tuple[Step, ...]:
        parts = [
            f'SELECT "{self.columns[place]}" AS k0 FROM "@{sign}"."{place}"'
            for place in sorted(changed)
            for sign in ("plus", "minus")
        ]
        reads = tuple((place, sign) for place in changed for sign in ("plus", "minus"))
        found = f"SELECT DISTINCT k0 FROM ({' UNION ALL '.join(parts)})"
        if not self.null_safe:
            found += " WHERE k0 IS NOT NULL"
        return (Make(KEYS, found, reads),)

    def restricted(self) -> tuple[Step, ...]:
        steps = []
        for place, column in self.columns.items():
            match = Match(quote(column), column, "k0", self.null_safe)
            kept = tuple(name for name, _ in COLUMNS[f"main.{'ab'[int(place[-1])]}"])
            kept = tuple(name for name in kept if name != "unread")
            steps.append(
                Restrict(f"@r{place[-1]}", place, "new", kept, (SemiJoin(KEYS, (match,)),))
            )
        return tuple(steps)


@dataclass(frozen=True)
class Sums:
    keys: int
    delta_sql: str
    place: str

    def delta(self, changed: Collection[str]) -> tuple[Step, ...]:
        parts = [
            f'SELECT *, {number} AS s FROM "@{sign}"."{self.place}"'
            for sign, number in (("plus", 1), ("minus", -1))
        ]
        sql = self.delta_sql.format(f"({' UNION ALL '.join(parts)})")
        return (Make(DELTA, sql, ((self.place, "plus"), (self.place, "minus"))),)


READS = {"@t0": ("id", "k", "x", "f"), "@t1": ("k", "name")}


def part(text: str, **rules: object) -> Part:
    query = plain_query(text, COLUMNS)
    given = {"linear": NO, "replaces": NO, "merge": NO, **rules}
    reads = {place.name: READS[place.name] for place in query.places if place.name in READS}
    return Part("", query, reads=reads, **given)


def state_and_top() -> tuple[Part, ...]:
    state = plain_query(
        "SELECT k, count(*) AS n, coalesce(sum(x), 0)::DECIMAL(38,2) AS s, count(x) AS c "
        "FROM a GROUP BY k",
        COLUMNS,
    )
    delta = (
        "SELECT k, sum(s) AS n, coalesce(sum(x * s), 0) AS s, "
        "coalesce(sum(s) FILTER (x IS NOT NULL), 0) AS c FROM {} GROUP BY k"
    )
    place = Place("@t9", "@s1", state.columns)
    text = 'SELECT k, n, CASE WHEN c > 0 THEN s END AS s, s / c AS mean FROM "@t9" WHERE n > 1'
    columns = (("k", "INTEGER"), ("n", "BIGINT"), ("s", "DECIMAL(38,2)"), ("mean", "DOUBLE"))
    top = Query(text, (place,), columns)
    return (
        Part("s1", state, NO, NO, Sums(1, delta, "@t0")),
        Part("", top, Linear((("@t9",),)), NO, NO),
    )


def staged() -> tuple[Part, ...]:
    (state, _) = state_and_top()
    place = Place("@t9", "@s1", state.query.columns)
    text = 'SELECT k, n FROM "@t9" ORDER BY n DESC, k LIMIT 3 -- the largest'
    top = Query(text, (place,), (("k", "INTEGER"), ("n", "BIGINT")))
    return (state, Part("", top, NO, NO, NO))


MODELS = {
    "filter": (part("SELECT id, x * 2 AS y, f / 3 AS g FROM a WHERE k > 1", linear=_0)
               for _0 in [Linear((("@t0",),))]),
    "join": (part("SELECT a.id, a.x, b.name FROM a JOIN b ON a.k = b.k", linear=_0)
             for _0 in [Linear((("@t0", "@t1"),))]),
    "branches": (part("SELECT k, x::VARCHAR AS v FROM a UNION ALL SELECT k, name FROM b", linear=_0)
                 for _0 in [Linear((("@t0",), ("@t1",)))]),
    "self join": (
        Part("", plain_query("SELECT p.id, q.f FROM a p JOIN a q ON p.k = q.id", COLUMNS),
             Linear((("@t0", "@t1"),)), NO, NO),
    ),
    "groups": (
        part("SELECT k, max(x) AS m, count(DISTINCT id) AS n, sum(f) AS f FROM a GROUP BY ALL",
             replaces=(ByKey((0,), {"@t0": "k"}),), inexact=frozenset({3})),
    ),
    "windows": (
        part("SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id, x, f) AS n FROM a",
             replaces=(ByKey((1,), {"@t0": "k"}), ByKey((1,), {"@t0": "k"}))),
    ),
    "left join": (
        part("SELECT a.k, a.id, b.name FROM a LEFT JOIN b ON a.k = b.k",
             replaces=(ByKey((0,), {"@t0": "k", "@t1": "k"}),)),
    ),
    "merge": state_and_top(),
    "staged": staged(),
}  # fmt: skip
MODELS = {name: tuple(parts) for name, parts in MODELS.items()}
