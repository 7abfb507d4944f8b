"""What to do first about an alert, by its kind, in English and Chinese: `runbooks.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["LANGUAGES", "runbook"]

LANGUAGES: Final = ("en", "zh")

#: The steps for a kind that has none of its own.
_OTHER: Final = "other"


@cache
def _books() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    text = (Path(__file__).parent / "runbooks.toml").read_text("utf-8")
    return {
        kind: {language: tuple(book[language]) for language in LANGUAGES} for kind, book in tomllib.loads(text).items()
    }


def runbook(kind: str, language: str = "en") -> tuple[str, ...]:
    """The first steps about a kind of alert; general ones where it has none of its own.

    >>> runbook("sewer-gas")[0]
    'Nobody enters the manhole; no flames at the cover.'
    >>> runbook("ice-on-road") == runbook("other")
    True
    """
    books = _books()
    return books.get(kind, books[_OTHER])[language]
