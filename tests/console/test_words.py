"""Both languages say everything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from console.acts import ROLES
from console.desk import Shelf, State
from console.words import LANGUAGES, Words
from domain.actions import Verb
from domain.findings import AlertEventType
from tests.conftest import ROOT

CONSOLE = ROOT / "console"
WORDS = tomllib.loads((CONSOLE / "words.toml").read_text("utf-8"))


def test_every_word_is_there_in_both_languages() -> None:
    """And with the same places for what is put in."""
    for section, words in WORDS.items():
        for key, pair in words.items():
            assert len(pair) == len(LANGUAGES), f"{section}.{key}"
            assert all(pair), f"{section}.{key}"
            places = [sorted(re.findall(r"{\w+}", text)) for text in pair]
            assert places[0] == places[1], f"{section}.{key}"


@pytest.mark.parametrize("template", sorted((CONSOLE / "templates").iterdir()), ids=lambda path: path.name)
def test_templates_use_words_that_there_are(template: Path) -> None:
    """Whole keys are looked up; of composed ones, the section."""
    text = template.read_text("utf-8")
    for section, key, composed in re.findall(r"\bt\(['\"]([\w-]+)\.([\w-]*)['\"]( ~)?", text):
        if composed:
            assert any(word.startswith(key) for word in WORDS[section])
        else:
            assert key in WORDS[section], f"{section}.{key}"


def test_states_verbs_and_shelves_have_words() -> None:
    """Whatever happens to an alert can be told."""
    words = Words("zh")
    for verb in (*Verb, *AlertEventType):
        assert words(f"verb.{verb}")
    for state in State:
        assert words(f"state.{state}")
    for shelf in Shelf:
        assert words(f"shelf.{shelf}")
    assert set(ROLES) == set(Verb)


def test_every_shipped_kind_of_alert_has_a_name() -> None:
    """A kind without a word of ours is shown as the city calls it, in English only."""
    for path in sorted((ROOT / "cities").glob("*/monitors.toml")):
        for monitor in tomllib.loads(path.read_text("utf-8")).get("monitor", []):
            assert monitor["kind"] in WORDS["kind"]


def test_every_kind_has_first_steps_in_both_languages() -> None:
    """At least what holds for all."""
    for kind in (*WORDS["kind"], "never-heard-of"):
        english, chinese = (Words(language).runbook(kind) for language in LANGUAGES)
        assert 0 < len(english) == len(chinese)
