"""docs/cli.md says what `--help` says."""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from pathlib import Path

import pytest

from crannog.engine.cli.options import parser_for
from crannog.engine.cli.verbs import FLAG_OPTIONS, VALUE_OPTIONS, VERBS, help_text

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SHARED = {*VALUE_OPTIONS, *FLAG_OPTIONS, "-q", "-v", "-h"}


def section(verb: str) -> str:
    found = re.search(rf"^## crannog {verb}\b.*?(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/cli.md has no section on {verb}"
    return found.group(0)


def own_actions(verb: str) -> list[argparse.Action]:
    module = import_module(f"crannog.engine.cli.{verb}")
    parser = parser_for(verb, module.arguments)
    return [each for each in parser._actions if not SHARED & set(each.option_strings)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_a_verb_is_documented(verb):
    said = section(verb)
    flags = [flag for action in own_actions(verb) for flag in action.option_strings]
    assert [flag for flag in flags if f"`{flag}" not in said] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_documented_flag_of_a_verb_exists(verb):
    flags = {flag for action in own_actions(verb) for flag in action.option_strings} | SHARED
    said = set(re.findall(r"`(--?[a-z][a-z-]*)", section(verb)))
    assert sorted(said - flags) == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_argument_and_flag_has_help(verb):
    assert [each.dest for each in own_actions(verb) if not each.help] == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_section_shows_how_a_verb_is_written(verb):
    usage = f"crannog {verb} {VERBS[verb][0]}".strip()
    assert f"## {usage}\n" in DOCUMENT


def test_shared_options_are_documented_and_in_the_help():
    shared = DOCUMENT.partition("## Options of every verb")[2].partition("\n## ")[0]
    assert [flag for flag in SHARED if f"`{flag}" not in shared] == []
    assert [flag for flag in SHARED if flag not in help_text()] == []


def test_the_help_names_every_verb():
    assert [verb for verb in VERBS if f"\n  {verb} " not in help_text()] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_json_keys_documented(verb):
    assert "JSON: " in section(verb)
