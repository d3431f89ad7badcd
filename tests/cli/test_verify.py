"""`verify` finds every row that a rebuild would have otherwise, and cries wolf of none."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crannog.catalog import Changes
from crannog.catalog.delta_log import stage
from crannog.engine import Session, connect
from crannog.engine.bags import compare
from crannog.engine.duck import Duck
from crannog.engine.write import write_files
from crannog.errors import CrannogError, UsageError
from crannog.types import Column

INEXACT = [Column("k", "INTEGER", "INTEGER"), Column("v", "DOUBLE", "DOUBLE")]
CELL = st.none() | st.sampled_from([1, 2])
ROWS = st.lists(st.tuples(CELL, CELL, st.none() | st.sampled_from(["a", "b"])), max_size=8)


@pytest.fixture(scope="module")
def duck():
    with Duck() as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project of orders, sums of them, and what is no function of them."""
    root = tmp_path / "shop"
    (root / "models" / "marts").mkdir(parents=True)
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n[vars]\nleast = 1\n')
    (root / "models" / "recent.sql").write_text("SELECT id, c, amount FROM raw.orders WHERE id > 1")
    (root / "models" / "marts" / "totals.sql").write_text(
        '-- model:\n-- key = ["c"]\nSELECT c, sum(amount) AS total, avg(amount) AS mean\n'
        "FROM raw.orders WHERE id >= getvariable('least') GROUP BY c\n"
    )
    with connect(root / "lake", user="ann") as lake:
        lake.sql(
            "CREATE TABLE raw.orders AS SELECT range AS id, 'c' || range % 4 AS c, "
            "range / 3 AS amount FROM range(20)"
        )
    with opened(root) as lake:
        lake.build()
    return root


def opened(root: Path) -> Session:
    return connect(project=root, user="ann")


def spoil(root: Path, name: str, query: str) -> None:
    """Publish other rows of a model, as a refresh would that went wrong."""
    with opened(root) as session:
        lake = session.lake
        state = lake.state(session.head())
        pin = lake.pin(state.tables[name])
        with session.duck.scratch() as scratch:
            files = write_files(scratch, lake, query, pin.location or "", pin.columns)
        made = stage(
            lake, pin, name=pin.name, kind=pin.kind, columns=pin.columns, adds=files,
            removes="all", operation="WRITE",
        )  # fmt: skip
        record = lake.get_object("models", pin.model or "")
        if "folded" in record:
            record["folded"] = {**record["folded"], "uuid": made.uuid}  # type: ignore[dict-item]
        model = lake.put_object("models", record)
        made = replace(made, model=model, inputs=pin.inputs, project=pin.project, key=pin.key)
        lake.publish(
            "main", lambda head, state: Changes({name: made}),
            author="ann", message="spoil", cause="edit",
        )  # fmt: skip


def statuses(root: Path, *select: str, **options: object) -> dict[str, str]:
    with opened(root) as session:
        try:
            found = session.verify(*select, **options).to_dict()  # type: ignore[arg-type]
        except CrannogError as error:
            found = error.result or {}
    return {each["name"]: each["status"] for each in found["models"]}  # type: ignore[index]


def test_what_a_build_made_is_equal_and_the_verb_says_so(shop, crannog):
    ran = crannog("verify", cwd=shop)
    assert "2 equal, 0 not" in ran.out
    document = crannog("verify", "--json", cwd=shop).json()
    totals = next(each for each in document["models"] if each["name"] == "marts.totals")
    assert (totals["equal"], totals["rows"], totals["missing"], totals["extra"]) == (True, 4, 0, 0)
    assert totals["inexact"] == ["total", "mean"]


def test_a_difference_is_listed_row_by_row_and_exits_with_1(shop, crannog):
    spoil(shop, "main.recent", "SELECT * REPLACE (if(id = 5, 500, id) AS id) FROM "
          "(SELECT range AS id, 'c' || range % 4 AS c, range / 3 AS amount FROM range(2, 20)) "
          "UNION ALL SELECT 6, 'c2', 2.0")  # fmt: skip
    ran = crannog("verify", "recent", cwd=shop, code=1)
    assert "main.recent: 1 row missing, 2 rows too many" in ran.out
    assert "missing  5    c1" in ran.out
    assert "extra    500  c1" in ran.out
    document = crannog("verify", "--json", "--rows", "1", cwd=shop, code=1).json()
    recent = next(each for each in document["models"] if each["name"] == "main.recent")
    assert (recent["equal"], recent["missing"], recent["extra"]) == (False, 1, 2)
    assert recent["sample"] == [
        {"change": "missing", "count": 1, "row": {"id": 5, "c": "c1", "amount": 5 / 3}}
    ]
    assert document["error"]["code"] == "not_equal"


