"""Builds the models of a project, tests them, and publishes them as one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.events import Listener
from crannog.engine.plan import ignore
from crannog.engine.steps import BuildOptions, BuildResult, Selection, TestsResult

if TYPE_CHECKING:
    from crannog.engine.config import Settings
    from crannog.engine.project import Project


def build(
    project: Project,
    settings: Settings,
    selection: Selection = Selection(),
    options: BuildOptions = BuildOptions(),
    *,
    listener: Listener = ignore,
) -> BuildResult:
    """Do what the plan says; everything that went wrong is in `BuildResult.errors`.

    The exit code is that of `BuildResult.error`; `raise_errors()` raises it with the document.
    """
    raise NotImplementedError


def run_tests(
    project: Project,
    settings: Settings,
    selection: Selection = Selection(),
    *,
    listener: Listener = ignore,
) -> TestsResult:
    """Run the tests on what is published (or on `settings.at`)."""
    raise NotImplementedError
