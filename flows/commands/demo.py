"""`lifeline demo`: fifteen minutes of a simulated city, from bytes to alerts, checked against what really happened."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city_files import load_city, load_settings
from domain.clock import SECOND
from domain.findings import Alert
from flows.books import Books
from flows.engine import Engine
from flows.figures import figure, write_figures
from flows.matching import Match, Matching, match
from flows.options import Workers
from flows.progress import event_time_progress
from flows.run import stopping
from flows.warm import warm_up
from simulators.scenario import demo as demo_scenario
from simulators.scenario import write_truth
from simulators.source import SimulatedCity
from sinks.clickhouse.client import connect, drop_database
from sinks.clickhouse.read import alerts_of, rows_per_table

__all__ = ["demo"]

#: From so many columns on, the terminal has room for places and signs.
WIDE = 150

#: Queries that a newcomer may try next.
QUERIES = (
    "SELECT level, kind, place, owner, summary FROM alerts ORDER BY level, raised",
    "SELECT kind, count() AS sensors, sum(count) AS readings FROM aggregates_1m JOIN registry USING sensor "
    "GROUP BY kind ORDER BY readings DESC",
    "SELECT start, min, mean, max FROM aggregates_1s WHERE sensor = '{sensor}' ORDER BY start LIMIT 20",
)


def demo(
    seed: Annotated[int, typer.Option(help="Chooses where things happen.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the demo's database; made anew.")] = Path("lifeline-data/demo"),
    workers: Workers = 1,
    figures: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/demo.json"),
) -> None:
    """Simulate fifteen minutes of Bozhou as fast as it goes, and set the alerts beside what happened."""
    console = Console()
    city = load_city("bozhou")
    console.print(
        f"[bold]{city.name}[/]: {len(city.sensors):,} sensors, {len(city.cameras):,} cameras, "
        f"{len(city.monitors)} monitors"
    )
    settings = load_settings("bozhou")
    warm_up(console, city, settings)
    before = Books.now()
    scenario = demo_scenario(city, seed)
    source = SimulatedCity(scenario)
    dsn = f"chdb://{data / 'clickhouse'}"
    drop_database(dsn)
    started = time.monotonic()
    with stopping() as stop:
        engine = Engine(city, settings, source, dsn)
        with event_time_progress(console, "simulating", len(source.partitions()), scenario.start, scenario.span):
            engine.run(stop)
        if stop.is_set():
            raise typer.Exit(130)
    took = time.monotonic() - started
    write_truth(scenario.truth, data / "truth.json")
    client = connect(dsn)
    alerts = alerts_of(client)
    rows = rows_per_table(client)
    client.close()
    matching = match(scenario.truth, alerts)
    books = Books.now() - before
    _show_incidents(console, matching, scenario.start, {level.rank: level.name for level in city.levels})
    _show_false(console, matching.false, scenario.start)
    _show_rows(console, rows)
    console.print(
        f"\n{books.decoded:,} readings decoded = {rows['readings']:,} stored + {books.repeats:,} repeats dropped + "
        f"{books.late:,} late + {books.refused:,} from the future"
    )
    console.print(
        f"in {took:.1f} s: [bold]{books.decoded / took:,.0f}[/] a second, "
        f"{scenario.span / SECOND / took:.0f} times real time, simulation and storage included"
    )
    sensor = next(
        (m.incident.sensors[0] for m in matching.matches if m.alert and m.incident.sensors), city.sensors[0].id
    )
    console.print("\nTry next:")
    for query in QUERIES:
        console.print(f'  lifeline sql --dsn {dsn} "{query.format(sensor=sensor)}"', highlight=False, soft_wrap=True)
    write_figures(
        figures,
        [
            figure("incidents found", matching.found, "incidents", at_least=matching.wanted),
            figure("false alerts", len(matching.false), "alerts"),
            figure("readings unaccounted for", abs(books.stored - rows["readings"]), "readings", at_most=0),
            figure("readings per second", round(books.decoded / took), "1/s"),
            figure("times real time", round(scenario.span / SECOND / took, 1), "ratio"),
            figure("seconds", round(took, 1), "s"),
            *(figure(f"rows in {table}", count, "rows") for table, count in rows.items()),
        ],
    )


def _clock(ts: int, start: int) -> str:
    seconds = max(ts - start, 0) // SECOND
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


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
            f"{one.delay:.1f} s",
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


def _show_rows(console: Console, rows: dict[str, int]) -> None:
    console.print("\n[bold]Rows in ClickHouse[/]")
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
