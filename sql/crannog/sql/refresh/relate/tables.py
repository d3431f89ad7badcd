"""Builds one item of FROM: a table, a CTE, a subquery, or rows that come from no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relate.canonical import Expr, canonical
from crannog.sql.refresh.relate.dialect import FaithfulDuckDB
from crannog.sql.refresh.relate.draft import Cte, Ctes, Draft, Rows
from crannog.sql.refresh.relate.scope import Item, Output, Scope, folded
from crannog.sql.refresh.relation import Constant, Relation, Scan
from crannog.sql.refresh.unsupported import Unsupported, too_complex


@dataclass(slots=True)
class From:
    """Hold what a FROM clause, or a part of one, gives.

    Args:
        correlated: conditions of inner joins that use columns of the query around.
    """

    relation: Relation
    scope: Scope
    correlated: list[Expr] = field(default_factory=list)


def only(node: Expr, allowed: frozenset[str]) -> None:
    """Refuse a node that has more to it than is understood."""
    for key, value in node.args.items():
        if value and key not in allowed:
            raise too_complex(f"{key.strip('_').replace('_', ' ').upper()} is not represented")


def item_of(rows: Rows, alias: exp.TableAlias | None, *, default: str | None = None) -> Item:
    """Return the item of FROM that rows with an alias are."""
    names = unique(rows.names)
    given = [] if alias is None else [each.name for each in alias.args.get("columns") or ()]
    if len(given) > len(names):
        raise too_complex("an alias names more columns than there are")
    names[: len(given)] = given
    name = alias.name if alias is not None and alias.this is not None else default
    outputs = tuple(Output(*each) for each in zip(names, rows.relation.columns, strict=True))
    return Item(name or None, outputs)


def unique(names: Sequence[str | None]) -> list[str | None]:
    """Return the names by which a query's columns are found from outside: equal ones differ."""
    seen: dict[str, int] = {}
    found: list[str | None] = []
    for name in names:
        key = "" if name is None else folded(name)
        count = seen.get(key, 0)
        seen[key] = count + 1
        found.append(name if name is None or count == 0 else f"{name}_{count}")
    return found


def table(draft: Draft, node: exp.Table, ctes: Ctes) -> tuple[Relation, Item]:
    """Return what a name in FROM stands for."""
    alias = node.args.get("alias")
    if not isinstance(node.this, exp.Identifier):
        return function(draft, node.this, alias)
    only(node, frozenset({"this", "alias", "joins"}))
    name = node.name
    place = next((each for each in draft.query.places if each.name == name), None)
    if place is None:
        return _cte(draft, name, ctes, alias)
    draft.count_scan()
    names = tuple(column for column, _ in place.columns)
    scan = Scan(place.name, names, draft.fresh(len(names)))
    return scan, item_of(Rows(scan, names), alias, default=name)


def _cte(
    draft: Draft, name: str, ctes: Ctes, alias: exp.TableAlias | None
) -> tuple[Relation, Item]:
    cte = ctes.get(folded(name))
    if cte is None:
        raise too_complex(f"the table {name} is not known")
    rows = draft.rows(cte.node, cte.ctes)
    names = unique(rows.names)
    names[: len(cte.columns)] = cte.columns
    return rows.relation, item_of(Rows(rows.relation, tuple(names)), alias, default=name)


def with_ctes(node: Expr, ctes: Ctes) -> Ctes:
    """Return the CTEs that a query sees with those of its own WITH."""
    clause = node.args.get("with_")
    if clause is None:
        return ctes
    if clause.args.get("recursive"):
        raise Unsupported(Reason(ReasonCode.RECURSIVE))
    seen = dict(ctes)
    for each in clause.expressions:
        only(each, frozenset({"this", "alias", "materialized"}))
        columns = tuple(column.name for column in each.args["alias"].args.get("columns") or ())
        seen[folded(each.alias)] = Cte(each.this, columns, dict(seen))
    return seen


def function(draft: Draft, node: Expr, alias: exp.TableAlias | None) -> tuple[Relation, Item]:
    """Return the rows of a table function whose arguments are constants."""
    if not isinstance(node, (exp.GenerateSeries, exp.Unnest)) or node.find(exp.Column, exp.Query):
        raise Unsupported(Reason(ReasonCode.LATERAL_OR_TABLE_FUNCTION))
    name = "unnest"
    if isinstance(node, exp.GenerateSeries):
        name = "range" if node.args.get("is_end_exclusive") else "generate_series"
    elif len(node.expressions) != 1 or node.args.get("offset"):
        raise too_complex("unnest() of several lists")
    call = node.copy()
    call.set("alias", None)
    columns = draft.fresh(1)
    text = canonical(call).sql(dialect=FaithfulDuckDB, comments=False)
    return Constant(f"SELECT * FROM {text}", columns), named(columns, alias, name)


def named(columns: tuple[str, ...], alias: exp.TableAlias | None, name: str) -> Item:
    """Return the item of a function of one column: its alias names the column too."""
    called = alias.name if alias is not None and alias.this is not None else name
    given = [] if alias is None else [each.name for each in alias.args.get("columns") or ()]
    return Item(called, (Output((given or [called])[0], columns[0]),))


def values(draft: Draft, node: exp.Values) -> Rows:
    """Return the rows of a VALUES list of constants."""
    if node.find(exp.Column, exp.Query):
        raise too_complex("VALUES that are not constant")
    only(node, frozenset({"expressions", "alias", "joins"}))
    first = node.expressions[0]
    width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
    plain = exp.Values(expressions=[canonical(each) for each in node.expressions])
    text = plain.sql(dialect=FaithfulDuckDB, comments=False)
    names = tuple(f"col{number}" for number in range(width))
    return Rows(Constant(text, draft.fresh(width)), names)
