"""The console's words in English and Chinese."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from domain.runbooks import runbook

__all__ = ["LANGUAGES", "Words", "language_of"]

LANGUAGES: Final = {"en": "English", "zh": "中文"}

_HERE: Final = Path(__file__).parent


@cache
def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / name).read_text("utf-8"))


class Words:
    """Everything a page says in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = list(LANGUAGES).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The word for a key such as "ui.sign-in"; raises KeyError when there is none.

        >>> Words("zh")("verb.acknowledge")
        '确认'
        """
        section, _, name = key.partition(".")
        text: str = _file("words.toml")[section][name][self._column]
        return text.format(**values) if values else text

    def named(self, section: str, name: str) -> str:
        """The word for a name that a city chose itself; the name, readable, where we have no word for it.

        >>> Words("en").named("kind", "ice-on-road")
        'Ice on road'
        """
        found = _file("words.toml")[section].get(name)
        return str(found[self._column]) if found else name.replace("-", " ").capitalize()

    def runbook(self, kind: str) -> list[str]:
        """What to do first about an alert of a kind, step by step."""
        return list(runbook(kind, self.language))


def language_of(chosen: str, accepted: str) -> str:
    """The language that was chosen, else the first that the browser accepts and we speak, else English.

    >>> language_of("", "zh-CN,zh;q=0.9,en;q=0.8"), language_of("en", "zh"), language_of("", "de")
    ('zh', 'en', 'en')
    """
    wishes = [chosen, *(part.split(";")[0].strip() for part in accepted.split(","))]
    return next((wish[:2] for wish in wishes if wish[:2] in LANGUAGES), "en")