def test_the_last_digits_of_a_sum_are_no_difference_and_a_millionth_is_one(shop):
    totals = "SELECT c, sum(amount) {} AS total, avg(amount) AS mean FROM (SELECT range AS id, "
    totals += "'c' || range % 4 AS c, range / 3 AS amount FROM range(1, 20)) GROUP BY c"
    spoil(shop, "marts.totals", totals.format("* (1 + 1e-12)"))
    assert statuses(shop)["marts.totals"] == "equal"
    spoil(shop, "marts.totals", totals.format("* (1 + 1e-6)"))
    assert statuses(shop)["marts.totals"] == "different"


def test_it_needs_no_file_and_no_project_and_looks_at_the_inputs_of_then(shop, crannog):
    with opened(shop) as lake:
        lake.sql("INSERT INTO raw.orders VALUES (77, 'c9', 1)")
        lake.sql("UPDATE raw.orders SET amount = 0 WHERE id = 3")
    (shop / "models" / "recent.sql").write_text("SELECT 1 AS other")
    assert statuses(shop) == {"main.recent": "equal", "marts.totals": "equal"}
    ran = crannog("verify", "--lake", shop / "lake", "--var", "least=7", cwd=shop.parent)
    assert "2 equal, 0 not" in ran.out
    with opened(shop) as lake:
        lake.build()
        lake.sql("DROP TABLE raw.orders")
    assert crannog("verify", "--at", "main~1", cwd=shop).out.endswith("2 equal, 0 not\n")
    assert statuses(shop) == {"main.recent": "equal", "marts.totals": "equal"}


def test_views_and_clauses_of_time_are_read_as_they_were(shop):
    (shop / "models" / "seen.sql").write_text('-- model:\n-- kind = "view"\nFROM raw.orders')
    (shop / "models" / "over.sql").write_text(
        "SELECT s.id, o.amount FROM seen AS s JOIN raw.orders AT (VERSION => 0) AS o USING (id)"
    )
    with opened(shop) as lake:
        lake.sql("CREATE VIEW named AS SELECT c, count(*) AS n FROM raw.orders GROUP BY c")
        (shop / "models" / "counted.sql").write_text("FROM named WHERE n > 1")
        lake.build()
        lake.sql("INSERT INTO raw.orders VALUES (3, 'c3', 5)")
        lake.sql("CREATE OR REPLACE VIEW named AS SELECT 'x' AS c, 5 AS n")
    assert statuses(shop) == dict.fromkeys(
        ("main.recent", "marts.totals", "main.over", "main.counted"), "equal"
    )


def test_what_no_rebuild_gives_again_is_said_and_is_no_error(shop, crannog):
    (shop / "models" / "dice.sql").write_text("SELECT id, random() AS r FROM raw.orders")
    (shop / "models" / "file.sql").write_text("FROM 'x.csv'")
    (shop / "x.csv").write_text("a\n1\n")
    crannog("build", cwd=shop)
    document = crannog("verify", "--json", cwd=shop).json()
    found = {each["name"]: each for each in document["models"]}
    assert found["main.dice"]["status"] == "not_deterministic"
    assert found["main.dice"]["because"].startswith("not_deterministic: random()")
    assert found["main.dice"]["equal"] is None
    assert found["main.file"]["status"] == "not_verified"


def test_a_snapshot_is_folded_again_from_the_first_commit(shop):
    file = shop / "models" / "kept.sql"
    file.write_text(
        '-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nSELECT id, c FROM raw.orders'
    )
    with opened(shop) as lake:
        lake.sql("UPDATE raw.orders SET c = 'x' WHERE id = 3")
        lake.build("kept")
        lake.sql("DELETE FROM raw.orders WHERE id = 4")
        lake.sql("UPDATE raw.orders SET c = 'y' WHERE id < 3")
        lake.build("kept")
        lake.sql("UPDATE raw.orders SET c = 'z' WHERE id < 2")
        assert len(lake.sql("FROM kept").fetchall()) == 24
    assert statuses(shop, "kept") == {"main.kept": "equal"}
    assert statuses(shop, "kept", sample=3) == {"main.kept": "equal"}
    spoil(shop, "main.kept", "SELECT range::BIGINT AS id, 'c' AS c, now() AS valid_from, NULL AS "
          "valid_to FROM range(20)")  # fmt: skip
    assert statuses(shop, "kept") == {"main.kept": "different"}
    file.write_text('-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nFROM raw.orders')
    with opened(shop) as lake:
        lake.build("kept")
    assert statuses(shop, "kept") == {"main.kept": "not_verified"}


def test_ties_that_nothing_settles_are_no_alarm_and_times_are_those_of_the_build(shop):
    (shop / "models" / "tied.sql").write_text(
        "SELECT c, id, row_number() OVER (ORDER BY c) AS n FROM raw.orders"
    )
    (shop / "models" / "timed.sql").write_text("SELECT id, now() AS at FROM raw.orders")
    with opened(shop) as lake:
        lake.build()
    assert statuses(shop, "timed", "tied") == {"main.timed": "equal", "main.tied": "equal"}
    spoil(shop, "main.tied", "SELECT 'c' || range % 4 AS c, range AS id, range AS n FROM range(20)")
    assert statuses(shop, "tied") == {"main.tied": "not_deterministic"}
    spoil(shop, "main.timed", "SELECT range AS id, now() AS at FROM range(20)")
    assert statuses(shop, "timed") == {"main.timed": "different"}


