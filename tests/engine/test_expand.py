"""A query with its tables at places gives what the model gives, and the rest of it stays as is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crannog.engine import connect
from crannog.engine.bench import Bench
from crannog.engine.build import build
from crannog.engine.compile import Compiled
from crannog.engine.config import Flags, Settings, load_settings
from crannog.engine.ground import stand
from crannog.engine.incremental.expand import Expanded, binder, expand
from crannog.engine.outline import outline
from crannog.engine.project import open_project
from crannog.engine.read import select_files
from crannog.errors import CrannogError
from crannog.names import TableName
from crannog.sql.refresh.reasons import Unsupported

CASES = {
    "bare": "SELECT orders.id, size FROM orders JOIN things USING (id)",
    "aliased": "SELECT a.id, b.size FROM orders AS a, things b WHERE a.id = b.id",
    "columns": "SELECT x, z FROM orders AS o(x, y, z)",
    "prefix": "SELECT p.id FROM p: orders",
    "twice": "SELECT a.id FROM orders a JOIN orders b ON a.id = b.id WHERE b.amount > 1",
    "quoted": 'SELECT "Odd One"."a b" FROM raw."Odd One"',
    "schema": "SELECT main.orders.id, raw.parts.size FROM main.orders JOIN raw.parts ON true",
    "whole_row": "SELECT orders FROM orders",
    "cte_hides": "WITH orders AS (SELECT id + 100 AS id FROM orders) SELECT id FROM orders",
    "cte": "WITH a AS (FROM orders), b AS (SELECT * FROM a JOIN things USING (id)) FROM b",
    "recursive": "WITH RECURSIVE orders(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM orders "
    "WHERE n < 3) SELECT * FROM orders",
    "exists": "SELECT id FROM orders o WHERE EXISTS (FROM things WHERE things.id = o.id)",
    "in": "SELECT id FROM orders WHERE id NOT IN (SELECT id FROM things)",
    "scalar": "SELECT id, (SELECT max(size) FROM things t WHERE t.id = orders.id) FROM orders",
    "union": "FROM orders UNION ALL SELECT id, 0, size FROM things",
    "table": "TABLE orders UNION ALL (TABLE orders)",
    "natural": "SELECT * FROM orders NATURAL JOIN things",
    "exclude": "SELECT * EXCLUDE (amount) FROM orders",
    "at": "SELECT o.id, count(*) FROM orders AT (VERSION => 0) AS o JOIN orders n USING (id) "
    "GROUP BY ALL",
    "view": "SELECT id, parts.size FROM big JOIN raw.parts ON big.id = parts.size",
    "view_alias": "SELECT v.id FROM big v WHERE v.amount > 1",
    "view_of_view": "SELECT * FROM bigger",
    "view_in_in": "SELECT id FROM things WHERE id IN (SELECT id FROM bigger)",
    "view_of_sql": "SELECT * FROM made",
    "view_with_cte": "WITH big AS (SELECT 1 AS one) SELECT * FROM big, main.big AS other",
    "view_at": "SELECT * FROM past",
    "comment_at_end": "SELECT id FROM orders -- all of them",
    "variable": "SELECT id + getvariable('plus') AS id FROM orders",
    "window": "SELECT id, sum(amount) OVER (PARTITION BY note ORDER BY id) FROM orders",
    "lateral": "SELECT o.id, t.n FROM orders o, LATERAL (SELECT o.id + 1 AS n) t",
    "pivot": "SELECT * FROM orders PIVOT (sum(amount) FOR note IN ('x', 'y'))",
    "sub_orders": "SELECT * FROM (SELECT * FROM (orders JOIN things USING (id)))",
}
VIEWS = {
    "big": "SELECT id, sum(amount) AS amount, getvariable('plus') AS plus FROM orders "
    "GROUP BY id -- per id",
    "bigger": "WITH orders AS (FROM big) SELECT orders.id FROM orders JOIN things t USING (id)",
    "past": "SELECT * FROM orders AT (VERSION => 0)",
}


class Setting:
    """A project whose models were built, and what they expand to."""

    def __init__(self, root: Path, lake: str) -> None:
        self.root, self.lake = root, lake
        self.done: Compiled | None = None
        self.write("crannog.toml", 'name = "acme"\n[vars]\nplus = 10\n')

    def write(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    @property
    def settings(self) -> Settings:
        return load_settings(open_project(self.root), Flags(lake=self.lake), {})

    def bench(self) -> Bench:
        return Bench(self.settings, stand(open_project(self.root), self.settings).store)

    def compiled(self, bench: Bench) -> Compiled:
        found = outline(stand(open_project(self.root), self.settings))
        assert not found.errors, found.errors
        compiled = Compiled(found, set(found.facts), bench.duck)
        assert not compiled.errors, compiled.errors
        return compiled

    def expanded(self, bench: Bench, name: str) -> tuple[Compiled, Expanded]:
        compiled = self.done = self.done or self.compiled(bench)
        with bench.duck().scratch() as scratch:
            return compiled, expand(compiled, compiled.nodes[f"main.{name}"], scratch)

    def rows(self, bench: Bench, compiled: Compiled, found: Expanded) -> list[tuple[object, ...]]:
        """Run a query over its places, which are defined as the tables that they stand for."""
        lake, state = compiled.ground.lake, compiled.ground.state
        with bench.duck().scratch() as scratch:
            scratch.search("main")
            scratch.variables(compiled.ground.variables)
            for place in found.query.places:
                pin = found.pins.get(place.name) or lake.pin(state.tables[place.table])
                select = select_files(lake, pin, duck=bench.duck())
                scratch.view(TableName("main", place.name), select)
            return sorted(scratch.fetchall(f"FROM ({found.query.text}\n)"), key=repr)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("expand")
    made = Setting(folder / "project", str(folder / "lake"))
    with connect(made.lake) as session:
        session.sql(
            "CREATE TABLE orders AS FROM (VALUES (1, 5, 'x'), (2, 7, NULL), (2, 7, NULL), "
            "(NULL, 1, 'y')) t(id, amount, note)"
        )
        session.sql("INSERT INTO orders VALUES (3, 2, 'x'), (11, 1, 'y')")
        session.sql("CREATE TABLE things AS FROM (VALUES (1, 'x'), (2, 'z'), (9, 'x')) t(id, size)")
        session.sql("CREATE TABLE raw.parts AS SELECT 2 AS size UNION ALL SELECT 3")
        session.sql('CREATE TABLE raw."Odd One" AS SELECT 1 AS "a_b", 2 AS c')
        session.sql("CREATE VIEW made AS SELECT id FROM orders WHERE amount > 2")
        session.sql("CREATE VIEW wide AS SELECT * FROM raw.parts")
        session.sql("ALTER TABLE raw.parts ADD COLUMN colour VARCHAR")
    for name, text in VIEWS.items():
        made.write(f"models/{name}.sql", f'-- model:\n-- kind = "view"\n{text}\n')
    for name, text in CASES.items():
        made.write(f"models/m_{name}.sql", text.replace('"a b"', "a_b"))
    made.write("models/m_wide.sql", "SELECT * FROM wide")
    build(open_project(made.root), made.settings).raise_errors()
    return made


@pytest.fixture(scope="module")
def bench(setting: Setting) -> Iterator[Bench]:
    with setting.bench() as bench:
        yield bench


@pytest.mark.parametrize("name", [*CASES, "wide"])
def test_a_query_over_its_places_gives_the_rows_of_the_model(setting, bench, name):
    compiled, found = setting.expanded(bench, f"m_{name}")
    with connect(setting.lake) as session:
        built = sorted(session.sql(f"FROM m_{name}").fetchall(), key=repr)
    assert setting.rows(bench, compiled, found) == built
    assert len(found.query.columns) == len(compiled.columns(f"main.m_{name}"))


def test_every_table_that_is_read_has_a_place_of_its_own(setting, bench):
    _, found = setting.expanded(bench, "m_twice")
    places = [(place.name, place.table, place.pinned) for place in found.query.places]
    assert places == [("@t0", "main.orders", False), ("@t1", "main.orders", False)]
    assert found.query.place("@t1").columns == (
        ("id", "INTEGER"),
        ("amount", "INTEGER"),
        ("note", "VARCHAR"),
    )
    assert found.query.text == (
        'SELECT a.id FROM "@t0" a JOIN "@t1" b ON a.id = b.id WHERE b.amount > 1'
    )


def test_a_table_without_an_alias_keeps_its_name(setting, bench):
    _, found = setting.expanded(bench, "m_bare")
    assert found.query.text == (
        'SELECT orders.id, size FROM "@t0" AS "orders" JOIN "@t1" AS "things" USING (id)'
    )


def test_a_table_read_with_at_is_pinned_and_no_other_place_is(setting, bench):
    _, found = setting.expanded(bench, "m_at")
    pinned = {place.name: place.pinned for place in found.query.places}
    assert pinned == {"@t0": True, "@t1": False}
    assert found.pins["@t0"].version == 0
    assert list(found.pins) == ["@t0"]


def test_views_below_views_are_seen_through(setting, bench):
    _, found = setting.expanded(bench, "m_view_of_view")
    assert [place.table for place in found.query.places] == ["main.orders", "main.things"]


def test_a_name_that_is_schema_and_table_at_once_is_refused(setting, bench, tmp_path):
    made = Setting(tmp_path / "project", str(tmp_path / "lake"))
    with connect(made.lake) as session:
        session.sql("CREATE TABLE raw.parts AS SELECT 2 AS size")
        session.sql("CREATE TABLE raw AS SELECT {'size': 3} AS parts")
    made.write("models/m.sql", "SELECT raw.parts.size FROM raw.parts, raw")
    with pytest.raises(Unsupported, match="raw is a schema and a table here"):
        made.expanded(bench, "m")


def test_an_error_in_the_query_leads_back_to_the_file(setting, bench):
    _, found = setting.expanded(bench, "m_view")
    with bench.duck().scratch() as scratch:
        scratch.search("main")
        for place in found.query.places:
            missing = "SELECT 1 AS id, 2 AS amount, 'x' AS note"
            scratch.view(TableName("main", place.name), missing)
        with pytest.raises(CrannogError) as caught:
            scratch.describe(found.query.text, place=found.where)
    error = caught.value
    assert (error.file, error.line, error.column) == ("models/m_view.sql", 1, 59)
    assert error.message == 'column "size" does not exist in "parts"'


def test_a_scratch_binds_many_queries_over_the_same_places(setting, bench):
    compiled, found = setting.expanded(bench, "m_variable")
    with bench.duck().scratch() as scratch:
        bind = binder(scratch, compiled.ground.variables)
        assert bind(found.query.text, found.query.places) == [("id", "INTEGER")]
        assert bind('SELECT note FROM "@t0"', found.query.places) == [("note", "VARCHAR")]
        with pytest.raises(CrannogError, match="nothing"):
            bind('SELECT nothing FROM "@t0"', found.query.places)
