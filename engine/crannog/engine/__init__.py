"""The door from Python: `from crannog.engine import connect`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which costs every start 5 ms to import
    from crannog.engine.result import Outcome as Outcome
    from crannog.engine.result import Result as Result
    from crannog.engine.session import Session as Session
    from crannog.engine.session import connect as connect

__all__ = ["Outcome", "Result", "Session", "connect"]
_HOMES = {"connect": "session", "Session": "session", "Result": "result", "Outcome": "result"}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that `crannog --help` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"crannog.engine.{_HOMES[name]}"), name)
