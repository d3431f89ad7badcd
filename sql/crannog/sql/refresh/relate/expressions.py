"""Resolves the names in an expression to columns of the relation below it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sqlglot import exp

from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relate.aggregates import is_aggregate
from crannog.sql.refresh.relate.canonical import Expr, bare, canonical, rebuilt, sql
from crannog.sql.refresh.relate.draft import Ctes, Draft, Pending
from crannog.sql.refresh.relate.scope import Scope, folded
from crannog.sql.refresh.relation import used
from crannog.sql.refresh.unsupported import Unsupported, too_complex

# Whether names of the SELECT list may be meant, and whether rather than columns of FROM.
Aliases: TypeAlias = Literal["none", "after", "first"]

# Anything else, as `#1`, could mean a column without being one.
_KNOWN = (
    *(exp.Func, exp.Binary, exp.Neg, exp.Not, exp.BitwiseNot, exp.Between, exp.In, exp.AtTimeZone),
    *(exp.Boolean, exp.Null, exp.ByteString, exp.RawString, exp.Interval, exp.Star, exp.Tuple),
    *(exp.Bracket, exp.Slice, exp.JSONKeyValue, exp.Lambda, exp.Comprehension, exp.Any, exp.All),
    *(exp.Distinct, exp.Filter, exp.Where, exp.IgnoreNulls, exp.RespectNulls, exp.WithinGroup),
    *(exp.Order, exp.Ordered, exp.Window, exp.WindowSpec),
)
_COLUMN_ID = re.compile(r"c[0-9]+\Z", re.IGNORECASE)
_REFUSED: Mapping[type[Expr], str] = {
    exp.Placeholder: "a parameter",
    exp.Parameter: "a parameter",
    exp.Collate: "COLLATE",
    exp.Columns: "COLUMNS() inside of an expression",
    exp.Query: "a subquery at an unusual place",
    exp.Table: "a table at an unusual place",
    exp.Distance: "the operator <->",
    exp.ParseJSON: "a JSON literal",
}
_LAMBDAS = (exp.Transform, exp.ArrayFilter)
_LAMBDA_NAMES = re.compile(r"(list|array)_(transform|apply|filter|reduce)|apply|filter|reduce")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Hold one expression of a SELECT list.

    Args:
        name: what others call the column; None where DuckDB makes a name from the text.
        alias: the name stands behind AS, so that other clauses may use it.
        resolved: its names have been resolved, as those that `*` gives.
    """

    name: str | None
    node: Expr
    alias: bool = False
    resolved: bool = False


