"""Which tests must run again: those of whose tables one has moved since they last passed.

Tests of a table's own rows run when the model runs. All others rest on tables that can move while
the model stays: test files, tests that point at other tables, and all tests of views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from crannog.engine.checks import header_checks
from crannog.engine.facts import TestSpec
from crannog.engine.inputs import through_views
from crannog.engine.manifest import InputRef, Tested

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node


class Retest:
    """Compare what tests read now with what they read when they last passed.

    Args:
        staged: what the build has made so far.
    """

    def __init__(self, compiled: Compiled, staged: Mapping[str, Pin]) -> None:
        self.compiled = compiled
        self.staged = staged
        self._state = compiled.ground.state
        self._tested = compiled.ground.manifest.tested

    def due(self, path: str, keys: Iterable[str]) -> bool:
        """Whether the tests of a file that read these tables have other rows to look at."""
        now = self.refs(keys)
        kept = self._tested.get(path)
        if now is None:
            return False
        return kept is None or {k: _rows(r) for k, r in kept.inputs.items()} != {
            k: _rows(r) for k, r in now.items()
        }

    def refs(self, keys: Iterable[str]) -> dict[str, InputRef] | None:
        """Return at which versions these tables, and those below views, are; None: not yet made."""
        found: dict[str, InputRef] = {}
        wanted = tuple(keys)
        if not all(self._is_there(key) for key in wanted):
            return None
        for key in through_views(wanted, self.compiled.view_inputs):
            pin, entry = self.staged.get(key), self._state.tables.get(key)
            if self.compiled.is_view(key):
                continue
            if pin is not None:
                found[key] = InputRef(pin.id, pin.version, pin.uuid, "")
            elif entry is not None:
                found[key] = InputRef(entry.id, entry.version, entry.uuid, "")
            else:
                return None
        return found

    def beyond(self, node: Node) -> tuple[str, ...]:
        """Return the tables that a model's tests read besides the rows that it makes itself."""
        facts = node.facts
        if node.kind != "view" and not any(map(_reads_others, (*facts.tests, *facts.warn))):
            return ()
        checks = header_checks(self.compiled.ground, facts, None)
        keys = dict.fromkeys(key for check in checks for key in check.keys)
        if node.kind != "view":
            keys.pop(node.key, None)
        return tuple(keys)

    def node_due(self, node: Node) -> bool:
        """Whether a model that stays as it is must be tested all the same."""
        keys = self.beyond(node)
        return bool(keys) and self.due(node.facts.path, keys)

    def any_due(self) -> bool:
        """Whether a test must run though no model does."""
        if not self.compiled.ground.manifest.items:
            return False
        files = ((test.file.path, test.keys) for test in self.compiled.outline.tests)
        return any(path in self._tested and self.due(path, keys) for path, keys in files) or any(
            self.node_due(node) for node in self.compiled.nodes.values()
        )

    def passed(self, paths: Iterable[str], nodes: Iterable[Node]) -> dict[str, Tested]:
        """Return what to note of test files that pass and of models whose tests do."""
        wanted = set(paths)
        found: dict[str, Tested] = {}
        for test in self.compiled.outline.tests:
            refs = self.refs(test.keys) if test.file.path in wanted else None
            if refs is not None:
                found[test.file.path] = Tested(refs, dict(test.names))
        for node in nodes:
            keys = self.beyond(node)
            refs = self.refs(keys) if keys else None
            if refs is not None:
                found[node.facts.path] = Tested(refs)
        return found

    def _is_there(self, key: str) -> bool:
        return key in self._state.tables or key in self.staged


def _reads_others(test: TestSpec) -> bool:
    """Whether a test may read another table; a look at its words spares compiling it."""
    folded = test.text.lower()
    return any(word in folded for word in ("relationships", "select", "from", "table", "values"))


def _rows(ref: InputRef) -> tuple[str, int | None, str | None]:
    return ref.id, ref.version, ref.uuid
