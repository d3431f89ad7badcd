"""Finds the verb, runs it, and turns whatever happens into an exit code."""

from __future__ import annotations

import os
import sys

from crannog.engine.cli.verbs import FLAG_OPTIONS, NOT_YET, VALUE_OPTIONS, VERBS, help_text
from crannog.errors import CrannogError, Interrupted, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which costs every start 5 ms to import
    from collections.abc import Sequence

_SHORT = {short: option for option, (short, _) in FLAG_OPTIONS.items() if short}
_NOTHING_PUBLISHED = "interrupted; nothing was published"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    json = _has(arguments, "--json")
    _settle_streams(json=json)
    try:
        code = _guarded(arguments, json=json)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except KeyboardInterrupt:  # one more, while the first was heard
        _hear_no_more()
        return Interrupted.exit_code
    except OSError as error:  # as of a full disk
        _silence_stdout()
        print(f"error: stdout: {(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    return code


def _guarded(arguments: list[str], *, json: bool) -> int:
    """Run; whatever is raised is told to the user, never as a traceback."""
    try:
        return _run(arguments)
    except BrokenPipeError:
        raise
    except CrannogError as error:
        if isinstance(error, Interrupted):
            _hear_no_more()
        return _tell(error, arguments, json=json)
    except KeyboardInterrupt:
        _hear_no_more()
        return _tell(Interrupted("interrupted", _NOTHING_PUBLISHED), arguments, json=json)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 (the last line before the user)
        if os.environ.get("CRANNOG_DEBUG"):
            import traceback

            traceback.print_exc()
        return _tell(_unexpected(error), arguments, json=json)


def _hear_no_more() -> None:
    """Take no further Ctrl-C: the program is ending already."""
    import signal
    from contextlib import suppress

    with suppress(ValueError):  # of a thread that is not the main one
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(arguments: list[str]) -> int:
    verb, rest = _split(arguments)
    if _has(arguments, "--version"):
        from crannog.engine.version import VERSION

        print(f'{{"version": "{VERSION}"}}' if _has(arguments, "--json") else f"crannog {VERSION}")
        return 0
    if verb is None:
        if rest and not _has(rest, "--help") and not _has(rest, "-h"):
            raise UsageError("usage", "no verb is given", hint="`crannog --help` lists them")
        print(help_text())
        return 0
    if verb not in VERBS:
        raise _unknown(verb)
    from importlib import import_module

    from crannog.engine.cli.options import parse

    module = import_module(f"crannog.engine.cli.{verb}")
    options = parse(verb, module.arguments, rest)
    return int(module.run(options))


def _split(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Find the verb: the first word that is no global option nor the value of one."""
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if word in VALUE_OPTIONS:
            at += 2
        elif word.startswith("-") and word != "-":
            if word.split("=")[0] not in (*VALUE_OPTIONS, *FLAG_OPTIONS, *_SHORT):
                raise _unknown_option(word)
            at += 1
        elif word == "help" and at + 1 < len(arguments):
            return arguments[at + 1], [*arguments[:at], *arguments[at + 2 :], "--help"]
        elif word == "help":
            return None, [*arguments[:at], "--help"]
        else:
            return word, [*arguments[:at], *arguments[at + 1 :]]
    return None, arguments


def _unknown(verb: str) -> UsageError:
    if verb in NOT_YET:
        return UsageError(
            "not_yet",
            f"`crannog {verb}` is not there yet: {NOT_YET[verb]}",
            hint="`crannog --help` lists what is",
        )
    from crannog.names import did_you_mean

    hint = did_you_mean(verb, VERBS) or "`crannog --help` lists the verbs"
    return UsageError("usage", f"unknown verb {verb!r}", hint=hint)


def _unknown_option(word: str) -> UsageError:
    from crannog.names import did_you_mean

    option = word.partition("=")[0]
    known = (*VALUE_OPTIONS, *FLAG_OPTIONS)
    hint = did_you_mean(option, known) or "options of a verb come after it"
    return UsageError("usage", f"unknown option {option!r}", hint=hint)


def _unexpected(error: BaseException) -> CrannogError:
    said = str(error).strip() or "no message"
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return CrannogError("io_error", f"{error.strerror.lower()}{where}")
    if isinstance(error, MemoryError):
        return CrannogError(
            "out_of_memory", "there was not enough memory", hint="set limits.memory lower"
        )
    return CrannogError(
        "internal_error",
        f"this is a bug: {type(error).__name__}: {said}",
        hint="set CRANNOG_DEBUG=1 to see where it comes from, and report it",
    )


def _tell(error: CrannogError, arguments: list[str], *, json: bool) -> int:
    from crannog.engine.cli.output import Output

    output = Output(json=json, color=not _has(arguments, "--no-color"))
    output.failure(error)
    return Interrupted.exit_code if error.code == "interrupted" else error.exit_code


def _has(arguments: list[str], option: str) -> bool:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return option in arguments[:end]


def _settle_streams(*, json: bool) -> None:
    """Let no character fail to print: file names may hold what no encoding has."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 (lives until the end)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            encoding = "utf-8" if json and stream is sys.stdout else None
            reconfigure(encoding=encoding, errors="backslashreplace")


def _silence_stdout() -> None:
    """Keep the interpreter from flushing into the broken pipe once more at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (lives until the end)
