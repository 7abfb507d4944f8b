"""Figures of a run as JSON under build/, so that anyone can track them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["figure", "write_figures"]


def figure(
    name: str, value: float, unit: str, *, at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    """One measured number, with a bar where the project states one.

    >>> figure("incidents found", 9, "incidents", at_least=8)
    {'name': 'incidents found', 'value': 9, 'unit': 'incidents', 'bar': 8, 'holds': True}
    """
    if at_least is not None and at_most is not None:
        raise ValueError(f"figure {name!r}: give one of at_least and at_most, not both")
    found: dict[str, Any] = {"name": name, "value": value, "unit": unit}
    if at_least is not None:
        found |= {"bar": at_least, "holds": value >= at_least}
    if at_most is not None:
        found |= {"bar": at_most, "holds": value <= at_most}
    return found


def write_figures(path: Path, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write figures where others find them; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"figures": list(figures)}, indent=1) + "\n")
