"""Whatever is done to a lake, in whatever order, and whenever it crashes: it is as the model."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import Faults, Faulty
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from lake_checks import all_commits, check_lake
from lake_model import Bag, Conflict, Model, Row, State, Table, bag, updated
from pyarrow import BufferReader, parquet

from crannog.catalog import Lake, stores
from crannog.catalog.repair import repair
from crannog.engine import connect
from crannog.engine.session import Session
from crannog.errors import ConflictError, CrannogError, UsageError

SEQUENCES = int(os.environ.get("CRANNOG_MODEL_SEQUENCES", "12"))
TABLES = ("main.t", "main.u", "raw.a")
BRANCHES = ("main", "dev", "lab")


class Crashed(BaseException):
    """Stand for a process that ends here and now."""


class Mortal(Faults):
    """End at the Nth call: nothing that comes after it reaches the store."""

    def __init__(self) -> None:
        super().__init__("", 0, Path(os.devnull))
        self.left = 0
        self.before = False

    def call(self, verb: str, key: str, do: Callable[[], object], **_: bool) -> object:  # type: ignore[override]
        if self.left < 0:
            raise Crashed
        self.left -= self.left > 0
        dies = self.left == 0 and self.armed
        if dies and self.before:
            self.left = -1
            raise Crashed
        done = do()
        if dies:
            self.left = -1
            raise Crashed
        return done

    armed = False

    def cuts(self) -> bool:
        return False

    def arm(self, at: int, *, before: bool) -> None:
        self.left, self.before, self.armed = at, before, True

    def disarm(self) -> None:
        self.left, self.armed = 0, False


@dataclass(frozen=True)
class Statement:
    """One statement, and what it does to the model's state (None: nothing changes)."""

    sql: str
    table: str
    then: Callable[[State], State | None]
    blind: bool = False
    creates: bool = False


numbers = st.integers(0, 4)
values = st.one_of(st.none(), st.integers(0, 4))
rows = st.lists(st.tuples(numbers, values), min_size=1, max_size=4)
tables = st.sampled_from(TABLES)


def _literal(found: Sequence[Row]) -> str:
    shown = [f"({id}, {'NULL::INTEGER' if n is None else n})" for id, n in found]
    return ", ".join(shown)


def _insert(table: str, given: Sequence[Row]) -> Statement:
    def then(state: State) -> State:
        return {**state, table: state[table].now(state[table].rows + bag(given))}

    return Statement(f"INSERT INTO {table} VALUES {_literal(given)}", table, then, blind=True)


def _update(table: str, id: int, by: int) -> Statement:
    def then(state: State) -> State | None:
        found = state[table].rows
        if not any(row[0] == id for row in found):
            return None
        changed = updated(
            found,
            lambda row: row[0] == id,
            lambda row: (id, None if row[1] is None else row[1] + by),
        )
        return {**state, table: state[table].now(changed)}

    return Statement(f"UPDATE {table} SET n = n + {by} WHERE id = {id}", table, then)


def _delete(table: str, id: int) -> Statement:
    def then(state: State) -> State | None:
        kept = Bag({row: n for row, n in state[table].rows.items() if row[0] != id})
        return None if kept == state[table].rows else {**state, table: state[table].now(kept)}

    return Statement(f"DELETE FROM {table} WHERE id = {id}", table, then)


def _merge(table: str, given: Sequence[Row]) -> Statement:
    source = dict(given)

    def then(state: State) -> State:
        found = state[table].rows
        known = {row[0] for row in found}
        changed = updated(found, lambda row: row[0] in source, lambda row: (row[0], source[row[0]]))
        new = bag((id, n) for id, n in source.items() if id not in known)
        return {**state, table: state[table].now(changed + new)}

    sql = (
        f"MERGE INTO {table} AS x USING (VALUES {_literal([*source.items()])}) AS s(id, n) "
        "ON x.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n "
        "WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n)"
    )
    return Statement(sql, table, then)