def test_a_sample_takes_keys_with_all_their_rows(shop, crannog):
    spoil(shop, "marts.totals", "SELECT 'c' || range AS c, 0.5 AS total, 0.5 AS mean FROM range(4)")
    differing = []
    with opened(shop) as lake:
        while len(differing) < 6:  # a sample may have taken no key
            try:
                lake.verify("marts.totals", sample=2)
            except CrannogError as error:
                differing += (error.result or {})["models"]  # type: ignore[operator]
    for totals in differing:
        assert 0 < totals["rows"] == totals["missing"] == totals["extra"]
        assert totals["key"] == ["c"]
    document = crannog("verify", "--sample", "marts.totals", "--json", cwd=shop, code=None).json()
    assert document["models"][0]["sampled"] == 0.01
    assert [each["name"] for each in document["models"]] == ["marts.totals"]


def test_a_build_that_verifies_publishes_what_is_equal(shop, crannog):
    crannog("sql", "INSERT INTO raw.orders VALUES (99, 'c1', 0.1)", cwd=shop)
    document = crannog("build", "--verify", "--json", cwd=shop).json()
    assert {each["name"]: each["status"] for each in document["models"]} == {
        "main.recent": "ok", "marts.totals": "ok",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "code"),
    [({"sample": 0}, "usage"), ({"sample": -1.0}, "usage"), ({"rows": -1}, "usage")],
)
def test_a_sample_of_nothing_is_refused(shop, options, code):
    with opened(shop) as lake, pytest.raises(UsageError) as refused:
        lake.verify(**options)
    assert refused.value.code == code


@given(ROWS, ROWS)
@settings(max_examples=60, deadline=None)
def test_what_differs_is_what_python_counts(duck, wanted, found):
    columns = [
        Column("a", "INTEGER", "INTEGER"),
        Column("b", "INTEGER", "INTEGER"),
        Column("c", "VARCHAR", "VARCHAR"),
    ]
    missing, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    with duck.scratch() as scratch:
        said = compare(scratch, table(wanted), table(found), columns, limit=99)
    assert (said.missing, said.extra) == (missing.total(), extra.total())
    for change, rows in (("missing", missing), ("extra", extra)):
        shown = {tuple(r["row"].values()): r["count"] for r in said.rows if r["change"] == change}
        assert shown == dict(rows)


@given(
    st.lists(st.tuples(CELL, st.none() | st.sampled_from([0.0, 1.0, 1e6])), max_size=6),
    st.integers(0, 2**32),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_values_that_are_as_good_as_equal_are_paired(duck, rows, seed, wrong):
    rng = random.Random(seed)
    other = [(k, None if v is None else v * (1 + rng.uniform(-1, 1) * 1e-13)) for k, v in rows]
    rng.shuffle(other)
    if wrong and other:
        k, v = other[0]
        other[0] = (k, 7.0 if v is None else v + 0.5)
    with duck.scratch() as scratch:
        said = compare(scratch, floats(rows), floats(other), INEXACT, [1])
    off = 1 if wrong and other else 0
    assert (said.missing, said.extra) == (off, off)


def test_of_rows_that_are_as_good_as_equal_only_those_without_a_partner_are_left(duck):
    near = 1 + 1e-13
    wanted = [(1, 1.0), (1, 1.0), (1, near), (1, near)]
    with duck.scratch() as scratch:
        said = compare(scratch, floats(wanted), floats([(1, 1 - 1e-13)]), INEXACT, [1])
        assert (said.missing, said.extra) == (3, 0)
        said = compare(scratch, floats([(1, 5.0)]), floats(wanted), INEXACT, [1])
        assert (said.missing, said.extra) == (1, 4)


def table(rows: Iterable[tuple[object, ...]]) -> str:
    listed = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    source = f"(VALUES {listed or '(NULL, NULL, NULL)'}) AS t(a, b, c)"
    return f"SELECT a::INTEGER AS a, b::INTEGER AS b, c::VARCHAR AS c FROM {source}" + (
        "" if listed else " WHERE false"
    )


def floats(rows: Iterable[tuple[object, ...]]) -> str:
    listed = ", ".join(f"({literal(k)}, {literal(v)})" for k, v in rows)
    source = f"(VALUES {listed or '(NULL, NULL)'}) AS t(k, v)"
    return f"SELECT k::INTEGER AS k, v::DOUBLE AS v FROM {source}" + (
        "" if listed else " WHERE false"
    )


def literal(value: object) -> str:
    if value is None:
        return "NULL"
    return f"'{value}'" if isinstance(value, str) else f"{value!r}::DOUBLE"
