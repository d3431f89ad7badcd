"""What a plan, a build and a test run say about each model, as plain values with their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crannog.errors import ConflictError, CrannogError, Interrupted, TestsFailed, UsageError

TO_DO = frozenset(
    {"create", "rebuild", "append", "merge", "replace", "staging", "rename", "delete"}
)


@dataclass(frozen=True, slots=True)
class InputChange:
    """Say between which versions one input moved, and by how many rows."""

    name: str
    old: int | None
    new: int | None
    rows_added: int | None = None
    rows_removed: int | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `plan --json`."""
        return {
            "name": self.name,
            "from": self.old,
            "to": self.new,
            "rows_added": self.rows_added,
            "rows_removed": self.rows_removed,
        }


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Say what a build would do with one model, and why.

    Args:
        action: create, rebuild, append, merge, replace, staging, skip, orphan, rename or delete.
        because: a sentence for a person; for a rebuild it starts with its reason code.
        strategy: the rule that was chosen.
        rows: rows that would be written, where that is known.
        estimate: seconds, from the last build of this model.
        text_changed: whether a build would keep a new text, and run its tests.
    """

    name: str
    kind: str
    action: str
    because: str
    reason: str | None = None
    strategy: str | None = None
    key: tuple[str, ...] = ()
    inputs: tuple[InputChange, ...] = ()
    affected_keys: int | None = None
    rows: int | None = None
    estimate: float | None = None
    file: str | None = None
    text_changed: bool = False

    @property
    def to_do(self) -> bool:
        """Whether a build would write anything for this model."""
        return self.action in TO_DO

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `plan --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "action": self.action,
            "because": self.because,
            "reason": self.reason,
            "strategy": self.strategy,
            "key": list(self.key),
            "inputs": [change.to_dict() for change in self.inputs],
            "affected_keys": self.affected_keys,
            "rows": self.rows,
            "estimate": self.estimate,
            "file": self.file,
            "text_changed": self.text_changed,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold what a build would do; nothing has been written.

    Args:
        commit: the commit that was looked at, or None where there is no lake yet.
        models: every selected model in the order of its inputs.
        errors: what is wrong with the project's files; then `models` is empty.
    """

    lake: str
    branch: str
    commit: str | None
    models: tuple[ModelPlan, ...]
    errors: tuple[CrannogError, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def to_do(self) -> int:
        """How many models a build would write."""
        return sum(model.to_do for model in self.models)

    @property
    def changes(self) -> bool:
        """Whether a build would publish anything, be it only a new text."""
        return any(model.to_do or model.text_changed for model in self.models)

    @property
    def summary(self) -> str:
        """The last line of the printed plan."""
        unchanged = sum(model.action == "skip" for model in self.models)
        orphans = sum(model.action == "orphan" for model in self.models)
        extra = f", {orphans} without a file" if orphans else ""
        return f"{self.to_do} to do, {unchanged} unchanged{extra}. Nothing has been written."

    def raise_errors(self) -> None:
        """Raise the first error with this document as its result, if there is one."""
        _raise(self.errors, self.to_dict())

    def to_dict(self) -> dict[str, object]:
        """Return the document of `plan --json`."""
        document: dict[str, object] = {
            "lake": self.lake,
            "branch": self.branch,
            "commit": self.commit,
            "to_do": self.to_do,
            "models": [model.to_dict() for model in self.models],
            "warnings": list(self.warnings),
        }
        return _with_errors(document, self.errors)


@dataclass(frozen=True, slots=True)
class TestResult:
    """Say what one data test found.

    Args:
        status: passed, failed, warned (a `warn` that found rows) or error.
        failing_rows: how many rows must not exist, where that is known.
        kept: address in the lake of the failing rows (up to 1,000).
        sample: up to five failing rows, as printable text.
    """

    __test__ = False

    model: str
    test: str
    status: str
    failing_rows: int | None = 0
    kept: str | None = None
    file: str | None = None
    line: int | None = None
    columns: tuple[str, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()
    error: CrannogError | None = None

    @property
    def ok(self) -> bool:
        """Whether this result blocks nothing."""
        return self.status in ("passed", "warned")

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `test --json`."""
        return {
            "model": self.model,
            "test": self.test,
            "status": self.status,
            "failing_rows": self.failing_rows,
            "kept": self.kept,
            "file": self.file,
            "line": self.line,
            "error": self.error.document() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class TestsResult:
    """Hold what `crannog test` found."""

    __test__ = False

    commit: str | None
    tests: tuple[TestResult, ...]
    errors: tuple[CrannogError, ...] = ()

    @property
    def summary(self) -> str:
        """The last line that is printed."""
        passed = sum(test.status == "passed" for test in self.tests)
        warned = sum(test.status == "warned" for test in self.tests)
        failed = len(self.tests) - passed - warned
        warnings = f", {warned} warned" if warned else ""
        return f"{passed} passed, {failed} failed{warnings}"

    def raise_errors(self) -> None:
        """Raise the first error with this document as its result, if there is one."""
        _raise(self.errors, self.to_dict())

    def to_dict(self) -> dict[str, object]:
        """Return the document of `test --json`."""
        document: dict[str, object] = {
            "commit": self.commit,
            "tests": [test.to_dict() for test in self.tests],
        }
        return _with_errors(document, self.errors)


@dataclass(frozen=True, slots=True)
class ModelResult:
    """Say what a build did with one model.

    Args:
        status: ok, unchanged, failed or blocked.
        key: columns by which rows were replaced.
        estimate: the numbers that the choice rested on, and what came of them.
        tests: what its tests found, those that ran.
    """

    name: str
    kind: str
    status: str
    action: str
    because: str
    reason: str | None = None
    strategy: str | None = None
    key: tuple[str, ...] = ()
    affected_keys: int | None = None
    estimate: Mapping[str, object] = field(default_factory=dict)
    inputs: tuple[InputChange, ...] = ()
    rows_in: int | None = None
    rows_added: int | None = None
    rows_removed: int | None = None
    rows: int | None = None
    seconds: float = 0.0
    rebuild_seconds: float | None = None
    tests: tuple[TestResult, ...] = ()
    error: CrannogError | None = None
    file: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `build --json`."""
        passed = sum(test.ok for test in self.tests)
        return {
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "action": self.action,
            "because": self.because,
            "reason": self.reason,
            "strategy": self.strategy,
            "key": list(self.key),
            "affected_keys": self.affected_keys,
            "estimate": dict(self.estimate),
            "inputs": [change.to_dict() for change in self.inputs],
            "rows_in": self.rows_in,
            "rows_added": self.rows_added,
            "rows_removed": self.rows_removed,
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "rebuild_seconds": self.rebuild_seconds,
            "tests": {"passed": passed, "failed": len(self.tests) - passed},
            "error": self.error.document() if self.error else None,
            "file": self.file,
        }


@dataclass(frozen=True, slots=True)
class BuildResult:
    """Hold what a build did.

    Args:
        commit: the commit that it published, or None.
        previous: the head that it stands on, or None for the first commit of a lake.
        errors: all of them, the most important first; empty if all went well.
        texts: models whose text or header changed without a change of meaning.
        tests: of loaded tables and of files of `tests/`; those of models are with the models.
    """

    lake: str
    branch: str
    commit: str | None
    previous: str | None
    models: tuple[ModelResult, ...]
    errors: tuple[CrannogError, ...] = ()
    warnings: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    run: str | None = None
    seconds: float = 0.0
    tests: tuple[TestResult, ...] = ()

    @property
    def headline(self) -> str:
        """The line that a build ends with."""
        if self.commit is not None:
            old = self.previous[:7] if self.previous else "(new)"
            new = self.commit[:7]
            there = "" if self.branch == "main" else f" --branch {self.branch}"
            return f"committed {self.branch} {old} -> {new}   undo: crannog revert {new}{there}"
        at = f" @ {self.previous[:7]}" if self.previous else ""
        if self.errors:
            return f"nothing was published: {self.branch}{at} is as it was"
        count = sum(model.status == "unchanged" for model in self.models)
        models = "1 model" if count == 1 else f"{count} models"
        return f"nothing to do: {models} unchanged on {self.branch}{at}"

    @property
    def error(self) -> CrannogError | None:
        """The most important error."""
        return self.errors[0] if self.errors else None

    def raise_errors(self) -> None:
        """Raise the first error with this document as its result, if there is one."""
        _raise(self.errors, self.to_dict())

    def to_dict(self) -> dict[str, object]:
        """Return the document of `build --json`."""
        document: dict[str, object] = {
            "lake": self.lake,
            "branch": self.branch,
            "commit": self.commit,
            "previous": self.previous,
            "run": self.run,
            "seconds": round(self.seconds, 3),
            "texts": list(self.texts),
            "models": [model.to_dict() for model in self.models],
            "tests": [test.to_dict() for test in self.tests],
            "warnings": list(self.warnings),
        }
        return _with_errors(document, self.errors)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Hold the flags of `crannog build`."""

    full: bool = False
    forget_history: bool = False
    publish_partial: bool = False
    prune: bool = False
    wait: bool = True
    verify: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Hold what was asked for on the command line; nothing means all."""

    include: tuple[str, ...] = field(default=())
    exclude: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> Selection:
        """Return what was asked for in Python, where a list is easily passed for a text."""
        if isinstance(exclude, str):
            exclude = (exclude,)
        given: list[object] = [*include, *exclude]
        wrong = next((each for each in given if not isinstance(each, str)), None)
        if wrong is not None:
            raise UsageError(
                "unknown_selection",
                f"{wrong!r}: a selection is a text, not {type(wrong).__name__}",
                hint='give several as plan("a", "b"), or plan(*names)',
            )
        return cls(tuple(include), tuple(exclude))

    @property
    def everything(self) -> bool:
        """Whether no model is left out."""
        return not self.include and not self.exclude


def by_importance(errors: Iterable[CrannogError]) -> tuple[CrannogError, ...]:
    """Sort errors so that the one that decides the exit code comes first: 130, 2, 4, 1, 3."""
    order: tuple[type[CrannogError], ...] = (Interrupted, UsageError, ConflictError)

    def rank(error: CrannogError) -> int:
        for place, kind in enumerate(order):
            if isinstance(error, kind):
                return place
        return len(order) + isinstance(error, TestsFailed)

    return tuple(sorted(errors, key=rank))


def _with_errors(
    document: dict[str, object], errors: tuple[CrannogError, ...]
) -> dict[str, object]:
    if errors:
        document["error"] = errors[0].document()
        document["errors"] = [error.document() for error in errors]
    return document


def _raise(errors: tuple[CrannogError, ...], document: dict[str, object]) -> None:
    if errors:
        errors[0].result = document
        raise errors[0]