@dataclass(slots=True)
class Resolver:
    """Resolve the expressions of one SELECT.

    Args:
        chosen: the SELECT list, whose names other expressions may use.
        windows: the definitions of WINDOW, by folded name.
        pending: subqueries found, whose columns the expressions use.
        outer: columns found in the scope around this SELECT.
        keys: what its rows are grouped by, where that is known.
    """

    draft: Draft
    scope: Scope
    ctes: Ctes
    chosen: Sequence[Chosen] = ()
    windows: Mapping[str, exp.Window] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    outer: set[str] = field(default_factory=set)
    keys: Sequence[Expr] = ()
    _items: dict[int, tuple[Expr, set[str]]] = field(default_factory=dict)
    _aliases: Aliases = "none"
    _before: int = 0
    _parameters: tuple[str, ...] = ()

    def resolve(self, node: Expr, aliases: Aliases = "none", before: int | None = None) -> Expr:
        """Return an expression over columns.

        Args:
            before: only names of the SELECT list before this number may be meant.
        """
        limit = len(self.chosen) if before is None else before
        with self._state(aliases, limit, self._parameters):
            return canonical(self._visit(node))

    def item(self, index: int) -> Expr:
        """Return an expression of the SELECT list over columns."""
        chosen = self.chosen[index]
        if chosen.resolved:
            return chosen.node
        if index not in self._items:
            # Once only: what it holds of subqueries is the same wherever its name stands.
            before, self.outer = self.outer, set()
            self._items[index] = self.resolve(chosen.node, "after", index), self.outer
            self.outer = before
        value, outer = self._items[index]
        self.outer |= outer
        return value

    def alias(self, name: str, before: int | None = None) -> int | None:
        """Return the number of the expression that has a name in the SELECT list."""
        known = self.chosen if before is None else self.chosen[:before]
        found = [
            index
            for index, each in enumerate(known)
            if each.alias and each.name is not None and folded(each.name) == folded(name)
        ]
        if len(found) > 1:
            raise too_complex(f"the name {name} stands twice in the SELECT list")
        return found[0] if found else None

    @contextmanager
    def _state(self, aliases: Aliases, before: int, parameters: tuple[str, ...]) -> Iterator[None]:
        saved = self._aliases, self._before, self._parameters
        self._aliases, self._before, self._parameters = aliases, before, parameters
        try:
            yield
        finally:
            self._aliases, self._before, self._parameters = saved

    def _visit(self, node: Expr) -> Expr:
        """Resolve one node and what is below it."""
        for kind, shown in _REFUSED.items():
            if isinstance(node, kind) and not isinstance(node, exp.Subquery):
                raise too_complex(f"{shown} is not represented")
        if self._aliases == "first" and is_aggregate(node, self.draft.aggregates):
            # What is aggregated are rows of FROM, which have no names of the SELECT list.
            with self._state("after", self._before, self._parameters):
                return self._visit(node)
        match node:
            case exp.Paren():
                return self._visit(bare(node))
            case exp.Column():
                return self._column(node)
            case exp.Subquery() | exp.Exists():
                return self._subquery(node, None)
            case exp.In() if (query := _listed_by(node)) is not None:
                return self._in(node, query)
            case exp.Identifier() | exp.Literal() | exp.DataType() | exp.Var():
                return node.copy()
            case _:
                return self._compound(node)

    def _compound(self, node: Expr) -> Expr:
        if not isinstance(node, _KNOWN):
            raise too_complex(f"{node.key} is not represented")
        _check_order(node)
        match node:
            case exp.Lambda():
                return self._lambda(node)
            case exp.Comprehension():
                return self._comprehension(node)
            case exp.Window():
                return rebuilt(self._with_definition(node), self._visit)
            case exp.Dot() if isinstance(node.expression, exp.Func):
                raise too_complex("a call behind a dot is not represented")
            case exp.EQ() | exp.NEQ() if _quantified(node):
                return self._quantified(node)
            case exp.ToMap():
                return self._map(node)
            case exp.PropertyEQ() | exp.Kwarg():
                return type(node)(this=_label(node.this), expression=self._visit(node.expression))
            case exp.Func():
                return self._function(node)
            case _:
                return rebuilt(node, self._visit)

    def _column(self, node: exp.Column) -> Expr:
        if not all(isinstance(part, exp.Identifier) for part in node.parts):
            raise too_complex("a star inside of an expression is not represented")
        parts = [part.name for part in node.parts]
        if folded(parts[0]) in self._parameters:
            value: Expr = node.parts[0].copy()
            for name in parts[1:]:
                value = exp.Dot(this=value, expression=exp.Identifier(this=name, quoted=True))
            return value
        return self._named(parts)

    def _named(self, parts: list[str]) -> Expr:
        if self._aliases == "first" and len(parts) == 1:
            found = self._by_alias(parts)
            if found is not None and not self._is_key(parts, found):
                return found
        value = self.scope.find(parts)
        if value is None and self._aliases != "none":
            value = self._by_alias(parts)
        around = self.scope.parent
        while value is None and around is not None:
            value = around.find(parts)
            if value is not None:
                self.outer |= used(value)
            around = around.parent
        if value is not None:
            return value.copy()
        if parts[-1].lower() == "rowid":
            raise Unsupported(Reason(ReasonCode.ORDER_UNDEFINED, "rowid depends on order of rows"))
        raise too_complex(f"the name {'.'.join(parts)} is not resolved")

    def _is_key(self, parts: list[str], found: Expr) -> bool:
        """Say whether a name is a column of FROM that is grouped by: then it is no other's name."""
        if not self.keys:
            return False
        value = self.scope.find(parts)
        if value is None or sql(value) == sql(found):
            return False
        own = used(value)
        if any(not isinstance(key, exp.Column) and used(key) & own for key in self.keys):
            raise too_complex(f"the name {parts[0]} means a key and something else")
        return any(sql(key) == sql(value) for key in self.keys)

    def _by_alias(self, parts: list[str]) -> Expr | None:
        at = self.alias(parts[0], self._before)
        if at is None:
            return None
        value = self.item(at)
        for name in parts[1:]:
            field_name = exp.Identifier(this=name, quoted=True)
            value = exp.Dot(this=exp.Paren(this=value), expression=field_name)
        return value

    def _subquery(self, node: Expr, probe: tuple[Expr, ...] | None) -> Expr:
        found = self.draft.build_subquery(self.draft, node, self.ctes, self.scope, probe)
        self.pending.append(found)
        return exp.Column(this=exp.Identifier(this=found.column, quoted=False))

    def _in(self, node: exp.In, query: Expr) -> Expr:
        subject = bare(node.this)
        probes = subject.expressions if isinstance(subject, exp.Tuple) else [subject]
        return self._subquery(query, tuple(canonical(self._visit(each)) for each in probes))

    def _quantified(self, node: exp.EQ | exp.NEQ) -> Expr:
        """Read `= ANY (SELECT ...)` and `<> ALL (SELECT ...)` as IN and NOT IN."""
        probe = canonical(self._visit(node.left))
        value = self._subquery(node.right, (probe,))
        return value if isinstance(node, exp.EQ) else exp.Not(this=value)

    def _map(self, node: exp.ToMap) -> Expr:
        """Resolve the keys too: unlike names of fields they are expressions."""
        inner = node.this
        if isinstance(inner, exp.Bracket):
            # As sqlglot reads `MAP {...}[key]`.
            moved = rebuilt(inner, lambda each: each.copy())
            moved.set("this", exp.ToMap(this=inner.this.copy()))
            return self._visit(moved)
        if not isinstance(inner, exp.Struct):
            raise too_complex("a MAP that is not written out is not represented")
        pairs = [
            type(each)(this=self._visit(each.this), expression=self._visit(each.expression))
            for each in inner.expressions
        ]
        return exp.ToMap(this=exp.Struct(expressions=pairs))

    def _function(self, node: exp.Func) -> Expr:
        takes_lambda = isinstance(node, _LAMBDAS) or bool(_LAMBDA_NAMES.fullmatch(_name(node)))
        if takes_lambda:
            return rebuilt(node, self._visit)
        return rebuilt(node, lambda each: self._visit(_arrow(each)))

    def _lambda(self, node: exp.Lambda) -> Expr:
        names = tuple(self._parameter(each) for each in node.expressions)
        with self._state(self._aliases, self._before, (*self._parameters, *names)):
            body = self._visit(node.this)
        return exp.Lambda(this=body, expressions=[each.copy() for each in node.expressions])

    def _comprehension(self, node: exp.Comprehension) -> Expr:
        iterator = self._visit(node.args["iterator"])
        variables = [node.expression, node.args.get("position")]
        names = tuple(self._parameter(each) for each in variables if each is not None)
        condition = node.args.get("condition")
        with self._state(self._aliases, self._before, (*self._parameters, *names)):
            return exp.Comprehension(
                this=self._visit(node.this),
                expression=node.expression.copy(),
                position=None if variables[1] is None else variables[1].copy(),
                iterator=iterator,
                condition=None if condition is None else self._visit(condition),
            )

    def _parameter(self, node: Expr) -> str:
        if not isinstance(node, exp.Identifier) or _COLUMN_ID.match(node.name):
            raise too_complex("the parameter of a lambda is not represented")
        return folded(node.name)

    def _with_definition(self, node: exp.Window) -> exp.Window:
        """Put the definition of a named window in place."""
        name = node.args.get("alias")
        if name is None:
            return node
        found = self.windows.get(folded(name.name))
        if found is None:
            raise too_complex(f"the window {name.name} is not found")
        found = self._with_definition(found)
        args = {key: value for key, value in node.args.items() if key != "alias"}
        for key in ("partition_by", "order", "spec"):
            if found.args.get(key):
                if args.get(key):
                    raise too_complex(f"the window {name.name} is changed where it is used")
                args[key] = found.args[key]
        return exp.Window(**args)


