"""What happened beside what the desk was told, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from domain.city import City
from domain.clock import SECOND
from domain.findings import Alert
from flows.matching import Match, Matching

__all__ = ["show_outcome"]

#: From so many columns on, the terminal has room for places and signs.
WIDE = 150


def _clock(ts: int, start: int) -> str:
    minutes, seconds = divmod(max(ts - start, 0) // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def _span(seconds: float) -> str:
    """A delay as people say it.

    >>> _span(4.4), _span(7220.0)
    ('4.4 s', '2.0 h')
    """
    if seconds < 600:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def show_outcome(console: Console, city: City, matching: Matching, start: int) -> None:
    """Print a table of incidents with what was told of each, and one of false alerts; times count from `start`, ns."""
    _show_incidents(console, matching, start, {level.rank: level.name for level in city.levels})
    _show_false(console, matching.false, start)


def _show_incidents(console: Console, matching: Matching, start: int, levels: dict[int, str]) -> None:
    wide = console.width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("at", justify="right", no_wrap=True)
    table.add_column("incident", no_wrap=True)
    table.add_column("place", no_wrap=True) if wide else None
    table.add_column("alert", no_wrap=True)
    table.add_column("level", justify="center", no_wrap=True)
    table.add_column("delay", justify="right", no_wrap=True)
    table.add_column("responsible", no_wrap=True)
    table.add_column("by what", no_wrap=True) if wide else None
    console.print("\n[bold]What happened, and what the desk was told[/]")
    for one in matching.matches:
        incident, alert = one.incident, one.alert
        place = [alert.place if alert else incident.place] if wide else []
        cells = [_clock(incident.start, start), incident.kind, *place]
        if alert is None:
            table.add_row(*cells, _why_none(one), "", "", "", *([""] if wide else []))
            continue
        told = [
            f"[green]{alert.kind}[/]",
            levels[alert.level] + "!" * alert.urgent,
            _span(one.delay or 0.0),
            alert.owner,
        ]
        table.add_row(*cells, *told, *([_signs(alert)] if wide else []))
    console.print(table)
    console.print(f"\n{matching.found} of {matching.wanted} incidents found; !: pushed to the responsible unit at once")


def _why_none(one: Match) -> str:
    if not one.incident.alert:
        return "[green]rightly none[/]"
    return "[red]missed[/]" if one.incident.detectable else "[yellow]not seen yet[/]"


def _signs(alert: Alert) -> str:
    """What an alert rests on: how many of each, and how sure that makes it."""
    counts = ((len(alert.sensors), "sensor"), (len(alert.cameras), "camera"))
    signs = ", ".join(f"{n} {name}{'s' if n > 1 else ''}" for n, name in counts if n)
    return f"{signs} ({alert.corroboration:.2f})"


def _show_false(console: Console, alerts: Sequence[Alert], start: int) -> None:
    if not alerts:
        console.print("no false alert")
        return
    table = Table(title=f"{len(alerts)} false alerts", title_justify="left")
    for name in ("at", "kind", "level", "summary"):
        table.add_column(name)
    for alert in alerts:
        table.add_row(_clock(alert.raised, start), alert.kind, str(alert.level), alert.summary)
    console.print(table)
