"""Runs the rules of a refresh over plain tables, as they were and as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from queries import connect, create_table

from crannog.names import quote
from crannog.sql.refresh.parts import Linear, Merge, Part, Replace
from crannog.sql.refresh.program import DELTA, KEYS, Make, Restrict, SemiJoin, Step
from crannog.sql.refresh.query import Place, Query
from crannog.sql.refresh.reasons import Reason

Row = tuple[object, ...]
Rows = Sequence[Row]
_VERSIONS = ("old", "new", "plus", "minus", "both")


class Round:
    """Hold the tables at some places before and after a change.

    Args:
        old, new: the rows of each table, by its key.
    """

    def __init__(self, old: Mapping[str, Rows], new: Mapping[str, Rows]) -> None:
        self.connection = connect()
        for version in _VERSIONS:
            self.connection.execute(f"CREATE SCHEMA {quote('@' + version)}")
        self._rows = {"old": old, "new": new}
        self._views: dict[str, str] = {}
        self.places: dict[str, Place] = {}

    def add(self, places: Iterable[Place]) -> None:
        """Make the tables of places."""
        for place in places:
            if place.name in self.places:
                continue
            self.places[place.name] = place
            for version in ("old", "new"):
                self._fill(place, version)
            self._differ(place)

    def keep(self, part: Part) -> None:
        """Let places read a hidden part as its query gives it before and after."""
        self.add(part.query.places)
        for version in ("old", "new"):
            self.put({place.name: version for place in part.query.places})
            table = f"{quote('@' + version)}.{quote('@kept ' + part.name)}"
            self.connection.execute(f"CREATE TABLE {table} AS {part.query.text}")

    def changed(self, query: Query) -> frozenset[str]:
        """Return the places of a query whose rows changed."""
        return frozenset(
            place.name
            for place in query.places
            if self.rows(place.name, "plus") or self.rows(place.name, "minus")
        )

    def rows(self, place: str, version: str) -> list[Row]:
        """Return a version of the rows at a place."""
        return self.fetch(f"FROM {quote('@' + version)}.{quote(place)}")

    def result(self, query: Query, version: str) -> list[Row]:
        """Return what a query gives before or after."""
        self.put({place.name: version for place in query.places})
        return self.fetch(query.text)

    def put(self, versions: Mapping[str, str]) -> None:
        """Let the name of each place mean one version of it; a place that is not named is empty."""
        for name in self.places:
            version = versions.get(name)
            rows = f"{quote('@' + (version or 'new'))}.{quote(name)}"
            self._view(name, f"FROM {rows}" if version else f"FROM {rows} WHERE false")

    def fetch(self, sql: str) -> list[Row]:
        """Return the rows of a query, as values that can be counted."""
        return [tuple(map(_plain, row)) for row in self.connection.execute(sql).fetchall()]

    def run(self, steps: Iterable[Step]) -> None:
        """Make the tables of steps."""
        for step in steps:
            sql = step.sql if isinstance(step, Make) else restricted(step)
            self.connection.execute(f"CREATE OR REPLACE TABLE {quote(step.target)} AS {sql}")

    def by_linear(self, query: Query, rule: Linear) -> Counter[Row]:
        """Return the new rows of a query: the old ones, with what changed sent through it."""
        found = Counter(self.result(query, "old"))
        for branch in rule.branches:
            for at, name in enumerate(branch):
                for version in ("plus", "minus"):
                    versions = dict.fromkeys(branch[:at], "new") | dict.fromkeys(branch[at:], "old")
                    self.put(versions | {name: version})
                    rows = Counter(self.fetch(query.text))
                    if version == "plus":
                        found.update(rows)
                    else:
                        assert rows <= found, "rows that went were there"
                        found.subtract(rows)
        return +found

    def by_key(self, query: Query, rule: Replace) -> Counter[Row]:
        """Return the new rows of a query: those of affected keys made anew, the others as old."""
        self.run(rule.affected(self.changed(query)))
        steps = rule.restricted()
        self.run(steps)
        self.put({place.name: "new" for place in query.places})
        for step in steps:
            if isinstance(step, Restrict):
                self._view(step.place, f"FROM {quote(step.target)}")
        made = self.fetch(self._kept(query, rule, "EXISTS"))
        self.put({place.name: "old" for place in query.places})
        return Counter(made) + Counter(self.fetch(self._kept(query, rule, "NOT EXISTS")))

    def by_merge(self, query: Query, rule: Merge) -> Counter[Row]:
        """Return the new rows of a state: the old ones, with what changed added to them."""
        keys = rule.keys
        state = {row[:keys]: row[keys:] for row in self.result(query, "old")}
        self.run(rule.delta(self.changed(query)))
        for row in self.fetch(f"FROM {quote(DELTA)}"):
            more = row[keys:]
            have = state.get(row[:keys], (0,) * len(more))
            state[row[:keys]] = tuple(a + b for a, b in zip(have, more, strict=True))  # type: ignore[operator]
        assert all(numbers[0] >= 0 for numbers in state.values()), "no group has less than no rows"
        return Counter((*key, *numbers) for key, numbers in state.items() if numbers[0])

    def _kept(self, query: Query, rule: Replace, word: str) -> str:
        names = ", ".join(f"c{at}" for at in range(len(query.columns)))
        same = " AND ".join(
            f"k{number} IS NOT DISTINCT FROM c{at}" for number, at in enumerate(rule.positions)
        )
        return (
            f"SELECT * FROM ({query.text}) AS q({names}) "
            f"WHERE {word} (SELECT 1 FROM {quote(KEYS)} WHERE {same})"
        )

    def _view(self, name: str, sql: str) -> None:
        if self._views.get(name) != sql:
            self.connection.execute(f"CREATE OR REPLACE VIEW {quote(name)} AS {sql}")
            self._views[name] = sql

    def _fill(self, place: Place, version: str) -> None:
        table = f"{quote('@' + version)}.{quote(place.name)}"
        self.connection.execute(create_table(table, place.columns))
        if place.table.startswith("@"):
            kept = f"{quote('@' + version)}.{quote('@kept ' + place.table[1:])}"
            self.connection.execute(f"INSERT INTO {table} FROM {kept}")
        rows = self._rows[version].get(place.table, ())
        if rows:
            marks = ", ".join([f"({', '.join('?' for _ in place.columns)})"] * len(rows))
            self.connection.execute(
                f"INSERT INTO {table} VALUES {marks}", [value for row in rows for value in row]
            )

    def _differ(self, place: Place) -> None:
        at = {version: f"{quote('@' + version)}.{quote(place.name)}" for version in _VERSIONS}
        for version, one, other in (("plus", "new", "old"), ("minus", "old", "new")):
            difference = f"FROM {at[one]} EXCEPT ALL FROM {at[other]}"
            self.connection.execute(f"CREATE TABLE {at[version]} AS {difference}")
        both = f"FROM {at['new']} UNION ALL FROM {at['minus']}"
        self.connection.execute(f"CREATE TABLE {at['both']} AS {both}")


def check(
    parts: Sequence[Part],
    query: Query,
    old: Mapping[str, Rows],
    new: Mapping[str, Rows],
    *,
    by_key: bool = True,
) -> int:
    """Compare each rule of each part with a rebuild, and the last part with the query.

    Returns how many rules were tried.
    """
    around, tried = Round(old, new), 0
    around.add(query.places)
    for part in parts:
        around.add(part.query.places)
        want = Counter(around.result(part.query, "new"))
        for rule in rules(part):
            if isinstance(rule, Linear):
                found = around.by_linear(part.query, rule)
            elif hasattr(rule, "delta"):
                found = around.by_merge(part.query, rule)
            elif by_key:
                found = around.by_key(part.query, rule)
            else:
                continue
            assert found == want, (part.query.text, rule, found - want, want - found)
            tried += 1
        around.keep(part)
    for version in ("old", "new"):
        want = Counter(around.result(query, version))
        assert Counter(around.result(parts[-1].query, version)) == want, query.text
    return tried


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return tuple((name, _plain(each)) for name, each in value.items())
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def rules(part: Part) -> list[Linear | Replace | Merge]:
    """Return the rules that a part has."""
    keys = () if isinstance(part.replaces, Reason) else part.replaces
    return [each for each in (part.linear, part.merge, *keys) if not isinstance(each, Reason)]


def restricted(step: Restrict) -> str:
    """Return the SQL of the rows that a step keeps."""
    columns = ", ".join(map(quote, step.columns)) or "1"
    table = f"{quote('@' + step.version)}.{quote(step.place)}"
    sets = [each for each in (step.joins, *step.alternatives) if each]
    joined = " OR ".join(f"({' AND '.join(map(_semi, each))})" for each in sets) or "true"
    where = " AND ".join([f"({joined})", *(f"({each})" for each in step.where)])
    return f"SELECT {columns} FROM {table} WHERE {where}"


def _semi(join: SemiJoin) -> str:
    same = " AND ".join(
        f'"@k".{quote(match.key)} {"IS NOT DISTINCT FROM" if match.null_safe else "="} '
        f"({match.expression})"
        for match in join.matches
    )
    return f'EXISTS (SELECT 1 FROM {quote(join.table)} AS "@k" WHERE {same})'
