"""`lifeline demo`: fifteen minutes of a simulated city, from bytes to alerts, checked against what really happened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city_files import load_city, load_settings
from domain.clock import SECOND
from flows.books import Books
from flows.engine import Engine
from flows.figures import figure, write_figures
from flows.matching import match
from flows.options import Workers
from flows.outcome import show_outcome
from flows.progress import event_time_progress
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
    show_outcome(console, city, matching, scenario.start)
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
    console.print(
        f"  lifeline console --dsn {dsn}    # the desk, after: lifeline console user add NAME",
        highlight=False,
        soft_wrap=True,
    )
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


def _show_rows(console: Console, rows: dict[str, int]) -> None:
    console.print("\n[bold]Rows in ClickHouse[/]")
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
