"""Several who adopt, refresh and build at once leave one answer, and lose nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from crannog.engine import Result, connect
from crannog.errors import ConflictError, CrannogError


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    write_deltalake(tmp_path / "events", pa.table({"k": [1]}))
    with connect(tmp_path / "lake") as session:
        session.sql("CREATE TABLE other AS SELECT 1 AS one")
    return tmp_path / "lake"


def at_once(lake: Path, count: int, **options: object) -> list[object]:
    start = Barrier(count)

    def one(_: int) -> object:
        with connect(lake) as session:
            session.head()
            start.wait()
            try:
                return session.adopt("events", **options)  # type: ignore[arg-type]
            except CrannogError as error:
                return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def commits(lake: Path) -> int:
    with connect(lake) as session:
        found = session.sql("SELECT count(*) FROM crannog.commits WHERE cause = 'adopt'")
        assert isinstance(found, Result)
        return int(found.fetchall()[0][0])


def test_one_of_many_adopts_the_table_and_the_others_find_it(lake: Path) -> None:
    found = at_once(lake, 4, url=lake.parent / "events")
    assert not [each for each in found if isinstance(each, CrannogError)]
    assert commits(lake) == 1


def test_one_of_many_refreshes_and_the_others_find_it_done(lake: Path) -> None:
    with connect(lake) as session:
        session.adopt("events", lake.parent / "events")
    for k in (2, 3):
        write_deltalake(lake.parent / "events", pa.table({"k": [k]}), mode="append")
    found = at_once(lake, 4, refresh=True)
    assert not [each for each in found if isinstance(each, CrannogError)]
    assert commits(lake) == 2
    with connect(lake) as session:
        assert session.sql("SELECT count(*) FROM events").fetchall() == [(3,)]  # type: ignore[union-attr]


def test_a_table_that_is_dropped_meanwhile_does_not_come_back(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crannog.engine.adoption import adopt as adopting

    with connect(lake) as session:
        session.adopt("events", lake.parent / "events")
        write_deltalake(lake.parent / "events", pa.table({"k": [2]}), mode="append")
        real = adopting.Found.keep

        def dropped(self: adopting.Found, *words: object, **more: object) -> object:
            with connect(lake) as other:
                other.sql("DROP TABLE events")
            return real(self, *words, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(adopting.Found, "keep", dropped)
        with pytest.raises(ConflictError) as error:
            session.adopt("events", refresh=True)
        assert error.value.code == "adopt_conflict"
        assert error.value.exit_code == 4
