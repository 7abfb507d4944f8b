"""`lifeline demo`: fifteen minutes of a simulated city, from bytes to alerts, checked against what really happened."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city_files import load_city, load_settings
from domain.clock import MINUTE, SECOND
from flows.books import Books
from flows.engine import Engine
from flows.figures import figure, write_figures
from flows.living import Living, Open
from flows.matching import match
from flows.options import Workers
from flows.outcome import show_outcome
from flows.progress import event_time_progress
from flows.run import Cluster, stopping
from flows.warm import warm_up
from simulators.scenario import Scenario, goes_on, write_truth
from simulators.scenario import demo as demo_scenario
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
    minutes: Annotated[int, typer.Option(min=1, max=15, help="Of the city, until the report.")] = 15,
    data: Annotated[Path, typer.Option(help="Folder of the demo's database; made anew.")] = Path("lifeline-data/demo"),
    workers: Workers = 1,
    figures: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/demo.json"),
    desk: Annotated[
        bool | None,
        typer.Option(
            "--desk/--no-desk",
            help="Go on in real time after the report, with the console, until Ctrl-C; by default in a terminal.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the console; a free one where it is taken.", min=0)] = 8080,
    speed: Annotated[float, typer.Option(help="Times real time, as long as the desk is open.", min=0.1)] = 1.0,
) -> None:
    """Simulate fifteen minutes of Bozhou as fast as it goes, and set the alerts beside what happened; open the desk."""
    console = Console()
    city = load_city("bozhou")
    console.print(
        f"[bold]{city.name}[/]: {len(city.sensors):,} sensors, {len(city.cameras):,} cameras, "
        f"{len(city.monitors)} monitors"
    )
    settings = load_settings("bozhou")
    warm_up(console, city, settings)
    scenario = demo_scenario(city, seed)
    scenario = replace(scenario, span=min(scenario.span, minutes * MINUTE))
    dsn = f"chdb://{data / 'clickhouse'}"
    drop_database(dsn)
    run = _Run(console, scenario, dsn, data, figures)
    if desk if desk is not None else sys.stdin.isatty() and sys.stdout.isatty():
        living = Living(city, settings, goes_on(city, seed), scenario.span, dsn, data, port, workers, speed)
        with run.simulating() as progress:

            def caught_up() -> None:
                progress.close()
                run.report(ended=False)

            living.run(caught_up, run.opened)
        if not run.reported:
            raise typer.Exit(130)
        console.print("\nThe desk is closed. To look at it again:")
    else:
        with run.simulating(), stopping() as stop:
            Engine(city, settings, SimulatedCity(scenario), dsn, cluster=Cluster(workers)).run(stop)
            if stop.is_set():
                raise typer.Exit(130)
        run.report(ended=True)
        console.print("\nThe desk, to look at:")
    accounts = f"--accounts {data / 'console.sqlite'}"
    _lines(console, f"lifeline console user add li.na {accounts}", f"lifeline console --dsn {dsn} {accounts}")


class _Run:
    """What is shown of a run."""

    def __init__(self, console: Console, scenario: Scenario, dsn: str, data: Path, figures: Path) -> None:
        self._console, self._scenario, self._dsn = console, scenario, dsn
        self._data, self._figures = data, figures
        self._before, self._started = Books.now(), time.monotonic()
        self.reported = False

    @contextmanager
    def simulating(self) -> Iterator[ExitStack]:
        """A bar while the block runs, or until what it yields is closed."""
        scenario = self._scenario
        with ExitStack() as stack:
            partitions = len(SimulatedCity(scenario).partitions())
            stack.enter_context(
                event_time_progress(self._console, "simulating", partitions, scenario.start, scenario.span)
            )
            yield stack

    def opened(self, desk: Open) -> None:
        """Say how one gets to the desk. The password is said here alone."""
        self._console.print(
            "\n[bold]The city goes on, and its desk is open[/]: what you do there takes effect within seconds. "
            "Ctrl-C ends both."
        )
        _lines(self._console, desk.address, f"name      {desk.name}", f"password  {desk.password}")

    def report(self, *, ended: bool) -> None:
        """What happened beside what was told, the rows and the books; `ended`: the stream is at its end."""
        console, scenario = self._console, self._scenario
        took = time.monotonic() - self._started
        write_truth(scenario.truth, self._data / "truth.json")
        client = connect(self._dsn)
        alerts = alerts_of(client)
        rows = rows_per_table(client)
        client.close()
        truth = [incident for incident in scenario.truth if incident.start < scenario.start + scenario.span]
        matching = match(truth, alerts)
        books = Books.now() - self._before
        show_outcome(console, scenario.city, matching, scenario.start)
        _show_rows(console, rows)
        underway = "" if ended else f" + {books.stored - rows['readings']:,} under way"
        console.print(
            f"\n{books.decoded:,} readings decoded = {rows['readings']:,} stored + {books.repeats:,} repeats dropped + "
            f"{books.late:,} late + {books.refused:,} from the future{underway}"
        )
        console.print(
            f"in {took:.1f} s: [bold]{books.decoded / took:,.0f}[/] a second, "
            f"{scenario.span / SECOND / took:.0f} times real time, simulation and storage included"
        )
        told = (one.incident.sensors[0] for one in matching.matches if one.alert and one.incident.sensors)
        sensor = next(told, scenario.city.sensors[0].id)
        console.print("\nTry next:")
        _lines(console, *(f'lifeline sql --dsn {self._dsn} "{query.format(sensor=sensor)}"' for query in QUERIES))
        self.reported = True
        lost = [figure("readings unaccounted for", abs(books.stored - rows["readings"]), "readings", at_most=0)]
        write_figures(
            self._figures,
            [
                figure("incidents found", matching.found, "incidents", at_least=matching.wanted),
                figure("false alerts", len(matching.false), "alerts"),
                *(lost if ended else ()),
                figure("readings per second", round(books.decoded / took), "1/s"),
                figure("times real time", round(scenario.span / SECOND / took, 1), "ratio"),
                figure("seconds", round(took, 1), "s"),
                *(figure(f"rows in {table}", count, "rows") for table, count in rows.items()),
            ],
        )


def _lines(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _show_rows(console: Console, rows: dict[str, int]) -> None:
    console.print("\n[bold]Rows in ClickHouse[/]")
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
