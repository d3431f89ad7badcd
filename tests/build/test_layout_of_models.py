"""What a header says of files is done, and changes no row."""

from __future__ import annotations

from pathlib import Path

import deltalake
import pytest

SALES = "SELECT id, customer, amount, id // 2 AS day FROM raw.orders"


def header(**values: str) -> str:
    lines = "".join(f"-- {name} = {value}\n" for name, value in values.items())
    return f"-- model:\n{lines}"


def delta(work, name: str) -> deltalake.DeltaTable:
    found = work.sql(f"SELECT location, version FROM crannog.tables WHERE name = '{name}'")
    return deltalake.DeltaTable(found[0][0], version=found[0][1])


@pytest.fixture
def local(shop):
    if "://" in shop.lake:
        pytest.skip("looks at files")
    return shop


def test_a_table_is_partitioned_as_its_header_says(local, ask):
    local.model("m", header(partition_by='["DAY"]') + SALES)
    local.built("m")
    folder = Path(local.lake) / "main" / "m"
    assert sorted(p.name for p in folder.iterdir() if p.is_dir() and "=" in p.name) == [
        "day=0",
        "day=1",
    ]
    table = deltalake.DeltaTable(str(folder))
    assert table.metadata().partition_columns == ["day"]
    assert sorted(table.to_pyarrow_table().to_pydict()["id"]) == [1, 2, 3]
    assert local.rows("m") == [(1, "ann", 3, 0), (2, "bob", 10, 1), (3, "ann", 1, 1)]


def test_changes_reach_a_partitioned_table(local):
    local.model("m", header(partition_by='["day"]', cluster_by='["id"]') + SALES)
    local.built("m")
    local.sql("INSERT INTO raw.orders VALUES (4, 'cy', 5), (5, NULL, NULL)")
    local.built("m")
    local.sql("DELETE FROM raw.orders WHERE id = 2")
    local.built("m")
    assert local.rows("m") == sorted(local.sql(SALES), key=repr)
    table = deltalake.DeltaTable(str(Path(local.lake) / "main" / "m"))
    assert table.metadata().partition_columns == ["day"]
    assert sorted(table.to_pyarrow_table().to_pydict()["id"]) == [1, 3, 4, 5]


def test_another_partition_rewrites_the_table_and_nothing_else(local, ask):
    local.model("m", SALES)
    local.model("n", "SELECT count(*) AS n FROM m")
    local.built()
    local.model("m", header(partition_by='["day"]') + SALES)
    built = local.built()
    assert ask.of(built, "main.m").because == (
        "requested: models/m.sql: partition_by is day now, was nothing"
    )
    local.model("m", header(partition_by='["day"]', cluster_by='["customer", "id"]') + SALES)
    assert ask.of(local.built(), "main.m").because == (
        "requested: models/m.sql: cluster_by is customer, id now, was nothing"
    )
    assert local.build().commit is None
    local.model("m", SALES)
    local.built()
    table = deltalake.DeltaTable(str(Path(local.lake) / "main" / "m"))
    assert table.metadata().partition_columns == []
    assert local.rows("m") == sorted(local.sql(SALES), key=repr)


def test_rows_are_clustered_as_the_header_says(local):
    local.model("m", header(cluster_by='["amount"]') + SALES)
    local.built("m")
    assert [row[2] for row in local.sql("FROM m")] == [1, 3, 10]


@pytest.mark.parametrize(
    ("values", "said", "column"),
    [
        ({"partition_by": '["dya"]'}, 'partition_by names "dya", which is no column', 21),
        ({"cluster_by": '["id", "nothing"]'}, 'cluster_by names "nothing"', 25),
        ({"partition_by": '["customers"]'}, "customers is VARCHAR[], which has no order", 21),
        ({"partition_by": '["day", "customers"]'}, "has no order", 28),
    ],
)
def test_columns_that_cannot_lay_a_table_out_are_refused(shop, values, said, column):
    text = "SELECT amount // 2 AS day, max(id) AS id, list(customer ORDER BY id) AS customers\n"
    shop.model("m", f"{header(**values)}{text}FROM raw.orders GROUP BY ALL")
    error = shop.plan("m").errors[0]
    assert said in error.message
    assert (error.file, error.line, error.column) == ("models/m.sql", 2, column)


def test_a_partition_by_every_column_is_refused(shop):
    shop.model("m", header(partition_by='["id"]') + "SELECT id FROM raw.orders")
    assert "names every column" in shop.plan("m").errors[0].message


def test_a_strict_model_may_be_built_for_the_first_time(shop, ask):
    shop.model("m", header(refresh='"strict"') + "SELECT id FROM raw.orders")
    assert ask.of(shop.built("m"), "main.m").action == "create"


def test_to_make_a_model_strict_changes_no_meaning(shop, ask):
    shop.model("m", "SELECT id FROM raw.orders")
    shop.built("m")
    shop.model("m", header(refresh='"strict"') + "SELECT id FROM raw.orders")
    assert ask.of(shop.built("m"), "main.m").action == "skip"
