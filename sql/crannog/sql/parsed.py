"""Find table names in sqlglot's tree; scoping is ours, as DuckDB's differs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from crannog.sql.scan import Found, Name
from crannog.sql.tokens import Token

logging.getLogger("sqlglot").setLevel(logging.ERROR)


def parse(text: str) -> exp.Expr | None:
    """Parse one DuckDB query, or return None where sqlglot cannot."""
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except (SqlglotError, RecursionError, ValueError):
        return None
    return None if tree.find(exp.Command) is not None else tree


def parse_tables(text: str, code: Sequence[Token]) -> Found | None:
    """Find the tables and files of a query, or None where it cannot be parsed."""
    tree = parse(text)
    if tree is None:
        return None
    by_start = {token.start: token for token in code}
    by_end = {token.end: token for token in code}
    found = Found()
    for table in tree.find_all(exp.Table):
        if not _collect(table, by_start, by_end, found):
            return None
    for names in (found.tables, found.files):
        names.sort(key=lambda name: name.start)
    return found


def _collect(
    table: exp.Table,
    by_start: dict[int, Token],
    by_end: dict[int, Token],
    found: Found,
) -> bool:
    """Add one table; False where its place in the text is not known."""
    if not isinstance(table.this, exp.Identifier):
        return True
    places = [_span(part) for part in table.parts if isinstance(part, exp.Identifier)]
    if len(places) != len(table.parts) or any(place is None for place in places):
        return False
    known = [place for place in places if place is not None]
    start, end = known[0][0], known[-1][1]
    first = by_start.get(start)
    if first is None or end not in by_end:
        return False
    if first.kind == "string":
        found.files.append(Name((table.name,), start, end))
    elif len(known) > 1 or not _is_cte(table):
        found.tables.append(Name(tuple(by_start[at].name for at, _ in known), start, end))
    return True


def _span(node: exp.Expr) -> tuple[int, int] | None:
    start, end = node.meta.get("start"), node.meta.get("end")
    return (start, end + 1) if isinstance(start, int) and isinstance(end, int) else None


def _is_cte(table: exp.Table) -> bool:
    """Say whether a bare name means a CTE: one of an enclosing query, defined before this place."""
    name = table.name.lower()
    return any(cte.alias.lower() == name for cte in _visible(table))


def _visible(table: exp.Table) -> Iterator[exp.Expr]:
    path: list[exp.Expr] = [table]
    node = table.parent
    while node is not None:
        if isinstance(node, exp.With):
            yield from _earlier(node, path)
            # The owner of the WITH shows its CTEs to its own text only, not to each other.
            owner = node.parent or node
            path.append(owner)
            node = owner.parent
            continue
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With):
            yield from with_.expressions
        path.append(node)
        node = node.parent


def _earlier(with_: exp.With, path: list[exp.Expr]) -> Iterator[exp.Expr]:
    """Yield the CTEs of a WITH that are seen in that one of them that `path` comes out of."""
    for cte in with_.expressions:
        if cte is path[-1]:
            if with_.args.get("recursive") and _behind_union(cte, path):
                yield cte
            return
        yield cte


def _behind_union(cte: exp.Expr, path: list[exp.Expr]) -> bool:
    body = cte.this
    while isinstance(body, exp.Subquery) and not body.alias:
        body = body.this
    return isinstance(body, exp.Union) and any(node is body.expression for node in path)
