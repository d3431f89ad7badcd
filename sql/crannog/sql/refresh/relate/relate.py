"""Turns a query's text into the relations that it is made of."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from crannog.sql.refresh.linear import AGGREGATES
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.relate.draft import Draft
from crannog.sql.refresh.relate.prune import pruned
from crannog.sql.refresh.relate.queries import query
from crannog.sql.refresh.relate.reading import parsed
from crannog.sql.refresh.relate.subqueries import subquery
from crannog.sql.refresh.relation import Relation
from crannog.sql.refresh.unsupported import too_complex


def relate(text: Query, aggregates: AbstractSet[str] = frozenset()) -> Relation:
    """Return the relation whose columns are those of the query, by position.

    Raises Unsupported where the query is not surely understood.

    Args:
        aggregates: names of aggregate functions beside DuckDB's own.
    """
    try:
        draft = Draft(text, query, subquery, AGGREGATES | aggregates)
        rows = draft.rows(parsed(text.text), {})
    except (RecursionError, ValueError) as error:
        raise too_complex("the query cannot be analysed") from error
    if text.columns and len(rows.names) != len(text.columns):
        raise too_complex("its columns are not all known")
    return pruned(rows.relation)
