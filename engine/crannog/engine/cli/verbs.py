"""The verbs, as a static table, so that asking for help imports none of them."""

from __future__ import annotations

VERBS: dict[str, tuple[str, str]] = {
    "init": ("[DIR]", "make a project that builds as it stands"),
    "load": ("TABLE PATH...", "load files into a table, each exactly once"),
    "adopt": ("TABLE [URL]", "use a Delta table that another tool writes, in place"),
    "plan": ("[SELECT...]", "say what a build would do, and why; writes nothing"),
    "build": ("[SELECT...]", "build models, test them, publish them as one commit"),
    "test": ("[SELECT...]", "run the tests on what is published"),
    "explain": ("MODEL", "say how a build would refresh a model, and why so"),
    "verify": ("[SELECT...]", "rebuild models from their recorded inputs, and compare"),
    "sql": ("[QUERY]", "run SQL: an argument, a file (-f) or stdin"),
    "log": ("[TABLE]", "list commits, newest first"),
    "show": ("REF", "show one commit"),
    "diff": ("A B [TABLE]", "say what differs between two commits: tables, columns, rows"),
    "tables": ("", "list tables"),
    "describe": ("TABLE", "show one table: columns, version, location"),
    "branch": ("[create|delete|list]", "create, delete or list branches"),
    "tag": ("[create|delete|list]", "create, delete or list tags"),
    "merge": ("NAME", "bring another branch into this one, table by table"),
    "revert": ("REF", "undo one commit by a new one"),
    "export": ("PATH [TABLE...]", "write tables or a query to files elsewhere"),
    "doctor": ("[--repair]", "see whether a lake is sound, and mend what can be mended"),
    "settings": ("", "print each setting and where it came from"),
    "demo": ("[DIR]", "build a lake from the history of a git clone"),
}

NOT_YET: dict[str, str] = {
    "impact": "asking what a change of a column breaks",
    "lineage": "column lineage",
    "shell": "the interactive shell (`crannog sql QUERY` runs SQL)",
}

VALUE_OPTIONS: dict[str, tuple[str, str]] = {
    "--project": ("DIR", "the project (default: the nearest parent with a crannog.toml)"),
    "--profile": ("NAME", "use [profiles.NAME] of crannog.toml"),
    "--lake": ("URL", "the lake: a path or s3://, az://, gs://"),
    "--branch": ("NAME", "the branch to read and write (default: main)"),
    "--at": ("REF", "read the lake as it was: a branch, tag, commit, REF~N or REF@{TIME}"),
    "--var": ("NAME=VALUE", "set a variable, read in SQL as getvariable('NAME')"),
}

FLAG_OPTIONS: dict[str, tuple[str | None, str]] = {
    "--json": (None, "print one JSON document on stdout, also on failure"),
    "--quiet": ("-q", "no progress and no remarks on stderr"),
    "--verbose": ("-v", "say more"),
    "--no-color": (None, "no colours (also: NO_COLOR)"),
    "--version": (None, "print the version"),
    "--help": ("-h", "print help; `crannog VERB --help` for one verb"),
}

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong use, 3 a test failed, 4 conflict,\n"
    "            5 --check found changes, 130 interrupted"
)


def help_text() -> str:
    """Return what `crannog --help` prints."""
    lines = [
        "usage: crannog [options] VERB ...",
        "",
        "Versioned tables on plain Delta, built by SQL.",
        "",
        "verbs:",
    ]
    lines += [f"  {f'{verb} {usage}':<30} {says}" for verb, (usage, says) in VERBS.items()]
    lines += ["", "options, before or after the verb:"]
    for option, (value, says) in VALUE_OPTIONS.items():
        lines.append(f"  {f'{option} {value}':<30} {says}")
    for option, (short, says) in FLAG_OPTIONS.items():
        shown = f"{short}, {option}" if short else option
        lines.append(f"  {shown:<30} {says}")
    lines += ["", EXIT_CODES]
    return "\n".join(lines)
