"""What is written is a plain Delta table: other readers agree with us, past checkpoints too."""

from __future__ import annotations

import polars
from deltalake import DeltaTable

from crannog.catalog.delta_log import checkpoint_if_due


def test_other_readers_agree_past_a_checkpoint(tables):
    pin = None
    for k in range(22):
        pin = tables.write(
            f"SELECT {k} AS n, 'é' || {k} AS s, uuid() AS u, TIMESTAMP '2026-01-31 12:00:00' AS t, "
            f"{{'a': [{k}]}} AS st FROM range(3)",
            pin,
        )
        where = tables.publish(pin)
        checkpoint_if_due(tables.lake, pin)
    table = DeltaTable(where)
    ours = tables.rows(pin, "SELECT n, s, u::VARCHAR, st FROM t ORDER BY ALL")
    theirs = polars.read_delta(where).select("n", "s", "u", "st").sort("n", "u").rows()
    assert theirs == ours
    assert table.version() == 21
    pruned = table.file_uris(partition_filters=None)
    assert len(pruned) == pin.files
    found = table.to_pyarrow_dataset().to_table(columns=["n", "s", "u", "st"]).to_pylist()
    assert sorted((row["n"], row["u"]) for row in found) == [(row[0], row[2]) for row in ours]


def test_other_readers_prune_by_our_statistics(tables):
    pin = None
    for k in range(5):
        pin = tables.write(f"SELECT i AS n FROM range({k * 10}, {k * 10 + 10}) t(i)", pin)
    table = DeltaTable(tables.publish(pin))
    assert len(table.file_uris(file_pruning_predicate="n = 25")) == 1
    assert len(list(table.to_pyarrow_dataset().get_fragments())) == 5
