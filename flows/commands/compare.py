"""`lifeline compare`: what another configuration would have changed for the desk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city_files import load_settings
from domain.clock import iso
from flows.commands.check import check_city
from workbench.differences import Change, Difference, differences
from workbench.monitors import monitors_for
from workbench.recordings import city_of, opened, records_of
from workbench.tape import Tape

__all__ = ["compare"]

_COLOUR = {Change.KEPT: "dim", Change.MOVED: "yellow", Change.VANISHED: "red", Change.APPEARED: "green"}


def compare(
    before: Annotated[Path, typer.Argument(help="Monitors, or parameters of --detector.")],
    after: Annotated[Path, typer.Argument(help="The same, changed.")],
    recording: Annotated[str, typer.Argument(help="A file, a folder of files, or a database's DSN.")],
    city: Annotated[str | None, typer.Option(help="By default the shipped city that the recording fits.")] = None,
    detector: Annotated[str | None, typer.Option(help="Compare the monitors of this detector alone.")] = None,
    all: Annotated[bool, typer.Option("--all", help="List the alerts that stay as they were, too.")] = False,
) -> None:
    """Replay a recording with two files of monitors: which alerts appear, vanish or move.

    The recording is read once; both configurations judge the same readings.
    """
    console = Console()
    name = city or city_of(recording)
    registry = check_city(name)
    settings = load_settings(name)
    monitors = [monitors_for(registry, detector, file) for file in (before, after)]
    table = Table(title=f"{before} → {after}", title_justify="left")
    for column in ("", "record", "alert", "at", "raised", "shift", "level"):
        table.add_column(column, justify="right" if column == "shift" else "left")
    counts: Counter[Change] = Counter()
    for record in records_of(recording):
        with opened(record, registry) as source:
            tape = Tape(registry, settings, source)
        old, new = (tape.judge(one).alerts for one in monitors)
        for one in differences(old, new):
            counts[one.change] += 1
            if all or one.change is not Change.KEPT:
                table.add_row(f"[{_COLOUR[one.change]}]{one.change}[/]", Path(record).name, *_cells(one))
    if table.row_count:
        console.print(table)
    console.print(", ".join(f"{counts[change]} {change}" for change in Change))


def _cells(one: Difference) -> tuple[str, ...]:
    first = one.before or one.after
    assert first is not None
    shift = f"{one.shift:+,.1f} s" if one.before and one.after else ""
    levels = [str(alert.level) for alert in (one.before, one.after) if alert]
    where = first.asset or first.zone
    return first.kind, where, iso(first.raised)[:19].replace("T", " "), shift, " → ".join(dict.fromkeys(levels))
