"""`lifeline replay`: a recording through the very same dataflow, as fast as it goes."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.city_files import load_settings
from domain.clock import iso
from domain.errors import SourceError
from domain.findings import Alert
from flows.books import Books
from flows.commands.check import check_city
from flows.engine import Engine
from flows.labels import Score, events_of, score
from flows.options import CityName, DsnOption, Workers
from flows.run import Cluster, stopping
from sinks.clickhouse.client import Dsn, connect, drop_database
from sinks.clickhouse.read import alerts_of, rows_per_table
from sources.recorded import files_of, open_recording

__all__ = ["replay"]


def replay(
    city: CityName,
    recording: Annotated[Path, typer.Argument(help="A recording: a file, a folder of files, or what `record` wrote.")],
    dsn: DsnOption = "chdb://./lifeline-data/replay",
    speed: Annotated[float | None, typer.Option(help="Times real time; by default as fast as it goes.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Messages in one poll; no result depends on it.")] = 4096,
    workers: Workers = 1,
    alerts: Annotated[int, typer.Option(help="Alerts to list.")] = 10,
) -> None:
    """Replay a recording through the engine, and set its alerts beside its labels, if it has some.

    Each file of a folder is a record of its own, with a database of its own: replay_<name>. A database of an earlier
    replay is replaced.
    """
    console = Console()
    registry = check_city(city)
    settings = load_settings(city)
    table = Table(title=f"{registry.name}: {recording}", title_justify="left")
    for name in ("record", "readings", "seconds", "alerts", "events", "found", "median delay", "alerts outside"):
        table.add_column(name, justify="left" if name == "record" else "right")
    listed: list[Alert] = []
    unread = 0
    with stopping() as stop:
        for file in files_of(recording):
            target = _database(dsn, file)
            started, before = time.monotonic(), Books.now().decoded
            try:
                source = open_recording(file, registry, batch=batch, speed=speed)
                Engine(registry, settings, source, target, cluster=Cluster(workers)).run(stop)
            except SourceError as error:
                unread += 1
                Console(stderr=True).print(f"[red]not replayed:[/] {error}", highlight=False)
                continue
            if stop.is_set():
                raise typer.Exit(130)
            client = connect(target)
            raised = alerts_of(client)
            rows = rows_per_table(client)
            client.close()
            took = time.monotonic() - started
            events = events_of(file, registry.recording) if registry.recording else None
            found = None if events is None else score(events, raised)
            table.add_row(file.name, f"{Books.now().decoded - before:,}", f"{took:.1f}", *_cells(raised, found))
            listed += raised
            console.print(f"[dim]{target}: " + ", ".join(f"{name} {count:,}" for name, count in rows.items() if count))
    console.print(table)
    _list(console, listed, alerts)
    if unread:
        raise typer.Exit(1)


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
        console.print(f"  ... and {len(alerts) - limit} more: SELECT * FROM alerts")
