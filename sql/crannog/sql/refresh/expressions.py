"""Small questions about expressions over the columns of relations."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from crannog.sql.refresh.relation import Expr, used

_EXPANDING = (exp.Unnest, exp.Explode, exp.Posexplode, exp.Inline)
_EXPANDING_NAMES = frozenset({"unnest", "flatten", "generate_subscripts"})


def plain(expression: Expr) -> str | None:
    """Return the name of the column that an expression is, if it is just one.

    >>> plain(exp.column('c1')), plain(exp.Literal.number(1))
    ('c1', None)
    """
    bare = expression.unnest()
    return bare.name if isinstance(bare, exp.Column) else None


def within(expression: Expr, columns: Iterable[str]) -> bool:
    """Say whether an expression uses columns, and only these."""
    names = used(expression)
    return bool(names) and names <= set(columns)


def expands(expression: Expr) -> bool:
    """Say whether an expression may give several rows for one."""
    return expression.find(*_EXPANDING) is not None or any(
        call.name.lower() in _EXPANDING_NAMES for call in expression.find_all(exp.Anonymous)
    )
