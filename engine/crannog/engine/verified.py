"""What `verify` says about each model, as plain values with their JSON."""

from __future__ import annotations

from dataclasses import dataclass

from crannog.errors import CrannogError


@dataclass(frozen=True, slots=True)
class Verified:
    """Say whether one model's table is what its code makes of its inputs.

    Args:
        status: equal, different, not_deterministic (not even two rebuilds agree), not_verified
            (`because` says why) or failed.
        rows: how many rows of the table were compared.
        missing, extra: how many rows it has too few and too many.
        because: why it was not compared, or what to know of the comparison.
        inexact: columns in which values are equal within 1e-9.
        key: the columns by which rows were sampled.
        sampled: the share of the keys that was compared; None: all.
        sample: some of the rows that differ: `change` (missing or extra), `count`, `row`.
    """

    name: str
    status: str
    rows: int | None = None
    missing: int | None = None
    extra: int | None = None
    seconds: float = 0.0
    because: str | None = None
    inexact: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    sampled: float | None = None
    sample: tuple[dict[str, object], ...] = ()
    error: CrannogError | None = None
    file: str | None = None

    @property
    def equal(self) -> bool | None:
        """Whether both bags are equal; None: they were not compared."""
        return {"equal": True, "different": False}.get(self.status)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `verify --json`."""
        return {
            "name": self.name,
            "status": self.status,
            "equal": self.equal,
            "rows": self.rows,
            "missing": self.missing,
            "extra": self.extra,
            "seconds": round(self.seconds, 3),
            "because": self.because,
            "inexact": list(self.inexact),
            "key": list(self.key),
            "sampled": self.sampled,
            "sample": list(self.sample),
            "error": self.error.document() if self.error else None,
            "file": self.file,
        }

    @property
    def complaint(self) -> CrannogError | None:
        """The error that this is, if it is one."""
        if self.status != "different":
            return self.error
        found = [f"{self.missing:,} missing" if self.missing else ""]
        found.append(f"{self.extra:,} too many" if self.extra else "")
        told = " and ".join(each for each in found if each)
        return CrannogError(
            "not_equal",
            f"{self.name} is not what a rebuild gives: {told} of {self.rows or 0:,} rows",
            hint=f"`crannog build {self.name} --full` makes it anew; please report the model",
            file=self.file,
            line=1 if self.file else None,
        )


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Hold what `verify` found.

    Args:
        commit: the commit whose tables were looked at.
    """

    lake: str
    branch: str
    commit: str
    models: tuple[Verified, ...]

    @property
    def errors(self) -> tuple[CrannogError, ...]:
        """What is wrong, in the order of the models."""
        return tuple(error for each in self.models if (error := each.complaint) is not None)

    @property
    def summary(self) -> str:
        """The last line that is printed."""
        equal = sum(each.status == "equal" for each in self.models)
        wrong = sum(each.status in ("different", "failed") for each in self.models)
        left = len(self.models) - equal - wrong
        more = f", {left} not compared" if left else ""
        return f"{equal} equal, {wrong} not{more}"

    def raise_errors(self) -> None:
        """Raise the first error with this document as its result, if there is one."""
        for error in self.errors:
            error.result = self.to_dict()
            raise error

    def to_dict(self) -> dict[str, object]:
        """Return the document of `verify --json`."""
        document: dict[str, object] = {
            "lake": self.lake,
            "branch": self.branch,
            "commit": self.commit,
            "models": [each.to_dict() for each in self.models],
        }
        if self.errors:
            document["error"] = self.errors[0].document()
            document["errors"] = [error.document() for error in self.errors]
        return document
