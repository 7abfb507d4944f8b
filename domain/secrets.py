"""Secrets come from the environment, and leave it for nowhere: not for logs, errors, metrics or process lists."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from domain.errors import ConfigError, Problem

__all__ = ["redact", "refuse_password"]

#: Variables whose values nobody may see.
_SECRET: Final = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|KEY_PEM|OAUTHBEARER_CONFIG")

#: Shorter values are no secrets: hiding them would tear holes into every text.
_SHORTEST: Final = 4

_IN_URL: Final = re.compile(r"(\b[\w+.-]+://[^\s:@/]*):\S+@")

_IN_HEADER: Final = re.compile(r"\b(basic|bearer)\s+[\w+/.~-]{6,}=*", re.IGNORECASE)

_HIDDEN: Final = "***"


def redact(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A text for others: values of secret variables, and passwords in URLs and headers, are hidden.

    >>> redact("login with open-sesame failed", {"LIFELINE_CLICKHOUSE_PASSWORD": "open-sesame"})
    'login with *** failed'
    >>> redact("cannot reach http://ann:s3cret@db:8123/x", {})
    'cannot reach http://ann:***@db:8123/x'
    """
    values = {
        value for name, value in environ.items() if len(value) >= _SHORTEST and _SECRET.search(name.upper()) is not None
    }
    for value in sorted(values | {quote(value, safe="") for value in values}, key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return _IN_HEADER.sub(rf"\1 {_HIDDEN}", _IN_URL.sub(rf"\1:{_HIDDEN}@", text))


def refuse_password(url: str, option: str, instead: str) -> None:
    """Raise ConfigError where a URL of the command line names a user or a password: everybody can read it there.

    Parameters
    ----------
    option
        Where the URL was given.
    instead
        The variables that are read.
    """
    if "@" in urlsplit(url).netloc:
        message = f"user and password belong into the environment ({instead}), not here: every process can read them"
        raise ConfigError([Problem("", "", option, message)])
