"""Runs the steps of a key over plain tables, and says what is wrong with what they find."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import duckdb
from queries import connect, create_table, plain_query

from crannog.names import quote
from crannog.sql.refresh.column_types import Types
from crannog.sql.refresh.program import KEYS, Restrict, SemiJoin, Step
from crannog.sql.refresh.pushing import Locality
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reasons import Reason
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.replace import Key, replaces
from crannog.sql.refresh.sunk import sunk

Columns = Sequence[tuple[str, str]]


def keys_of(text: str, tables: Mapping[str, Columns]) -> tuple[Query, tuple[Key, ...] | Reason]:
    """Return a text as a query over plain tables, and its keys."""
    query = plain_query(text, tables)
    return query, replaces(relate(query), query)


def key_at(query: Query, positions: tuple[int, ...]) -> Key:
    """Return a key of some columns, whether it is of use or not."""
    relation = relate(query)
    types = Types(relation, query)
    low = sunk(relation, types)
    return Key(positions, query, low, Locality(low, types))


class Tables:
    """Hold tables in two versions, and run queries over the one, the other, or a part.

    Args:
        tables: names and types of the columns of each.
    """

    def __init__(self, tables: Mapping[str, Columns]) -> None:
        self.connection: duckdb.DuckDBPyConnection = connect()
        self._tables = tables
        for schema in ("@old", "@new", "@plus", "@minus", "@both"):
            self.connection.execute(f"CREATE SCHEMA {quote(schema)}")
        for name, columns in tables.items():
            self.connection.execute(create_table(_of("old", name), columns))
            self.connection.execute(create_table(_of("new", name), columns))

    def fill(self, name: str, rows: Iterable[str]) -> None:
        """Put rows into a table before the change, and after it."""
        values = ", ".join(rows)
        for version in ("old", "new"):
            self.connection.execute(f"DELETE FROM {_of(version, name)}")
            if values:
                self.connection.execute(f"INSERT INTO {_of(version, name)} VALUES {values}")

    def change(self, statement: str) -> None:
        """Change tables by a statement over their bare names."""
        self.connection.execute("SET search_path = '\"@new\"'")
        self.connection.execute(statement)
        self.connection.execute("SET search_path = 'main'")

    def place(self, query: Query) -> set[str]:
        """Put the tables at a query's places and run it; return the places that changed."""
        changed: set[str] = set()
        made: list[str] = []
        for place in query.places:
            old, new = (_of(v, place.table.removeprefix("main.")) for v in ("old", "new"))
            plus, minus, both = (f'"@{v}".{quote(place.name)}' for v in ("plus", "minus", "both"))
            made += [
                f'CREATE OR REPLACE VIEW "@old".{quote(place.name)} AS FROM {old}',
                f'CREATE OR REPLACE VIEW "@new".{quote(place.name)} AS FROM {new}',
                f"CREATE OR REPLACE TABLE {plus} AS FROM {new} EXCEPT ALL FROM {old}",
                f"CREATE OR REPLACE TABLE {minus} AS FROM {old} EXCEPT ALL FROM {new}",
                f"CREATE OR REPLACE VIEW {both} AS FROM {new} UNION ALL FROM {minus}",
            ]
        self.connection.execute(";".join(made))
        for place in query.places:
            found = [
                f'(SELECT count(*) FROM "@{s}".{quote(place.name)})' for s in ("plus", "minus")
            ]
            if self.connection.execute(f"SELECT {' + '.join(found)}").fetchall()[0][0]:
                changed.add(place.name)
        for version in ("old", "new"):
            self._result(query, version)
        return changed

    def wrong(self, query: Query, key: Key, changed: set[str]) -> str | None:
        """Return what is wrong with the rows that a key finds, or None."""
        self._run(key.affected(changed))
        missed = self._missed(key)
        if missed:
            return f"not affected by {sorted(changed)}: {missed}"
        stands = self._run(key.restricted())
        views = []
        for place in query.places:
            source = stands.get(place.name, f'"@new".{quote(place.name)}')
            views.append(
                f"CREATE OR REPLACE VIEW main.{quote(place.name)} AS "
                + self._completed(query, place.name, source)
            )
        self.connection.execute(";".join(views))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE part AS {_numbered(query)}")
        kept = f"{{}} AS r WHERE EXISTS (FROM {quote(KEYS)} AS k WHERE {_same(key)})"
        lost = self._differ(kept.format("result_new"), kept.format("part"))
        return f"not complete: {lost}" if lost else None

    def settle(self) -> None:
        """Take the tables as they are as those before the next change."""
        for name in self._tables:
            new, old = _of("new", name), _of("old", name)
            self.connection.execute(f"CREATE OR REPLACE TABLE {old} AS FROM {new}")

    def _result(self, query: Query, version: str) -> None:
        views = [
            f'CREATE OR REPLACE VIEW main.{name} AS FROM "@{version}".{name}'
            for name in (quote(place.name) for place in query.places)
        ]
        table = f"CREATE OR REPLACE TEMP TABLE result_{version} AS {_numbered(query)}"
        self.connection.execute(";".join([*views, table]))

    def _completed(self, query: Query, place: str, source: str) -> str:
        have = {each[0] for each in self.connection.execute(f"FROM {source} LIMIT 0").description}
        listed = [
            quote(name) if name in have else f"CAST(NULL AS {kind}) AS {quote(name)}"
            for name, kind in query.place(place).columns
        ]
        return f"SELECT {', '.join(listed)} FROM {source}"

    def _run(self, steps: Iterable[Step]) -> dict[str, str]:
        """Run steps; return the table that each leaves for a place."""
        found: dict[str, str] = {}
        made: list[str] = []
        for step in steps:
            sql = _restrict(step) if isinstance(step, Restrict) else step.sql
            if isinstance(step, Restrict):
                found[step.place] = quote(step.target)
            else:
                named = re.findall(r'"@(old|new|plus|minus|both)"\."(@\w+)"', sql)
                assert {(name, version) for version, name in named} == set(step.reads), step
            made.append(f"CREATE OR REPLACE TEMP TABLE {quote(step.target)} AS {sql}")
        self.connection.execute(";".join(made))
        return found

    def _missed(self, key: Key) -> list[tuple[object, ...]]:
        both = ("FROM result_old", "FROM result_new")
        differ = f"({both[0]} EXCEPT ALL {both[1]}) UNION ALL ({both[1]} EXCEPT ALL {both[0]})"
        columns = ", ".join(f"r.c{at}" for at in key.positions)
        return self.connection.execute(
            f"SELECT DISTINCT {columns} FROM ({differ}) AS r "
            f"WHERE NOT EXISTS (FROM {quote(KEYS)} AS k WHERE {_same(key)})"
        ).fetchall()

    def _differ(self, one: str, other: str) -> list[tuple[object, ...]]:
        return self.connection.execute(
            f"(FROM {one} EXCEPT ALL FROM {other}) UNION ALL (FROM {other} EXCEPT ALL FROM {one})"
        ).fetchall()


