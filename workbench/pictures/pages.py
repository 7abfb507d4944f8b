"""A picture in its detector's page: the image, what is to be seen, and the parameters it was drawn with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from textwrap import fill
from typing import Any, Final

from workbench.pictures.drawing import Picture

__all__ = ["placed", "section"]

_BEFORE: Final = "## What it misses\n"
_SECTION: Final = re.compile(r"## Picture\n.*?(?=^## )", re.DOTALL | re.MULTILINE)


def section(name: str, picture: Picture) -> str:
    """What a page says of its picture.

    The parameters are those that differ from the defaults, as a monitor would have them.
    """
    image = f"![{name}: {picture.source}](pictures/{name}.png)"
    params = f" Parameters: {_params(picture.params)}." if picture.params else " Default parameters."
    return f"## Picture\n\n{image}\n\n{fill(picture.caption + params, 120)}\n"


def placed(page: str, name: str, picture: Picture) -> str:
    """A page with the section on its picture: the old one replaced, or a new one before what the detector misses."""
    text = section(name, picture) + "\n"
    if _SECTION.search(page):
        return _SECTION.sub(lambda _: text, page, count=1)
    before, _, after = page.partition(_BEFORE)
    return before + text + _BEFORE + after


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name} = {json.dumps(value)}`" for name, value in params.items())
