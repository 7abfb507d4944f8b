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
from flows.engine import Engine
from flows.figures import figure, write_figures
from flows.matching import Matching, match
from flows.options import Workers
from flows.progress import event_time_progress, readings_total
from flows.run import stopping
from flows.warm import warm_up
from simulators.scenario import demo as demo_scenario
from simulators.scenario import write_truth
from simulators.source import SimulatedCity
from sinks.clickhouse.client import connect, drop_database
from sinks.clickhouse.read import alerts_of, rows_per_table

__all__ = ["demo"]

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
    before = readings_total()
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
    readings = readings_total() - before
    _show_incidents(console, matching, scenario.start)
    _show_false(console, matching.false, scenario.start)
    _show_rows(console, rows)
    console.print(
        f"\n{readings:,} readings in {took:.1f} s: [bold]{readings / took:,.0f}[/] a second, "
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
            figure("readings per second", round(readings / took), "1/s"),
            figure("times real time", round(scenario.span / SECOND / took, 1), "ratio"),
            figure("seconds", round(took, 1), "s"),
            *(figure(f"rows in {table}", count, "rows") for table, count in rows.items()),
        ],
    )


def _clock(ts: int, start: int) -> str:
    seconds = max(ts - start, 0) // SECOND
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _show_incidents(console: Console, matching: Matching, start: int) -> None:
    table = Table(title="What happened, and what the desk was told", title_justify="left")
    for name, justify in (("at", "right"), ("incident", "left"), ("place", "left"), ("alert", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("level", justify="center")
    table.add_column("delay", justify="right")
    table.add_column("responsible")
    table.add_column("by what")
    for one in matching.matches:
        incident, alert = one.incident, one.alert
        at = _clock(incident.start, start)
        if alert is None:
            if not incident.alert:
                verdict = "[green]rightly none[/]"
            elif not incident.detectable:
                verdict = "[yellow]not yet[/] (too slow for 15 min)"
            else:
                verdict = "[red]missed[/]"
            table.add_row(at, incident.kind, incident.place, verdict, "", "", "", "")
            continue
        by = f"{len(alert.sensors)} sensors" if len(alert.sensors) != 1 else "1 sensor"
        if alert.cameras:
            by += f", {len(alert.cameras)} camera{'s' if len(alert.cameras) > 1 else ''}"
        urgent = " !" if alert.urgent else ""
        delay = f"{one.delay:.1f} s"
        owner = alert.owner
        sure = f"{by} ({alert.corroboration:.2f})"
        table.add_row(
            at, incident.kind, alert.place, f"[green]{alert.kind}[/]", f"{alert.level}{urgent}", delay, owner, sure
        )
    console.print(table)
    console.print(f"{matching.found} of {matching.wanted} incidents found")


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
    table = Table(title="Rows in ClickHouse", title_justify="left", show_header=False)
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
