"""`crannog branch`: create, delete or list branches."""

from __future__ import annotations

import argparse

from crannog.engine.cli.refs import ref_arguments, run_refs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take an action, a name and a ref."""
    ref_arguments(parser, "branch")


def run(options: argparse.Namespace) -> int:
    """Create, delete or list."""
    return run_refs(options, "branch")
