"""A random history of a lake, and beside it the content of every table in plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from crannog.catalog import Commit
from crannog.engine import Session

Row = tuple[object, ...]
FIRST = ("id", "v")


@dataclass(frozen=True)
class Table:
    """Hold what a table has: names of columns, rows as a bag, and whether loads go by `id`."""

    columns: tuple[str, ...] = FIRST
    rows: Counter[Row] = field(default_factory=Counter)
    keyed: bool = False

    def each(self, change: Callable[[Row], Row | None]) -> Table:
        """Return the table with each row changed; None takes it out."""
        rows: Counter[Row] = Counter()
        for row, n in self.rows.items():
            changed = change(row)
            if changed is not None:
                rows[changed] += n
        return replace(self, rows=rows)

    def plus(self, rows: list[Row]) -> Table:
        """Return the table with rows of `id` and `v` more, NULL in its other columns."""
        rest = (None,) * (len(self.columns) - len(FIRST))
        return replace(self, rows=self.rows + Counter((*row, *rest) for row in rows))


@dataclass(frozen=True)
class Snapshot:
    """Hold a commit and what every table had at it, with ids and versions."""

    commit: Commit
    branch: str
    tables: Mapping[str, Table]
    versions: Mapping[str, tuple[str, int | None]]


class History:
    """Write one step after another to a lake, and to a model of it."""

    def __init__(self, session: Session, folder: Path, seed: int) -> None:
        session.lake_to_write(create=True)
        self.random = random.Random(seed)
        self.folder = folder
        self.sessions = {"main": session}
        self.now: dict[str, dict[str, Table]] = {"main": {}}
        self.lines: dict[str, list[Snapshot]] = {"main": []}
        self.done: list[str] = []
        self._made = 0

    def run(self, steps: int) -> None:
        """Take so many steps: a branch in the middle, both go on, and a merge near the end."""
        while len(self.done) < steps:
            at = len(self.done)
            if at == steps * 2 // 5 and "dev" not in self.now:
                self._branch()
            elif at == steps * 4 // 5 and self.done[-1] != "merge":
                self._merge()
            else:
                self._step(self.random.choice(sorted(self.now)))

    def snapshots(self) -> list[tuple[str, Snapshot]]:
        """Return every commit with each branch on whose line it lies."""
        return [(branch, each) for branch, line in self.lines.items() for each in line]

    def _branch(self) -> None:
        main = self.sessions["main"]
        main.lake.create_branch("dev", main.head())
        self.sessions["dev"] = main.branch("dev")
        self.now["dev"] = dict(self.now["main"])
        self.lines["dev"] = list(self.lines["main"])

    def _merge(self) -> None:
        """Take what dev has of its own tables: once there are two branches, each keeps to some."""
        main = self.sessions["main"]
        main.lake.merge("dev", "main", "ann")
        kept = {name: t for name, t in self.now["main"].items() if not self._may("dev", name)}
        theirs = {name: t for name, t in self.now["dev"].items() if self._may("dev", name)}
        self.now["main"] = kept | theirs
        self._note("main", "merge")

    def _may(self, branch: str, name: str) -> bool:
        """Whether a branch may write a table: there is no conflict in this history."""
        return "dev" not in self.now or (int(name[1:]) % 2 == 0) == (branch == "main")

    def _step(self, branch: str) -> None:
        before = dict(self.now[branch])
        head = self.sessions[branch].head().id
        kinds = [_statement, _statement, _statement, _load, _transaction, _revert]
        name = self.random.choice(kinds)(self, branch)
        if self.sessions[branch].head().id == head:
            assert self.now[branch] == before, (name, "made no commit")
            return
        self._note(branch, name)

    def _note(self, branch: str, name: str) -> None:
        session = self.sessions[branch]
        commit = session.head()
        entries = session.lake.state(commit).tables.values()
        versions = {each.name.removeprefix("main."): (each.id, each.version) for each in entries}
        snapshot = Snapshot(commit, branch, dict(self.now[branch]), versions)
        self.lines[branch].append(snapshot)
        self.done.append(name)

    def rows(self, most: int = 4) -> list[Row]:
        """Return some random rows of `id` and `v`."""
        count = self.random.randint(1, most)
        return [(self.random.randint(0, 9), f"v{self.random.randint(0, 99)}") for _ in range(count)]

    def new_name(self, branch: str) -> str:
        """Return a name that a branch may use: one that is free, now and then one that was used."""
        used = [f"t{n}" for n in range(self._made)]
        free = [name for name in used if self._may(branch, name) and self._free(name)]
        if free and self.random.random() < 0.5:
            return self.random.choice(free)
        while True:
            self._made += 1
            if self._may(branch, f"t{self._made - 1}"):
                return f"t{self._made - 1}"

    def _free(self, name: str) -> bool:
        return all(name not in tables for tables in self.now.values())

    def some_table(self, branch: str) -> str | None:
        """Return a table that a branch may write."""
        names = [name for name in sorted(self.now[branch]) if self._may(branch, name)]
        return self.random.choice(names) if names else None


def _statement(history: History, branch: str) -> str:
    """Run one statement that writes."""
    tables = history.now[branch]
    name = history.some_table(branch)
    if name is None or len(tables) < 2 or history.random.random() < 0.1:
        return _create(history, branch)
    word, sql, table = history.random.choice(_EDITS)(history, name, tables)
    if word == "RENAME":
        new = history.new_name(branch)
        history.sessions[branch].sql(f"ALTER TABLE {name} RENAME TO {new}")
        tables[new] = tables.pop(name)
        return word
    history.sessions[branch].sql(sql)
    tables.pop(name)
    if table is not None:
        tables[name] = table
    return word


def _create(history: History, branch: str) -> str:
    tables = history.now[branch]
    other = history.random.choice(sorted(tables)) if tables else None
    name = history.new_name(branch)
    kind = history.random.choice(("empty", "values", "copy" if other else "values"))
    if kind == "empty":
        history.sessions[branch].sql(f"CREATE TABLE {name} (id INTEGER, v VARCHAR)")
        tables[name] = Table()
    elif kind == "values" or other is None:
        rows = history.rows()
        history.sessions[branch].sql(
            f"CREATE TABLE {name} AS SELECT id::INTEGER AS id, v FROM ({_values(rows)}) AS s(id, v)"
        )
        tables[name] = Table().plus(rows)
    else:
        history.sessions[branch].sql(f"CREATE TABLE {name} AS FROM {other} WHERE id % 2 = 0")
        even = tables[other].each(lambda row: row if _id(row) % 2 == 0 else None)
        tables[name] = replace(even, keyed=False)
    return "CREATE"


Edited = tuple[str, str, Table | None]


def _insert(history: History, name: str, tables: dict[str, Table]) -> Edited:
    rows = history.rows()
    return "INSERT", f"INSERT INTO {name} (id, v) {_values(rows)}", tables[name].plus(rows)


def _insert_select(history: History, name: str, tables: dict[str, Table]) -> Edited:
    other = history.random.choice(sorted(tables))
    rows = [row[:2] for row in tables[other].rows.elements() if _id(row) < 5]
    sql = f"INSERT INTO {name} (id, v) SELECT id, v FROM {other} WHERE id < 5"
    return "INSERT SELECT", sql, tables[name].plus(rows)


def _update(history: History, name: str, tables: dict[str, Table]) -> Edited:
    hit, text = history.random.randint(0, 9), f"u{history.random.randint(0, 99)}"

    def change(row: Row) -> Row:
        return (_id(row) + 1, text, *row[2:]) if _id(row) >= hit else row

    sql = f"UPDATE {name} SET id = id + 1, v = '{text}' WHERE id >= {hit}"
    return "UPDATE", sql, tables[name].each(change)


def _delete(history: History, name: str, tables: dict[str, Table]) -> Edited:
    hit = history.random.randint(0, 2)
    sql = f"DELETE FROM {name} WHERE id % 3 = {hit}"
    return "DELETE", sql, tables[name].each(lambda row: None if _id(row) % 3 == hit else row)


def _merge_rows(history: History, name: str, tables: dict[str, Table]) -> Edited:
    rows = dict(history.rows())
    table = tables[name]
    known = {row[0] for row in table.rows}
    merged = table.each(lambda row: (row[0], rows.get(row[0], row[1]), *row[2:]))
    sql = (
        f"MERGE INTO {name} AS t USING ({_values(list(rows.items()))}) AS s(id, v) ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (id, v)"
    )
    return "MERGE", sql, merged.plus([row for row in rows.items() if row[0] not in known])


def _truncate(history: History, name: str, tables: dict[str, Table]) -> Edited:
    return "TRUNCATE", f"TRUNCATE {name}", replace(tables[name], rows=Counter())


def _alter(history: History, name: str, tables: dict[str, Table]) -> Edited:
    table = tables[name]
    extra = table.columns[len(FIRST) :]
    if extra and history.random.random() < 0.5:
        at = table.columns.index(history.random.choice(extra))
        less = table.each(lambda row: (*row[:at], *row[at + 1 :]))
        columns = (*table.columns[:at], *table.columns[at + 1 :])
        sql = f"ALTER TABLE {name} DROP COLUMN {table.columns[at]}"
        return "DROP COLUMN", sql, replace(less, columns=columns)
    column = next(c for c in ("a", "b", "c", "d", "e", *map("f{}".format, range(99)))
                  if c not in table.columns)  # fmt: skip
    more = table.each(lambda row: (*row, None))
    sql = f"ALTER TABLE {name} ADD COLUMN {column} INTEGER"
    return "ADD COLUMN", sql, replace(more, columns=(*table.columns, column))


def _replace(history: History, name: str, tables: dict[str, Table]) -> Edited:
    rows = history.rows()
    sql = (
        f"CREATE OR REPLACE TABLE {name} AS SELECT id::INTEGER AS id, v "
        f"FROM ({_values(rows)}) AS s(id, v)"
    )
    return "REPLACE", sql, Table().plus(rows)


def _drop(history: History, name: str, tables: dict[str, Table]) -> Edited:
    return "DROP", f"DROP TABLE {name}", None


def _rename(history: History, name: str, tables: dict[str, Table]) -> Edited:
    return "RENAME", "", tables[name]


def _comment(history: History, name: str, tables: dict[str, Table]) -> Edited:
    text = f"n{history.random.randint(0, 999)}"
    return "COMMENT", f"COMMENT ON TABLE {name} IS '{text}'", tables[name]


_EDITS: tuple[Callable[[History, str, dict[str, Table]], Edited], ...] = (
    _insert, _insert, _insert, _insert_select, _update, _update, _delete, _merge_rows, _truncate,
    _alter, _alter, _replace, _drop, _rename, _comment,
)  # fmt: skip


def _load(history: History, branch: str) -> str:
    """Load a file, appended or by key."""
    tables = history.now[branch]
    name = history.some_table(branch) or history.new_name(branch)
    if history.random.random() < 0.2:
        name = history.new_name(branch)
    rows = history.rows()
    path = history.folder / f"load{len(history.done)}-{history.random.randrange(10**9)}.csv"
    path.write_text("id,v\n" + "".join(f"{id},{v}\n" for id, v in rows))
    asked = history.random.random() < 0.3
    types = {} if name in tables else {"id": "INTEGER", "v": "VARCHAR"}
    options: dict[str, object] = {"key": "id"} if asked else {}
    history.sessions[branch].load(name, path, types=types, **options)  # type: ignore[arg-type]
    table = tables.get(name, Table())
    if asked or table.keyed:
        last = dict(rows)
        table = replace(table.each(lambda row: None if row[0] in last else row), keyed=True)
        rows = list(last.items())
    tables[name] = table.plus(rows)
    return "LOAD"


def _transaction(history: History, branch: str) -> str:
    """Run two or three statements as one commit."""
    before = dict(history.now[branch])
    with history.sessions[branch].transaction():
        words = [_statement(history, branch) for _ in range(history.random.randint(2, 3))]
    return f"BEGIN {', '.join(words)}" if before != history.now[branch] else "BEGIN"


def _revert(history: History, branch: str) -> str:
    """Undo the newest commit, if this branch made it and it was no merge."""
    line = history.lines[branch]
    if len(line) < 2 or line[-1].branch != branch or len(line[-1].commit.parents) > 1:
        return "nothing"
    if any(not history._may(branch, name) for name in {*line[-1].tables, *line[-2].tables}
           if line[-1].tables.get(name) != line[-2].tables.get(name)):  # fmt: skip
        return "nothing"
    history.sessions[branch].revert(line[-1].commit.id)
    history.now[branch] = dict(line[-2].tables)
    return "REVERT"


def _id(row: Row) -> int:
    assert isinstance(row[0], int)
    return row[0]


def _values(rows: list[Row]) -> str:
    return "VALUES " + ", ".join(f"({id}, '{v}')" for id, v in rows)