def _listed_by(node: exp.In) -> Expr | None:
    """Return the query that IN looks in, as a subquery; None for a list."""
    query: Expr | None = node.args.get("query")
    if query is None and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Values):
        query = exp.Subquery(this=node.expressions[0].copy())
    return query


def _quantified(node: exp.EQ | exp.NEQ) -> bool:
    quantifier = exp.Any if isinstance(node, exp.EQ) else exp.All
    return isinstance(node.right, quantifier) and isinstance(bare(node.right.this), exp.Query)


def _name(node: exp.Func) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else node.sql_name().lower()


_BITS = (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseLeftShift, exp.BitwiseRightShift)
_TEXTS = (exp.DPipe, exp.JSONExtractScalar)
_OPTIONS = (exp.RegexpReplace, exp.RegexpExtract, exp.RegexpExtractAll)


def _check_order(node: Expr) -> None:
    """Refuse operators beside each other that DuckDB may take in another order."""
    parts = list(node.iter_expressions())
    mixed = isinstance(node, _BITS) and any(isinstance(each, _TEXTS) for each in parts)
    mixed |= isinstance(node, _TEXTS) and any(isinstance(each, _BITS) for each in parts)
    if isinstance(node, (exp.Binary, exp.AtTimeZone)):
        mixed |= any(isinstance(each, exp.BitwiseNot) for each in parts)
    if isinstance(node, exp.AtTimeZone):
        mixed |= isinstance(node.this, exp.Pow)
    if isinstance(node, exp.In):
        mixed |= isinstance(node.args.get("field"), exp.Bracket) or len(parts) < 2
    if isinstance(node, exp.Is):
        mixed |= not isinstance(bare(node.expression), (exp.Null, exp.Boolean))
    if mixed:
        raise too_complex("operators beside each other need brackets")
    if isinstance(node, _OPTIONS) and not all(
        isinstance(node.args.get(key) or exp.Null(), (exp.Literal, exp.Null))
        for key in ("modifiers", "parameters")
    ):
        raise too_complex("options of a regular expression that are not constant")


def _label(node: Expr) -> Expr:
    """Return the name of an argument or a field, which is no column."""
    return node.this.copy() if isinstance(node, exp.Column) else node.copy()


def _arrow(node: Expr) -> Expr:
    """Read `f(doc -> 'key')` as the arrow that it is: sqlglot takes it for a lambda."""
    if not isinstance(node, exp.Lambda):
        return node
    subject = exp.Column(this=node.expressions[0].copy())
    made = _led(node.this, subject) if len(node.expressions) == 1 else None
    if made is None:
        raise too_complex("an arrow in a function's arguments is not represented")
    return made


def _led(body: Expr, subject: Expr) -> Expr | None:
    """Return `subject -> 'a' ->> 'b'` for the body `'a' ->> 'b'`."""
    if isinstance(body, exp.Literal):
        return exp.JSONExtract(this=subject, expression=body.copy())
    if isinstance(body, (exp.JSONExtract, exp.JSONExtractScalar)):
        first = _led(body.this, subject)
        if first is not None:
            return rebuilt(body, lambda each: first if each is body.this else each.copy())
    return None
