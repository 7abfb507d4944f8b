"""`lifeline replay`: a recording through the very same dataflow, as fast as it goes."""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city import City
from domain.city_files import load_settings
from domain.clock import TS_MAX, TS_MIN, iso
from domain.errors import ConfigError, Problem, SourceError
from domain.findings import Alert
from domain.settings import EngineSettings
from flows.books import Books
from flows.commands.check import check_city
from flows.engine import Engine
from flows.options import CityName, Workers, moment
from flows.run import Cluster, stopping
from sinks.clickhouse.client import Dsn, connect, drop_database
from sinks.clickhouse.read import alerts_of, orders_of, rows_per_table
from sources.journal import WithJournal
from sources.recorded import BATCH
from workbench.labels import Score, events_of, score
from workbench.monitors import monitors_for
from workbench.recordings import is_database, opened, records_of
from workbench.tape import judge, steps

__all__ = ["replay"]

DEFAULT_DSN = "chdb://./lifeline-data/replay"


def replay(
    city: CityName,
    recording: Annotated[
        str, typer.Argument(help="A recording: a file, a folder of files, what `record` wrote, or a database's DSN.")
    ],
    detector: Annotated[str | None, typer.Option(help="Run the monitors of this detector alone.")] = None,
    params: Annotated[
        Path | None, typer.Option(help="Parameters of the detector, or monitors instead of the city's.")
    ] = None,
    dsn: Annotated[
        str | None,
        typer.Option(
            envvar="LIFELINE_DSN",
            help=f"Where results are kept: by default {DEFAULT_DSN}; nowhere for --detector, --params and databases.",
        ),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Of a database: from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Of a database: up to this time (UTC).")] = None,
    speed: Annotated[float | None, typer.Option(help="Times real time; by default as fast as it goes.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Messages in one poll; no result depends on it.")] = BATCH,
    workers: Workers = 1,
    journal: Annotated[Path | None, typer.Option(help="What people did meanwhile.", metavar="PATH")] = None,
    alerts: Annotated[int, typer.Option(help="Alerts to list.")] = 10,
) -> None:
    """Replay a recording through the engine, and set its alerts beside its labels, if it has some.

    Each file of a folder is a record of its own, with a database of its own: replay_<name>. A database of an earlier
    replay is replaced. With --detector or --params: what would have been paged with these, in memory.
    """
    console = Console()
    registry = check_city(city)
    if detector is not None or params is not None:
        registry = replace(registry, monitors=monitors_for(registry, detector, params))
    elif dsn is None and not is_database(recording):
        dsn = DEFAULT_DSN
    job = _Job(
        registry, load_settings(city), dsn, moment(since, TS_MIN), moment(until, TS_MAX), speed, batch, workers, journal
    )
    if not is_database(recording) and (since or until):
        raise ConfigError([Problem("", "", "since", "times can be chosen from a database only")])
    table = Table(title=f"{registry.name}: {recording}", title_justify="left")
    for name in ("record", "readings", "seconds", "alerts", "events", "found", "median delay", "alerts outside"):
        table.add_column(name, justify="left" if name == "record" else "right")
    listed: list[Alert] = []
    unread = 0
    # An embedded engine reads all that is in its directory first: it is kept up from record to record.
    held = nullcontext() if dsn is None else closing(connect(replace(Dsn.parse(dsn), database="default")))
    with stopping() as stop, held:
        for record in records_of(recording):
            started, before = time.monotonic(), Books.now().decoded
            try:
                raised = job.run(record, stop, console)
            except SourceError as error:
                unread += 1
                Console(stderr=True).print(f"[red]not replayed:[/] {error}", highlight=False)
                continue
            if stop.is_set():
                raise typer.Exit(130)
            took = time.monotonic() - started
            labels = registry.recording if not is_database(record) else None
            events = events_of(Path(record), labels) if labels else None
            found = None if events is None else score(events, raised)
            name = "database" if is_database(record) else Path(record).name
            table.add_row(name, f"{Books.now().decoded - before:,}", f"{took:.1f}", *_cells(raised, found))
            listed += raised
    console.print(table)
    _list(console, listed, alerts)
    if unread:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Job:
    """How each record is replayed."""

    city: City
    settings: EngineSettings
    dsn: str | None
    since: int
    until: int
    speed: float | None
    batch: int
    workers: int
    journal: Path | None

    def run(self, record: str, stop: Event, console: Console) -> list[Alert]:
        """Replay one record; its alerts by the time they were raised."""
        with opened(
            record, self.city, since=self.since, until=self.until, batch=self.batch, speed=self.speed
        ) as recorded:
            source = WithJournal(recorded, self.journal, follow=False) if self.journal else recorded
            if self.dsn is None:
                read = takewhile(lambda _: not stop.is_set(), steps(self.city, self.settings, source))
                return judge(self.city, self.settings, read).alerts
            target = _database(self.dsn, Path(record))
            Engine(self.city, self.settings, source, target, cluster=Cluster(self.workers)).run(stop)
        client = connect(target)
        raised = alerts_of(client)
        rows, orders = rows_per_table(client), orders_of(client)
        client.close()
        console.print(f"[dim]{target}: " + ", ".join(f"{name} {count:,}" for name, count in rows.items() if count))
        if orders:
            told = ", ".join(f"{count:,} {order}" for order, count in orders.items())
            console.print(f"[dim]orders to the field that would have been sent: {told}")
        return raised


def _database(dsn: str, record: Path) -> str:
    """The DSN of a fresh database for one record."""
    name = "replay_" + re.sub(r"\W+", "_", record.name.split(".")[0]).lower()
    target = Dsn.parse(dsn)
    if target.scheme == "chdb":
        fresh = f"{dsn.partition('?')[0]}?database={name}"
    else:
        fresh = f"{target.scheme}://{target.user}@{target.host}:{target.port}/{name}"
    drop_database(fresh)
    return fresh


def _cells(alerts: list[Alert], found: Score | None) -> tuple[str, ...]:
    if found is None:
        return str(len(alerts)), "", "", "", ""
    delays = sorted(found.delays)
    median = f"{delays[len(delays) // 2]:,.1f} s" if delays else ""
    return str(len(alerts)), str(found.events), str(found.found), median, str(found.outside)


def _list(console: Console, alerts: list[Alert], limit: int) -> None:
    if not alerts:
        console.print("no alert")
        return
    kinds = Counter(alert.kind for alert in alerts)
    console.print("alerts by kind: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    for alert in alerts[:limit]:
        over = iso(alert.cleared) if alert.cleared else "open"
        console.print(f"  {iso(alert.raised)} to {over}: level {alert.level}, {alert.summary}", highlight=False)
    if len(alerts) > limit:
        console.print(f"  ... and {len(alerts) - limit} more (--alerts {len(alerts)} lists them)")
