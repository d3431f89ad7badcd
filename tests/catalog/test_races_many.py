"""Many processes at once: no commit is lost, no pair is seen apart, nothing is done twice.

`make races` runs the full sizes, 8 processes of 50 commits each on local disk and on S3.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crowd import crowd, released_together

from crannog.catalog import Lake, open_store
from crannog.engine import connect

SMALL = [(3, 5, "local"), (3, 4, "s3")]
FULL = [(8, 50, "local"), (8, 50, "s3")]


def _sizes() -> list[object]:
    small = [pytest.param(w, e, p, id=f"{w}x{e}-{p}") for w, e, p in SMALL]
    return small + [
        pytest.param(w, e, p, id=f"{w}x{e}-{p}", marks=pytest.mark.full) for w, e, p in FULL
    ]


@pytest.fixture
def options(lake_url: str, request: pytest.FixtureRequest) -> dict[str, object]:
    """How the lake's store is reached."""
    return request.getfixturevalue("s3").options if lake_url.startswith("s3://") else {}


@pytest.mark.parametrize(("writers", "each", "lake_url"), _sizes(), indirect=["lake_url"])
def test_processes_lose_no_commit_and_show_no_pair_apart(
    writers: int, each: int, lake_url: str, options: dict[str, object]
) -> None:
    reader = crowd(lake_url, options, writers, each)

    lake = Lake.open(open_store(lake_url, options))
    line = list(lake.history(lake.head("main").commit))
    numbers = [who * 1000 + at for who in range(1, writers + 1) for at in range(each)]
    assert sorted(int(commit.message) for commit in line[:-1]) == numbers
    assert [commit.depth for commit in line] == list(range(len(numbers), -1, -1))
    assert lake.head("main").seq == len(numbers) + 1
    for who in range(1, writers + 1):
        own = [int(c.message) for c in line[:-1] if c.author == f"writer {who}"]
        assert own == sorted(own, reverse=True), "a process sees its own commits in order"
    assert reader.newest == len(numbers) - 1, "other readers see the last version of both"
    kept = {info.key for info in lake.store.list("_crannog/commits")}
    assert len(kept) == len(line), "a lost attempt leaves no commit behind"


ROUNDS = [pytest.param(1, id="once"), pytest.param(10, id="10 times", marks=pytest.mark.full)]


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_loads_and_builds_that_start_together_happen_once(
    rounds: int, lake_url: str, options: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "crannog.toml").write_text(f'name = "acme"\n[lake]\nurl = "{lake_url}"\n')
    (tmp_path / "models").mkdir()
    (tmp_path / "models/big.sql").write_text("SELECT n, n * 2 AS twice FROM raw.f WHERE n > 0\n")
    (tmp_path / "models/total.sql").write_text("SELECT count(*) AS rows, sum(n) AS s FROM big\n")
    for number in range(1, rounds + 1):
        (tmp_path / f"f{number}.csv").write_text(f"n\n{number}\n")
        for command in (["load", "raw.f", f"f{number}.csv"], ["build"]):
            both = released_together([command, command], tmp_path)
            assert [each.returncode for each in both] == [0, 0], [each.stderr for each in both]
    lake = Lake.open(open_store(lake_url, options))
    causes = [commit.cause for commit in lake.history(lake.head("main").commit)]
    assert causes == ["build", "load"] * rounds + ["create"]
    with connect(lake_url) as session:
        numbers = [(n, 2 * n) for n in range(1, rounds + 1)]
        assert session.sql("SELECT n, twice FROM big ORDER BY n").fetchall() == numbers
        total = (rounds, sum(n for n, _ in numbers))
        assert session.sql("SELECT rows, s FROM total").fetchall() == [total]
