"""Break the rules of a refresh one by one, and see the fuzzer notice: python -m fuzz.mutations.

Each breaks one rule by changing a word of the program, in this process alone.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType

from fuzz.harness import Harness
from fuzz.many import aside

ENGINE, RULES = "crannog.engine.incremental.", "crannog.sql.refresh."


@dataclass(frozen=True)
class Mutation:
    """Hold one way to break a rule.

    Args:
        trap: the number in the list of traps.
        where: the module and the function in it.
        old, new: what is replaced in the function's text.
        style: of the queries that the rule is for.
        plan: the kind of plan that uses it; None: the engine's own.
    """

    name: str
    trap: int
    where: str
    old: str
    new: str
    style: str = "keyed"
    plan: str | None = "replace"

    def function(self) -> FunctionType:
        """Return the function that is changed."""
        module, path = self.where.split(":")
        found: object = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
        assert isinstance(found, FunctionType), self.where
        return found

    def code(self) -> str:
        """Return the text of the changed function."""
        text = textwrap.dedent(inspect.getsource(self.function()))
        assert self.old in text, f"{self.name}: {self.where} has no {self.old!r}"
        return text.replace(self.old, self.new)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run with the rule broken."""
        function = self.function()
        before, made = function.__code__, dict(function.__globals__)
        exec("from __future__ import annotations\n" + self.code(), made)
        function.__code__ = made[function.__name__].__code__
        try:
            yield
        finally:
            function.__code__ = before


