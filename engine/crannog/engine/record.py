"""Keeps in the lake what a build did, whether or not it published anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.engine.ground import Ground
    from crannog.engine.steps import BuildResult


@dataclass(frozen=True, slots=True)
class Record:
    """Hold what is known of a run when it begins."""

    ground: Ground
    id: str
    user: str
    started: datetime

    def keep(self, result: BuildResult) -> None:
        """Keep the record; a build does not fail because its record can't be written."""
        from crannog.catalog.commit import time_text
        from crannog.catalog.runs import put_run

        lake = self.ground.lake
        if lake is None:
            return
        error = result.error
        record: dict[str, object] = {
            "id": self.id,
            "cause": "build",
            "started": time_text(self.started),
            "ended": time_text(datetime.now(UTC)),
            "status": "failed" if error is not None else "ok",
            "project": self.ground.project,
            "branch": self.ground.branch,
            "user": self.user,
            "commit": result.commit,
            "error": error.message if error is not None else None,
            "errors": [each.document() for each in result.errors],
            "models": [model.to_dict() for model in result.models],
            "tests": [test.to_dict() for test in result.tests],
        }
        try:
            put_run(lake, record)
        except CrannogError as failure:
            if lake.notice is not None:
                lake.notice(f"the record of run {self.id} could not be kept: {failure.message}")
