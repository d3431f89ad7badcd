"""Say that a query has no relation that is surely its own."""

from __future__ import annotations

from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported

__all__ = ["Unsupported", "too_complex"]


def too_complex(detail: str) -> Unsupported:
    """Return what is raised of a construct that is not represented."""
    return Unsupported(Reason(ReasonCode.TOO_COMPLEX, detail))
