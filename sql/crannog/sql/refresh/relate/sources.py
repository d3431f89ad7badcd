"""Builds a FROM clause: its items one after the other, joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relate import joins
from crannog.sql.refresh.relate.canonical import Expr, canonical
from crannog.sql.refresh.relate.draft import Ctes, Draft, Rows
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.relate.scope import Item, Scope
from crannog.sql.refresh.relate.tables import From, function, item_of, named, only, table, values
from crannog.sql.refresh.relation import Project, Relation
from crannog.sql.refresh.unsupported import Unsupported, too_complex

_SUBQUERY = frozenset({"this", "alias", "joins"})


@dataclass(frozen=True, slots=True)
class Sources:
    """Build the FROM clause of one SELECT.

    Args:
        around: the scope around a subquery.
    """

    draft: Draft
    ctes: Ctes
    around: Scope | None

    def of(self, select: exp.Select) -> From:
        """Return what its FROM clause gives."""
        if select.args.get("laterals"):
            raise Unsupported(Reason(ReasonCode.LATERAL_OR_TABLE_FUNCTION))
        clause = select.args["from_"]
        only(clause, frozenset({"this"}))
        return self._joined(clause.this, select.args.get("joins") or ())

    def _joined(self, first: Expr, more: Sequence[exp.Join]) -> From:
        """Join an item with those behind it; a comma binds weaker than JOIN."""
        own: Sequence[exp.Join] = first.args.get("joins") or ()
        done: From | None = None
        current = self._item(first)
        for join in (*own, *more):
            if isinstance(join.this, exp.Unnest) and join.this.find(exp.Column):
                whole = current if done is None else joins.cross(done, current)
                done, current = None, self._unnested(whole, join)
            elif joins.is_comma(join):
                done = current if done is None else joins.cross(done, current)
                current = self._right(join)
            else:
                current = joins.join(self._resolver, current, self._right(join), join)
        return current if done is None else joins.cross(done, current)

    def _right(self, join: exp.Join) -> From:
        return self._joined(join.this, ())

    def _resolver(self, scope: Scope) -> Resolver:
        return Resolver(self.draft, scope, self.ctes)

    def _from(self, relation_and_item: tuple[Relation, Item]) -> From:
        relation, item = relation_and_item
        return From(relation, Scope([item], [], self.around))

    def _item(self, node: Expr) -> From:
        alias = node.args.get("alias")
        if isinstance(node, exp.Table):
            return self._from(table(self.draft, node, self.ctes))
        if isinstance(node, exp.Unnest):
            return self._from(function(self.draft, node, alias))
        if isinstance(node, exp.Values):
            rows = values(self.draft, node)
            return self._from((rows.relation, item_of(rows, alias, default="valueslist")))
        if not isinstance(node, exp.Subquery):
            raise Unsupported(Reason(ReasonCode.LATERAL_OR_TABLE_FUNCTION))
        only(node, _SUBQUERY)
        if isinstance(node.this, (exp.Table, exp.Subquery)) and node.this.args.get("joins"):
            return self._in_brackets(node, alias)
        if isinstance(node.this, (exp.Table, exp.Values)) and alias is None:
            return self._item(node.this)
        rows = self.draft.rows(node.this, self.ctes)
        return self._from((rows.relation, item_of(rows, alias)))

    def _in_brackets(self, node: exp.Subquery, alias: exp.TableAlias | None) -> From:
        """Build a join in brackets: with an alias it is one table, else its own are seen."""
        inner = self._joined(node.this, ())
        if alias is None:
            return inner
        columns = inner.scope.all()
        names = self.draft.fresh(len(columns))
        project = Project(inner.relation, names, tuple(value for _, value in columns))
        rows = Rows(project, tuple(name for name, _ in columns))
        made = self._from((project, item_of(rows, alias)))
        made.correlated = inner.correlated
        if made.correlated:
            raise too_complex("a join in brackets that uses columns of the query around")
        return made

    def _unnested(self, left: From, join: exp.Join) -> From:
        """Give one row for each element of a list of the rows on the left."""
        node = join.this
        if join.side or join.args.get("on") or join.args.get("using") or join.method:
            raise Unsupported(Reason(ReasonCode.LATERAL_OR_TABLE_FUNCTION))
        if len(node.expressions) != 1 or node.args.get("offset"):
            raise too_complex("unnest() of several lists")
        if left.correlated:
            raise too_complex("unnest() beside a join that uses columns of the query around")
        resolver = self._resolver(left.scope)
        value = resolver.resolve(node.expressions[0])
        if resolver.pending or resolver.outer:
            raise too_complex("unnest() of a subquery")
        call = canonical(exp.Explode(this=value))
        project, moved = self.draft.extended(left.relation, [call], expands=True)
        scope = left.scope.renamed(moved)
        scope.items.append(named(project.columns[-1:], node.args.get("alias"), "unnest"))
        return From(project, scope)
