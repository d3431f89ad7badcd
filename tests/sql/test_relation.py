"""A relation written out again gives the rows and types of the query that it was made from."""

import pytest
from relations import difference

SELECTS = [
    "SELECT a, b + 1 AS x FROM t WHERE s = 'x'",
    "SELECT t.a, sum(c) FROM t JOIN u USING (a) GROUP BY 1 HAVING count(*) > 1",
    "SELECT * FROM t WHERE a IN (SELECT a FROM u) AND NOT EXISTS (FROM v WHERE v.a = t.a)",
]


@pytest.mark.parametrize("text", SELECTS)
def test_a_relation_gives_the_rows_of_its_query(text):
    assert difference(text) is None
