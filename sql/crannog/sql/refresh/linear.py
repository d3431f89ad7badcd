"""Say whether a query is linear: whether new input rows can go through it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crannog.sql.places import NOWHERE, Source
from crannog.sql.references import Reference, References, references
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.volatile import volatile
from crannog.sql.time_travel import blank
from crannog.sql.tokens import Token, closing, code_tokens

AGGREGATES = frozenset(
    """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
    arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and
    bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star countif covar_pop
    covar_samp entropy favg first fsum group_concat grouping grouping_id histogram histogram_exact
    json_group_array json_group_object json_group_structure kahan_sum kurtosis kurtosis_pop last
    list listagg lttb mad max max_by mean median min min_by mode product quantile quantile_cont
    quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
    regr_syy reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum
    sum_no_overflow sumkahan var_pop var_samp variance weighted_avg geomean geometric_mean wavg
    combine_aggr decimal_average variant_group_array variant_group_object
    """.split()
)
_WORDS: dict[str, Reason] = {
    "limit": Reason(ReasonCode.GLOBAL_LIMIT),
    "offset": Reason(ReasonCode.GLOBAL_LIMIT),
    "fetch": Reason(ReasonCode.GLOBAL_LIMIT),
    "recursive": Reason(ReasonCode.RECURSIVE),
    "lateral": Reason(ReasonCode.LATERAL_OR_TABLE_FUNCTION),
    "group": Reason(ReasonCode.TOO_COMPLEX, "GROUP BY: a group can get more rows later"),
    "having": Reason(ReasonCode.TOO_COMPLEX, "HAVING filters groups"),
    "qualify": Reason(ReasonCode.TOO_COMPLEX, "QUALIFY compares rows with each other"),
    "join": Reason(ReasonCode.TOO_COMPLEX, "JOIN: a new row can match old rows"),
    "intersect": Reason(ReasonCode.TOO_COMPLEX, "INTERSECT compares rows with each other"),
    "except": Reason(ReasonCode.TOO_COMPLEX, "EXCEPT compares rows with each other"),
    "pivot": Reason(ReasonCode.TOO_COMPLEX, "PIVOT aggregates"),
    "pivot_wider": Reason(ReasonCode.TOO_COMPLEX, "PIVOT aggregates"),
    "unpivot": Reason(ReasonCode.TOO_COMPLEX),
    "pivot_longer": Reason(ReasonCode.TOO_COMPLEX),
    "exists": Reason(ReasonCode.TOO_COMPLEX, "a subquery looks at other rows"),
    "rowid": Reason(ReasonCode.ORDER_UNDEFINED, "rowid depends on the order of rows"),
}


@dataclass(frozen=True, slots=True)
class Linear:
    """Say that Q(old + new) = Q(old) + Q(new), when every table in it is replaced by its new rows.

    Args:
        tables: each place where a table is read; every branch of UNION ALL reads one.
    """

    tables: tuple[Reference, ...]


def linear(
    text: str,
    *,
    tokens: Sequence[Token] | None = None,
    read: References | None = None,
    aggregates: frozenset[str] = frozenset(),
    source: Source = NOWHERE,
) -> Linear | Reason:
    """Return the proof that a query is linear, or the reason why it is not known to be.

    Args:
        tokens, read: of `text`, where the caller has them.
        aggregates: names of DuckDB's own aggregates and macros, beside those known here.

    >>> linear('SELECT a FROM t WHERE b > 1 UNION ALL SELECT a FROM u').tables[1].text
    'u'
    >>> linear('SELECT sum(a) FROM t').because
    'global_aggregate: sum() aggregates all rows'
    """
    code = list(tokens) if tokens is not None else code_tokens(text, source=source)
    found = read if read is not None else references(text, tokens=code, source=source)
    reason = volatile(code) or _by_words(code, AGGREGATES | aggregates) or _by_reads(found)
    if reason is not None:
        return reason
    from crannog.sql.parsed import parse

    tree = parse(blank(text, [table.at for table in found.tables if table.at is not None]))
    if tree is None:
        return Reason(ReasonCode.TOO_COMPLEX, "the query cannot be analysed")
    from crannog.sql.refresh.shape import not_linear

    shape = not_linear(tree)
    return shape if shape is not None else Linear(found.tables)


def _by_words(code: Sequence[Token], aggregates: frozenset[str]) -> Reason | None:
    """Judge by words alone; this does not rest on a parser's reading of the text."""
    for index, token in enumerate(code):
        if not token.is_name:
            continue
        name = token.name.lower()
        called = index + 1 < len(code) and code[index + 1].text == "("
        # Behind a dot stands a column, or a call: `a.sum()` and `main.sum(a)` are sum(a).
        after_dot = index > 0 and code[index - 1].text == "."
        if after_dot and not called:
            continue
        reason = None if after_dot else _WORDS.get(token.word)
        if reason is None and called and name in aggregates:
            reason = _aggregate(code, index, name)
        elif reason is None and token.word == "over":
            reason = _window(code, index)
        elif reason is None and token.word == "distinct" and not _is_comparison(code, index):
            reason = Reason(ReasonCode.TOO_COMPLEX, "DISTINCT compares rows with each other")
        if reason is not None and not _is_plain_column(code, index):
            return reason
    return None


def _is_plain_column(code: Sequence[Token], index: int) -> bool:
    """Say whether an unreserved word of the list is surely a column here, as in `t.rowid AS x`."""
    return index > 0 and code[index - 1].word == "as" and code[index].word in ("rowid", "over")


def _aggregate(code: Sequence[Token], index: int, name: str) -> Reason:
    after = closing(code, index + 1) + 1
    if after < len(code) and code[after].word == "over":
        return _window(code, after)
    if any(token.word == "group" for token in code):
        return Reason(ReasonCode.TOO_COMPLEX, f"{name}(): a group can get more rows later")
    return Reason(ReasonCode.GLOBAL_AGGREGATE, f"{name}() aggregates all rows")


def _window(code: Sequence[Token], index: int) -> Reason:
    partitioned = any(token.word == "partition" for token in code[index : index + 3])
    if partitioned:
        return Reason(ReasonCode.TOO_COMPLEX, "a window compares rows with each other")
    return Reason(ReasonCode.GLOBAL_WINDOW)


def _is_comparison(code: Sequence[Token], index: int) -> bool:
    before = code[index - 1].word if index else ""
    after = code[index + 1].word if index + 1 < len(code) else ""
    return before in ("is", "not") and after == "from"


def _by_reads(found: References) -> Reason | None:
    if found.files:
        return Reason(ReasonCode.UNVERSIONED_INPUT, f"it reads the file '{found.files[0].name}'")
    if found.functions:
        return Reason(
            ReasonCode.LATERAL_OR_TABLE_FUNCTION,
            f"it uses the table function {found.functions[0].name}()",
        )
    system = [table for table in found.tables if table.system]
    if system:
        return Reason(ReasonCode.UNVERSIONED_INPUT, f"it reads {system[0].text}")
    if not found.exact:
        return Reason(ReasonCode.TOO_COMPLEX, "the query cannot be analysed")
    if not found.tables:
        return Reason(ReasonCode.TOO_COMPLEX, "it reads no table")
    pinned = [table for table in found.tables if table.at is not None]
    if pinned:
        return Reason(ReasonCode.TOO_COMPLEX, f"{pinned[0].text} is read with AT")
    return None
