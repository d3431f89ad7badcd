"""Both stores keep the same promises."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from crannog.catalog import ObjectNotFound, Store, open_store
from crannog.errors import StorageError, UsageError

ODD = "a b/é%41/c%2Fd (1)'.json"


def test_what_is_put_is_read_back_under_odd_keys(store: Store) -> None:
    store.put(ODD, b"one")
    store.put(ODD, b"two")
    assert store.get(ODD) == b"two"
    assert store.size(ODD) == 3
    assert store.exists(ODD)
    assert [info.key for info in store.list("a b")] == [ODD]
    store.delete(ODD)
    store.delete(ODD)
    assert not store.exists(ODD)


def test_missing_objects_are_told_apart_from_failures(store: Store) -> None:
    assert store.read("no/such") is None
    for ask in (store.get, store.size):
        with pytest.raises(ObjectNotFound):
            ask("no/such")
    assert list(store.list("no")) == []


def test_only_the_first_put_if_absent_wins(store: Store) -> None:
    assert store.put_if_absent("x/1.json", b"first")
    assert not store.put_if_absent("x/1.json", b"second")
    assert store.get("x/1.json") == b"first"


def test_a_swap_needs_the_token_of_what_is_there(store: Store) -> None:
    assert not store.swap("r.json", b"1", '{"e_tag":"none"}')
    assert store.swap("r.json", b"1", None)
    assert not store.swap("r.json", b"2", None)
    found = store.read("r.json")
    assert found is not None
    assert store.swap("r.json", b"2", found[1])
    assert not store.swap("r.json", b"3", found[1])
    assert store.get("r.json") == b"2"


def test_listing_is_sorted_and_starts_where_told(store: Store) -> None:
    keys = ["f/a.json", "f/b.json", "f/b/c.json", "f/ba.json", "g/x.json"]
    for key in keys:
        store.put(key, b"")
    listed = [info.key for info in store.list("f")]
    assert listed == sorted(keys[:4])
    assert [info.key for info in store.list("f", after="f/b.json")] == listed[
        listed.index("f/b.json") + 1 :
    ]
    assert len(list(store.list(""))) == 5


def test_a_local_lake_shows_no_locks_and_no_temporary_files(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.swap("refs/main.json", b"1", None)
    (tmp_path / "refs" / ".tmp-crashed").write_bytes(b"half")
    assert [info.key for info in store.list("")] == ["refs/main.json"]


def test_keys_cannot_leave_the_lake(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"))
    for key in ("../x", "a/../../x", "/etc/passwd"):
        with pytest.raises(StorageError):
            store.put(key, b"")


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        open_store(str(tmp_path / "file")).put("a/b.json", b"")
    assert caught.value.code in ("storage_failed", "object_not_found")


def test_what_cannot_be_looked_at_is_not_taken_for_missing(tmp_path: Path) -> None:
    (tmp_path / "refs").symlink_to(tmp_path / "refs")
    store = open_store(str(tmp_path))
    assert not store.exists("other/main.json")
    with pytest.raises(StorageError, match="could not read 'refs/main.json'"):
        store.exists("refs/main.json")


def test_data_files_are_flushed_with_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    (tmp_path / "main" / "t").mkdir(parents=True)
    (tmp_path / "main" / "t" / "part-1.parquet").write_bytes(b"data")
    flushed: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    store.sync(["main/t/part-1.parquet"])
    lake = str(tmp_path)
    file, folder = f"{lake}/main/t/part-1.parquet", f"{lake}/main/t"
    assert set(flushed) == {os.path.dirname(lake), lake, f"{lake}/main", folder, file}
    flushed.clear()
    store.sync(["main/t/part-1.parquet"])
    assert flushed == [file, folder]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "bad_lake_url"),
        ("https://example.org/lake", "bad_lake_url"),
        ("s3://", "bad_lake_url"),
        ("s3://key:secret@bucket/lake", "secret_in_url"),
        ("s3://bucket/lake?sig=secret", "secret_in_url"),
    ],
)
def test_urls_that_cannot_hold_a_lake_are_refused(url: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert caught.value.code == code
    assert "secret" not in f"{caught.value.message} {caught.value.hint}".replace("secret_", "")


def test_an_unreachable_endpoint_is_named_and_no_secret_is() -> None:
    options = {
        "endpoint_url": "http://127.0.0.1:9",
        "access_key_id": "AKIAKEY",
        "secret_access_key": "hush-hush",
    }
    store = open_store("s3://bucket/lake", options)
    started = time.monotonic()
    for ask in (
        lambda: store.get("x"),
        lambda: store.read("x"),
        lambda: store.put("x", b""),
        lambda: store.swap("x", b"", None),
        lambda: list(store.list("x")),
    ):
        with pytest.raises(StorageError) as caught:
            ask()
        error = caught.value
        assert error.code == "storage_unreachable"
        assert "http://127.0.0.1:9" in error.message
        shown = f"{error.message} {error.hint} {error!r} {store!r} {error.__cause__!r}"
        assert "hush" not in shown
        assert "AKIAKEY" not in shown
    assert time.monotonic() - started < 50


def test_a_bucket_that_is_not_there_is_named(s3: object) -> None:
    with pytest.raises(StorageError) as caught:
        open_store("s3://no-such-bucket-here/lake").read("x")
    assert caught.value.code == "bucket_not_found"
    assert "no-such-bucket-here" in caught.value.message


def test_options_that_are_wrong_are_refused_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        open_store("s3://bucket/lake", {"endpoint_url": "not a url"})
    assert "endpoint_url" in caught.value.message
    with pytest.raises(UsageError) as caught:
        open_store("s3://bucket/lake", {"colour": "red"})
    assert "colour" in caught.value.message
