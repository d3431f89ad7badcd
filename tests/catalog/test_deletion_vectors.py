from __future__ import annotations

import struct
from pathlib import Path

import pytest
from delta_tables import file_vectors, inline_vector, vector_bytes
from hypothesis import example, given
from hypothesis import strategies as st

from crannog.catalog.deletion_vectors import decode_rows, deleted_rows, vector_name
from crannog.catalog.stores import open_store
from crannog.errors import StorageError

KERNELS = {
    "storageType": "i",
    "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
    "sizeInBytes": 44,
    "cardinality": 6,
}

rows = st.one_of(
    st.sets(st.integers(0, 200)),
    st.sets(st.integers(0, 400_000), max_size=300),
    st.sets(st.integers(0, 2**33), max_size=20),
    st.builds(lambda start, n: set(range(start, start + n)), st.integers(0, 70_000), st.just(9000)),
)


def test_the_test_vector_of_the_delta_kernel_is_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert deleted_rows(store, dict(KERNELS), {}).tolist() == [3, 4, 7, 11, 18, 29]
    assert inline_vector([3, 4, 7, 11, 18, 29]) == KERNELS


@given(rows, st.booleans())
@example(set(), True)
@example({65_535, 65_536, 131_072, 196_608, 262_144}, True)
def test_any_rows_come_back_in_order(found: set[int], runs: bool) -> None:
    if found or not runs:
        assert decode_rows(vector_bytes(found, runs=runs)).tolist() == sorted(found)


@given(st.sets(st.integers(0, 100_000), min_size=1, max_size=50), st.data())
def test_a_vector_that_is_cut_off_is_never_taken_for_a_shorter_one(
    found: set[int], data: st.DataObject
) -> None:
    whole = vector_bytes(found)
    piece = whole[: data.draw(st.integers(4, len(whole) - 1))]
    with pytest.raises((ValueError, IndexError, struct.error)):
        decode_rows(piece)


def test_many_vectors_lie_in_one_file(tmp_path: Path) -> None:
    wanted = [[1, 2, 3], [70_000], list(range(0, 100_000, 3))]
    for prefix in ("", "ab"):
        found = file_vectors(tmp_path, wanted, prefix=prefix)
        files: dict[str, bytes] = {}
        store = open_store(str(tmp_path))
        assert [deleted_rows(store, each, files).tolist() for each in found] == wanted
        assert len(files) == 1
        assert len({vector_name(each) for each in found}) == 3


@pytest.mark.parametrize("what", ["byte", "cut", "size", "count", "text", "absolute", "gone"])
def test_a_vector_that_is_not_what_the_log_says_is_refused(what: str, tmp_path: Path) -> None:
    [vector] = file_vectors(tmp_path, [[5, 6, 7]])
    [file] = tmp_path.glob("*.bin")
    data = bytearray(file.read_bytes())
    if what == "byte":
        data[-6] ^= 1
    elif what == "cut":
        del data[-3:]
    elif what == "size":
        vector["sizeInBytes"] = 7
    elif what == "count":
        vector["cardinality"] = 4
    elif what == "text":
        vector |= {"storageType": "i", "pathOrInlineDv": '"' * 10}
    elif what == "absolute":
        vector["storageType"] = "p"
    file.write_bytes(data)
    if what == "gone":
        file.unlink()
    with pytest.raises(StorageError) as error:
        deleted_rows(open_store(str(tmp_path)), vector, {})
    wanted = {"absolute": "unsupported_feature", "gone": "adopted_file_gone"}
    assert error.value.code == wanted.get(what, "delta_log_damaged")
