"""Random models, refreshed by every strategy, are what plain DuckDB says they are."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from fuzz.generate import load
from fuzz.harness import Harness
from fuzz.lake import LakeHarness
from fuzz.many import aside
from fuzz.tally import Tally

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
FRESH = int(os.environ.get("CRANNOG_FUZZ_CASES", "2000"))
THROUGH_A_LAKE = int(os.environ.get("CRANNOG_FUZZ_LAKE_CASES", "40"))
SEED = os.environ.get("CRANNOG_FUZZ_SEED") or secrets.token_hex(4)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_once_went_wrong_goes_right(path):
    failures = aside(lambda: Harness(careful=True).run(load(path.read_text(encoding="utf-8"))))
    assert not failures, failures[0].text()


@pytest.mark.parametrize("part", range(4))
def test_fresh_models_refresh_to_what_a_rebuild_gives(part):
    tally = aside(lambda: until(Harness(), f"{SEED}:{part}", FRESH // 4))
    told(tally)
    assert tally.total >= FRESH // 4
    assert tally.cases["rebuild"] + tally.cases["skip"] < 0.5 * tally.total


def test_fresh_models_in_a_lake_refresh_to_what_a_rebuild_gives():
    told(aside(lambda: until(LakeHarness(), f"{SEED}:lake", THROUGH_A_LAKE)))


def until(harness: Harness | LakeHarness, seed: str, cases: int) -> Tally:
    number = 0
    while harness.tally.total < cases and not harness.tally.failures:
        scenario = harness.fresh(f"{seed}:{number}")
        number += 1
        if scenario is not None:
            harness.run(scenario)
    return harness.tally


def told(tally: Tally) -> None:
    print(f"seed {SEED}", *tally.lines(), sep="\n")  # noqa: T201  (seen where it fails)
    failures = [f"seed {SEED}: {each.text()}\n{each.scenario.dump()}" for each in tally.failures]
    assert not failures, failures[0]
