"""A structure's day as a page, and all structures as one: styles and drawings stand inside, nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.bridge import BridgeDay
from reports.plots import plot_day

__all__ = ["bridge_page", "index_page"]

TEMPLATES: Final = Path(__file__).parent / "templates"


def bridge_page(day: BridgeDay) -> str:
    """The report as HTML: a function of what is stored, so the same day gives the same page."""
    plots = [(traces, plot_day(day, traces)) for traces in day.traces]
    return _pages().get_template("bridge.html").render(report=day, health=day.health, plots=plots)


def index_page(city: str, day: date, healths: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """All structures of a day, the worst first.

    Parameters
    ----------
    healths
        Rows of bridge_health.
    names
        The file of each structure's report, by its id.
    """
    return _pages().get_template("structures.html").render(city=city, day=day, healths=healths, names=names)


def _pages() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["number"] = number
    return pages


def number(value: float | None) -> str:
    r"""Four figures, as people read them; a dash for what is not known.

    >>> number(1234.5678), number(0.000123456), number(None)
    ('1235', '0.0001235', '\u2013')
    """
    if value is None or value != value:
        return "\N{EN DASH}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
