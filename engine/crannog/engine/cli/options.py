"""The options that all verbs share, and what they say about project and settings."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from crannog.engine.cli.verbs import FLAG_OPTIONS, VALUE_OPTIONS, VERBS
from crannog.errors import UsageError
from crannog.names import did_you_mean

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.engine.config import Settings
    from crannog.engine.project import Project
    from crannog.engine.session import Session

_UNKNOWN = re.compile(r"unrecognized arguments: (.+)")
_CHOICE = re.compile(r"argument ([^:]+): invalid choice: '?(.*?)'? \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """Parse one verb's arguments; what is wrong is raised as UsageError, with a hint."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse has to say."""
        hint = f"`{self.prog} --help` shows what it takes"
        if found := _UNKNOWN.match(message):
            words = found[1].split()
            word = next((one for one in words if one.startswith("-")), words[0]).split("=")[0]
            if word.startswith("-"):
                known = (option for action in self._actions for option in action.option_strings)
                message = f"unknown option {word!r}"
                hint = did_you_mean(word, known) or hint
            else:
                message = f"{word!r} is one argument too many"
        elif found := _CHOICE.match(message):
            choices = re.findall(r"[\w-]+", found[3])
            message = f"{found[1]} may not be {found[2]!r}"
            hint = did_you_mean(found[2], choices) or f"one of {', '.join(choices)}"
        raise UsageError("usage", message, hint=hint)


def parse(
    verb: str, arguments: Callable[[argparse.ArgumentParser], None], words: list[str]
) -> argparse.Namespace:
    """Parse the words around a verb; global options may stand anywhere."""
    parser = parser_for(verb, arguments)
    options = parser.parse_intermixed_args(words)
    options.verb = verb
    return options


def parser_for(verb: str, arguments: Callable[[argparse.ArgumentParser], None]) -> Parser:
    """Return the parser of one verb."""
    parser = Parser(
        prog=f"crannog {verb}",
        usage=f"crannog {verb} [options] {VERBS[verb][0]}".rstrip(),
        description=f"{VERBS[verb][1][:1].upper()}{VERBS[verb][1][1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    arguments(parser)
    shared = parser.add_argument_group("options of every verb")
    for option, (value, says) in VALUE_OPTIONS.items():
        many = "append" if option == "--var" else "store"
        shared.add_argument(option, metavar=value, help=says, action=many)
    for option, (short, says) in FLAG_OPTIONS.items():
        names = [short, option] if short else [option]
        if option == "--help":
            shared.add_argument(*names, action="help", help="print this help")
        elif option != "--version":
            shared.add_argument(*names, action="store_true", help=says)
    return parser


def project_of(options: argparse.Namespace) -> Project | None:
    """Return the project that the options or the folder name, if there is one."""
    from crannog.engine.project import load_project, open_project

    folder = options.project or os.environ.get("CRANNOG_PROJECT")
    return open_project(Path(folder)) if folder else load_project()


def required_project(options: argparse.Namespace) -> Project:
    """Return the project, or raise for a verb that needs one."""
    project = project_of(options)
    if project is None:
        raise UsageError(
            "no_project",
            f"`crannog {options.verb}` needs a project, and no folder above has a crannog.toml",
            hint="`crannog init` makes one; --project DIR names one",
        )
    return project


def settings_of(options: argparse.Namespace, project: Project | None) -> Settings:
    """Return the settings: flag > environment > profile > file > default."""
    from crannog.engine.config import Flags, load_settings

    return load_settings(
        project,
        Flags(
            lake=options.lake,
            branch=options.branch,
            at=options.at,
            profile=options.profile,
            var_texts=dict(pairs("--var", options.var)),
            threads=getattr(options, "threads", None),
        ),
    )


def refuse_at(options: argparse.Namespace) -> None:
    """Raise for a verb that writes: the past cannot be written."""
    if options.at is not None:
        raise UsageError(
            "read_only",
            f"`crannog {options.verb}` writes, and --at makes everything read-only",
            hint="leave --at out; `crannog branch create NAME REF` makes the past writable",
        )


def pairs(option: str, texts: Iterable[str] | None) -> list[tuple[str, str]]:
    """Split `NAME=VALUE` texts of an option that may be repeated."""
    found = []
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError("usage", f"{option} {text!r} has no name and value",
                             hint=f"write {option} NAME=VALUE")  # fmt: skip
        found.append((name.strip(), value))
    return found


def count(text: str) -> int:
    """Read a whole number from 1 (for argparse)."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def lake_of(settings: Settings) -> Lake:
    """Open the lake that the settings name; DuckDB is not needed for what the catalog knows."""
    from crannog.catalog.lake import Lake
    from crannog.catalog.stores import open_store

    return Lake.open(open_store(settings.required_lake, settings.storage))


def commit_of(lake: Lake, settings: Settings) -> Commit:
    """Return the commit to look at: `--at`, else the branch's head."""
    if settings.at is not None:
        return lake.resolve(settings.at, branch=settings.branch)
    return lake.head(settings.branch).commit


def session_of(options: argparse.Namespace) -> Session:
    """Open the session that the options name."""
    from crannog.engine.session import Session

    project = project_of(options)
    settings = settings_of(options, project)
    return Session(settings, project=project)