def _create(table: str, given: Sequence[Row]) -> Statement:
    sql = f"CREATE TABLE {table} AS FROM (VALUES {_literal(given)}) AS v(id, n)"
    return Statement(sql, table, lambda state: {**state, table: Table(bag(given))}, creates=True)


def _drop(table: str) -> Statement:
    def then(state: State) -> State:
        return {key: kept for key, kept in state.items() if key != table}

    return Statement(f"DROP TABLE {table}", table, then)


statements = st.one_of(
    st.builds(_insert, tables, rows),
    st.builds(_insert, tables, rows),
    st.builds(_update, tables, numbers, st.integers(1, 3)),
    st.builds(_delete, tables, numbers),
    st.builds(_merge, tables, rows),
    st.builds(_create, tables, rows),
    st.builds(_drop, tables),
)


class WholeLake(RuleBasedStateMachine):
    """Do everything that users do to a lake, and know what must be in it."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="crannog-model-"))
        self.faults = Mortal()
        self.plain = stores.open_store
        stores.open_store = lambda url, options=None: Faulty(self.plain(url, options), self.faults)
        self._project()
        self.lake = Lake.create(self.plain(str(self.place / "lake")), "ann")
        self.model = Model(self.lake.head("main").commit.id)
        self.session = self._open()
        self.branch = "main"
        self.loads = self.marks = 0
        self.crashed = False

    def _project(self) -> None:
        for path, text in {
            "crannog.toml": 'name = "acme"\n[lake]\nurl = "./lake"\n',
            "models/m/doubled.sql": "SELECT id, n * 2 AS n2 FROM raw.a",
            "models/m/total.sql": "SELECT count(*) AS c, sum(n2) AS s FROM m.doubled",
        }.items():
            file = self.place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _open(self) -> Session:
        return connect(project=self.place, user="ann")

    @property
    def here(self) -> Session:
        return self.session.branch(self.branch)

    @property
    def state(self) -> State:
        return self.model.heads[self.branch].state

    def teardown(self) -> None:
        try:
            self._check_all()
        finally:
            self.session.close()
            stores.open_store = self.plain
            shutil.rmtree(self.place)

    # What a write does, and what the model says of it.

    def write(
        self, do: Callable[[Session], object], then: Callable[[], State | None], *, extra: str = ""
    ) -> None:
        """Run a write; the model's `then` gives the state after it, None, or raises Conflict."""
        before = self.lake.head(self.branch).commit.id
        try:
            expected: State | type[Conflict] | None = then()
        except Conflict:
            expected = Conflict
        try:
            do(self.here)
            failed: BaseException | None = None
        except ConflictError as error:
            failed = error
        except Crashed as error:
            failed = error
            self._rise()
        after = self.lake.head(self.branch).commit.id
        if isinstance(failed, ConflictError):
            # Whose rows they are is a matter of files, which the model does not have.
            assert expected is Conflict or "undone already" in failed.message, failed
        if failed is None:
            assert expected is not Conflict, "a conflict was not seen"
        if after == before:
            # A transaction that takes back all that it did publishes nothing.
            same = isinstance(expected, dict) and _rows(expected) == _rows(self.state)
            assert failed is not None or expected is None or same, "nothing was published"
            return
        assert isinstance(expected, dict), f"{after} was published, nothing was expected"
        parents = (self.model.commits[extra],) if extra else ()
        self.model.commit(self.branch, after, expected, *parents)

    def _rise(self) -> None:
        """Start again after a crash, as another process would."""
        self.faults.disarm()
        self.crashed = True
        self.session.close()
        for lease in (self.place / "lake" / "_crannog" / "leases").glob("*.json"):
            lease.unlink()
        self.session = self._open()

    # What users do.

    @initialize()
    def first(self) -> None:
        self.one_statement(_create("main.t", [(1, 1), (2, None)]))

    @rule(at=st.integers(1, 25), before=st.booleans())
    def crash_soon(self, at: int, *, before: bool) -> None:
        self.faults.arm(at, before=before)

    @rule(statement=statements)
    def one_statement(self, statement: Statement) -> None:
        there = statement.table in self.state
        if there == statement.creates:
            try:
                with pytest.raises(CrannogError):
                    self.here.sql(statement.sql)
            except Crashed:
                self._rise()
            return
        self.write(lambda session: session.sql(statement.sql), lambda: statement.then(self.state))

    @rule(table=tables, given=rows, again=st.booleans())
    def load(self, table: str, given: list[Row], *, again: bool) -> None:
        if not again or self.loads == 0:
            self.loads += 1
            text = "".join(f"{id},{'' if n is None else n}\n" for id, n in given)
            (self.place / f"{self.loads}.csv").write_text(f"id,n\n{text}")
        name = f"{self.loads}.csv"
        lines = (self.place / name).read_text().splitlines()[1:]
        read = [(int(a), int(b) if b else None) for a, b in (line.split(",") for line in lines)]

        def then() -> State | None:
            now = self.state.get(table) or Table(Bag())
            if any(each.partition("#")[0] == name for each in now.files):
                return None
            self.marks += 1
            files = now.files | {f"{name}#{self.marks}"}
            return {**self.state, table: now.now(now.rows + bag(read), files)}

        types = {"id": "INTEGER", "n": "INTEGER"}
        path = self.place / name
        self.write(lambda session: session.load(table, path, types=types), then)

    @rule(
        given=st.lists(statements, min_size=1, max_size=4),
        meanwhile=st.lists(statements, max_size=2),
        commits=st.booleans(),
        looks=st.booleans(),
    )
    def transaction(
        self, given: list[Statement], meanwhile: list[Statement], *, commits: bool, looks: bool
    ) -> None:
        self.faults.disarm()
        begun = seen = self.state
        session = self.here
        session.sql("BEGIN")
        done: list[Statement] = []
        for each in given:
            if (each.table in seen) == each.creates:
                continue
            session.sql(each.sql)
            after = each.then(seen)
            if after is not None:
                seen = after
                done.append(each)
            if looks:
                self._same(session, each.table, seen)
        for each in meanwhile:
            self.one_statement(each)
        if not commits:
            session.sql("ROLLBACK")
            return

        self.write(
            lambda _: session.sql("COMMIT"), lambda: self._committed(begun, seen, done, looks=looks)
        )

    def _committed(
        self, begun: State, seen: State, done: list[Statement], *, looks: bool
    ) -> State | None:
        """Return the state that a transaction makes of the branch as it is by now."""
        written = {key for key in {*begun, *seen} if begun.get(key) != seen.get(key)}
        if not written:
            return None
        moved = [key for key in written if _token(begun, key) != _token(self.state, key)]
        if not moved:
            return {
                **{key: t for key, t in self.state.items() if key not in written},
                **{key: seen[key] for key in written if key in seen},
            }
        same = all(
            key in self.state and key in begun and self.state[key].life == begun[key].life
            for key in written
        )
        # Who has read a table may have written because of what it read.
        if looks or not same or not all(each.blind for each in done):
            raise Conflict
        state = self.state
        for each in done:
            state = each.then(state) or state
        return state

    @rule(name=st.sampled_from(BRANCHES), back=st.integers(0, 3))
    def switch(self, name: str, back: int) -> None:
        self.faults.disarm()
        if name not in self.model.heads:
            line = self.model.heads[self.branch].line()
            at = line[min(back, len(line) - 1)]
            self.lake.create_branch(name, self.lake.commit(at.id))
            self.model.heads[name] = at
        self.branch = name

    @rule(name=st.sampled_from(BRANCHES))
    def merge(self, name: str) -> None:
        if name not in self.model.heads or name == self.branch:
            return
        theirs = self.model.heads[name]

        def do(session: Session) -> None:
            Lake.open(session.store).merge(name, self.branch, "ann")

        self.write(do, lambda: self.model.merged(self.branch, theirs), extra=theirs.id)

    @rule(back=st.integers(0, 6))
    def revert(self, back: int) -> None:
        line = self.model.heads[self.branch].line()[:-1]
        if not line:
            return
        commit = line[min(back, len(line) - 1)]
        before, after = commit.parents[0].state, commit.state
        if not any(_token(before, key) != _token(after, key) for key in {*before, *after}):
            return
        self.write(
            lambda session: session.revert(commit.id),
            lambda: self.model.reverted(self.branch, commit),
        )

    @rule(name=st.sampled_from(("v1", "v2", "v3")))
    def tag(self, name: str) -> None:
        self.faults.disarm()
        if name in self.model.tags:
            with pytest.raises(UsageError):
                self.lake.create_tag(name, self.lake.head(self.branch).commit)
            return
        self.lake.create_tag(name, self.lake.head(self.branch).commit)
        self.model.tags[name] = self.model.heads[self.branch]

    @precondition(lambda self: "raw.a" in self.state)
    @rule()
    def build(self) -> None:
        source = self.state["raw.a"].rows
        doubled = updated(
            source, lambda _: True, lambda row: (row[0], None if row[1] is None else row[1] * 2)
        )
        known = [n for row, count in doubled.items() for n in [row[1]] * count if n is not None]
        total = bag([(doubled.total(), sum(known) if known else None)])
        old = self.lake.state(self.lake.head(self.branch).commit).tables

        def then() -> State | None:
            new = self.lake.state(self.lake.head(self.branch).commit).tables
            state = dict(self.state)
            for key, made in (("m.doubled", doubled), ("m.total", total)):
                was = old.get(key)
                if was is None or was.digest != new[key].digest:
                    kept = state.get(key)
                    state[key] = kept.now(made) if kept else Table(made, made=True)
                else:
                    assert state[key].rows == made, f"{key} is not what a rebuild gives"
            return state

        before = self.lake.head(self.branch).commit.id
        try:
            self.here.build()
        except Crashed:
            self._rise()
        after = self.lake.head(self.branch).commit.id
        if after != before:
            self.model.commit(self.branch, after, then() or {})

    # What must always hold.

    @invariant()
    def the_branch_is_as_the_model_has_it(self) -> None:
        self._compare(self.branch, self.model.heads[self.branch].id, self.state)

    def _compare(self, what: str, id: str, state: State) -> None:
        commit = self.lake.commit(id)
        found = {}
        for key, entry in self.lake.state(commit).tables.items():
            pin = self.lake.pin(entry)
            if pin.kind == "stage":
                continue
            names = [column.name for column in pin.columns]
            found[key] = Bag()
            for file in self.lake.files(pin):
                data = self.lake.store.get(f"{pin.location}/{file.path}")
                for row in parquet.read_table(BufferReader(data)).to_pylist():
                    found[key][tuple(row[name] for name in names)] += 1
        assert found == {key: table.rows for key, table in state.items()}, what

    def _same(self, session: Session, key: str, state: State) -> None:
        """See that a session reads a table as it must."""
        if key in state:
            assert bag(session.sql(f"SELECT id, n FROM {key}").fetchall()) == state[key].rows

    def _check_all(self) -> None:
        self.faults.disarm()
        if self.crashed:
            assert repair(self.lake, "ann").sound
        for name, commit in self.model.heads.items():
            assert self.lake.head(name).commit.id == commit.id
            self.branch = name
            for key in commit.state:
                if not commit.state[key].made:
                    self._same(self.here, key, commit.state)
        for name, commit in self.model.tags.items():
            assert self.lake.resolve(name).id == commit.id
        for commit in all_commits(self.lake):
            self._compare(commit.id, commit.id, self.model.commits[commit.id].state)
        check_lake(self.lake)


def _rows(state: State) -> dict[str, Bag]:
    return {key: table.rows for key, table in state.items()}


def _token(state: State, key: str) -> int | None:
    return state[key].token if key in state else None


def test_a_lake_is_what_its_model_says() -> None:
    seed = int(os.environ.get("CRANNOG_SEED", random.randrange(1 << 30)))
    WholeLake._hypothesis_internal_use_seed = seed
    run_state_machine_as_test(
        WholeLake,
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