def _same(key: Key) -> str:
    return " AND ".join(
        f"r.c{at} IS NOT DISTINCT FROM k.k{number}" for number, at in enumerate(key.positions)
    )


def _numbered(query: Query) -> str:
    names = ", ".join(f"c{at}" for at in range(len(query.columns)))
    return f"SELECT * FROM ({query.text}) AS q({names})"


def _restrict(step: Restrict) -> str:
    columns = ", ".join(f"p.{quote(name)}" for name in step.columns)
    sets = [step.joins, *step.alternatives]
    either = " OR ".join(
        "(" + " AND ".join(_exists(join) for join in joins) + ")" for joins in sets if joins
    )
    where = [f"({each})" for each in (*step.where, *([either] if all(sets) else []))]
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    return f'SELECT {columns} FROM "@{step.version}".{quote(step.place)} AS p{filtered}'


def _exists(join: SemiJoin) -> str:
    names = [f"j.n{number}" for number in range(len(join.matches))]
    renamed = ", ".join(
        f"{quote(match.key)} AS n{number}" for number, match in enumerate(join.matches)
    )
    same = " AND ".join(
        f"({match.expression}) {'IS NOT DISTINCT FROM' if match.null_safe else '='} {name}"
        for match, name in zip(join.matches, names, strict=True)
    )
    return f"EXISTS (SELECT 1 FROM (SELECT {renamed} FROM {quote(join.table)}) AS j WHERE {same})"


def _of(version: str, name: str) -> str:
    return f'"@{version}".{quote(name)}'