SAFE, EQUAL = "IS NOT DISTINCT FROM", "="
MUTATIONS = [
    Mutation(
        "NULL keys are lost where inputs are restricted",
        1,
        ENGINE + "steps:_same",
        '"IS NOT DISTINCT FROM" if match.null_safe and found.nulls else "="',
        '"="',
    ),
    Mutation(
        "NULL keys are lost in the final filter", 1, ENGINE + "replace:rows_of_keys", SAFE, EQUAL
    ),
    Mutation(
        "old rows of NULL keys stay",
        1,
        ENGINE + "job:Job._matching",
        '"IS NOT DISTINCT FROM" if values.nulls else "="',
        '"="',
    ),
    Mutation(
        "a stored group of NULL is not found",
        1,
        ENGINE + "merge:_apply",
        SAFE,
        EQUAL,
        "merge",
        "merge",
    ),
    Mutation(
        "a range of values leaves out NULL",
        1,
        ENGINE + "ranges:condition",
        "nulls = null_safe and found.nulls",
        "nulls = False",
    ),
    Mutation(
        "rows that differ are compared as sets",
        2,
        RULES + "affected:Affected.differing",
        "EXCEPT ALL",
        "EXCEPT",
        "wild",
    ),
    Mutation(
        "of equal rows that come one is added",
        2,
        ENGINE + "net:_added",
        "unnest(range({_COUNT}))",
        "unnest(range(1))",
        "linear",
        "linear",
    ),
    Mutation(
        "all equal rows go where one does",
        2,
        ENGINE + "net:_taken",
        "<= -n.{_COUNT}",
        "<= 1000",
        "linear",
        "linear",
    ),
    Mutation(
        "a product reads old and new tables the wrong way round",
        3,
        ENGINE + "signed:_rows_at",
        'if before or name not in job.changed else "old"',
        'if not before or name not in job.changed else "old"',
        "linear",
        "linear",
    ),
    Mutation(
        "a product reads every table as it is now",
        3,
        ENGINE + "signed:_rows_at",
        '"new" if before or name not in job.changed else "old"',
        '"new"',
        "linear",
        "linear",
    ),
    Mutation(
        "changed rows meet only the rows that are there now",
        3,
        RULES + "reading:Reading.possible",
        '"both"',
        '"new"',
    ),
    Mutation(
        "the group that a row leaves is forgotten",
        4,
        RULES + "reading:Reading.changes",
        '("plus", "minus")',
        '("plus",)',
    ),
    Mutation(
        "the sum of NULLs is 0",
        5,
        RULES + "merge_numbers:_sum",
        "CASE WHEN {at[count]} > 0 THEN {at[total]} END",
        "{at[total]}",
        "merge",
        "merge",
    ),
    Mutation(
        "count(x) counts NULL",
        5,
        RULES + "merge_numbers:Numbers.count",
        "_one_if(there)",
        "exp.Literal.number(1)",
        "merge",
        "merge",
    ),
    Mutation(
        "a group stays without rows",
        4,
        ENGINE + "merge:_checked",
        "if not empty or not keys:",
        "if True:",
        "merge",
        "merge",
    ),
    Mutation(
        "aggregates over no rows give no row",
        6,
        RULES + "merge:State.top",
        "if not self.source.keys and self.source.sets is None:",
        "if False:",
        "global",
        "merge",
    ),
    Mutation(
        "a left join is not asked again as its right side changes",
        7,
        RULES + "affected_joins:outer_rows",
        "union((affected.rows(node.left, targets), _partners(affected, node, targets)))",
        "affected.rows(node.left, targets)",
    ),
    Mutation(
        "a subquery is not asked again as its rows change",
        8,
        RULES + "affected_subqueries:attach_rows",
        "*_by_right(affected, node, targets)",
        "",
    ),
    Mutation(
        "NOT IN sees only the values that it asks for",
        8,
        RULES + "pushing:Locality.needed",
        "len(pairs) == 1 and self.never_in_doubt(node)",
        "True",
    ),
    Mutation(
        "NULL among the values of NOT IN reaches nobody",
        8,
        RULES + "affected_subqueries:_in",
        "if not never_null(node.right, value):",
        "if False:",
    ),
    Mutation(
        "WHERE on the right of a left join stands below it",
        9,
        RULES + "sunk:_Sink._left",
        "self.placed(node.right, right_only)",
        "self.placed(node.right, right_only + "
        "[each for each in where if within(each, node.right.columns)])",
    ),
    Mutation(
        "ON of the left alone stands below a left join",
        9,
        RULES + "sunk:_Sink._left",
        "self.placed(node.left, low)",
        "self.placed(node.left, [*low, *(o for o in own if within(o, node.left.columns))])",
        "wild",
    ),
    Mutation(
        "a column of the right is a key of a left join",
        10,
        RULES + "pushing:Locality._of_side",
        "    if at == 0:\n",
        "    if expression is None:\n        return part.expression if at else None\n"
        "    if at == 0:\n",
    ),
    Mutation(
        "any column is a key of a window",
        10,
        RULES + "pushing:Locality._local",
        "for name in node.partition",
        "for name in node.child.columns",
    ),
    Mutation(
        "any column is a key of DISTINCT ON",
        11,
        RULES + "pushing:Locality._local",
        "node.columns if node.on is None else node.on",
        "node.columns",
    ),
    Mutation(
        "the keys of ROLLUP are all there in each of its rows",
        11,
        RULES + "sunk:common_keys",
        ".intersection(*(node.sets or ()))",
        "",
        "wild",
    ),
    Mutation(
        "HAVING is left out over stored groups",
        11,
        RULES + "staging:Stages._merged_below",
        "found if n is node else None)",
        "found if n is node else n.child if isinstance(n, Filter) and n.child is node else None)",
        "merge",
        "merge",
    ),
    Mutation(
        "a window changes only in the rows that change",
        12,
        RULES + "affected:Affected._of_several",
        "for name in node.partition}",
        "for name in node.child.columns}",
    ),
    Mutation(
        "what a full join makes of either side is a key",
        10,
        RULES + "pushing:full_key",
        "            continue\n        if within",
        "            pass\n        if within",
        "wild",
    ),
    Mutation(
        "a table that is read twice is restricted by its first place",
        16,
        RULES + "restricting:Restricting._restrict",
        "tuple(joins[1:])",
        "()",
        "wild",
    ),
    Mutation(
        "a subquery that is joined with itself is linear",
        16,
        RULES + "signed:linear",
        "if len(set(places)) < len(places):",
        "if False:",
        "linear",
        "linear",
    ),
    Mutation(
        "only the first part of UNION, EXCEPT and INTERSECT changes",
        2,
        RULES + "affected:Affected._branches",
        "for child in children(node):",
        "for child in children(node)[:1]:",
        "wild",
    ),
]


@dataclass(frozen=True)
class Caught:
    """Hold after how many cases a mutation was noticed, and by what; None: it was not."""

    cases: int
    how: str | None


def hunt(mutation: Mutation, cases: int, seed: str = "1") -> Caught:
    """Run scenarios of the kind that a mutation is for until something is wrong."""
    harness = Harness((mutation.plan,))
    number = 0
    while harness.tally.total < cases:
        scenario = harness.fresh(f"{seed}:{number}", mutation.style)
        number += 1
        if scenario is None:
            continue
        with mutation.applied():
            failures = harness.run(scenario)
        # What goes wrong anyway proves nothing.
        if failures and not harness.run(scenario):
            return Caught(harness.tally.total, f"{failures[0].kind}, {failures[0].how}"[:100])
    return Caught(harness.tally.total, None)


def main() -> int:
    """Break each rule in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="that are run for each at most")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="run those whose name has this")
    given = parser.parse_args()
    missed = 0
    for mutation in MUTATIONS:
        if given.only not in mutation.name:
            continue
        found = aside(lambda mutation=mutation: hunt(mutation, given.cases, given.seed))
        missed += found.how is None
        told = f"caught after {found.cases} cases: {found.how}" if found.how else "NOT CAUGHT"
        sys.stdout.write(f"trap {mutation.trap:2}  {mutation.name}: {told}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{missed} of {len(MUTATIONS)} were not caught\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
