"""A relation written out again gives the rows and types of the query that it was made from."""

from pathlib import Path

import pytest
from relations import cases, difference

from crannog.sql.refresh.unsupported import Unsupported

FILES = sorted((Path(__file__).parent / "cases" / "relations").glob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_relation_gives_the_rows_of_its_query(path):
    different = {text: found for text in cases(path) if (found := _difference(text)) is not None}
    assert different == {}


def _difference(text: str) -> str | None:
    try:
        return difference(text)
    except Unsupported as refused:
        return refused.reason.because
