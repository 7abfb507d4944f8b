"""`lifeline doctor`: is everything there that an engine needs?"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.city import City
from flows.commands.check import check_city
from flows.doctor import machine
from flows.doctor.broker import broker
from flows.doctor.checks import Check, Grade, carried_out
from flows.doctor.database import database
from flows.doctor.receivers import receiver, unheard
from flows.options import DsnOption, RecoveryDirectory
from flows.receivers import AlertmanagerOption, KafkaOption, ReceiversOption, named
from flows.receivers import receivers as receivers_of
from flows.status import place
from flows.streams import open_stream
from sinks.clickhouse.client import DEFAULT_DSN
from sources.kafka import KafkaSource

__all__ = ["doctor"]

_STYLES = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "bold red"}

_Checks = Iterable[tuple[str, Callable[[], Iterable[Check]]]]


def doctor(
    city: Annotated[str, typer.Argument(help="Name of a shipped city, or a folder with city files.")] = "",
    stream: Annotated[str, typer.Argument(help="kafka://BROKERS/TOPICS, or whatever else the city is read from.")] = "",
    dsn: DsnOption = DEFAULT_DSN,
    serve_port: Annotated[int, typer.Option(help="Port of the embedded database.")] = 8123,
    receivers: ReceiversOption = None,
    kafka_alerts: KafkaOption = "",
    alertmanager: AlertmanagerOption = "",
    metrics: Annotated[
        str, typer.Option(help="Where /metrics, /healthz and /readyz will be.", metavar="HOST:PORT")
    ] = "127.0.0.1:9464",
    recovery: RecoveryDirectory = Path("lifeline-data/recovery"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of lines.")] = False,
) -> None:
    """Check what `lifeline city` with the same arguments needs, and say what to do. Nothing is changed.

    Exit code 1 where something will not work.
    """
    found = carried_out(
        _checks(city, stream, dsn, serve_port, (receivers, kafka_alerts, alertmanager), metrics, recovery)
    )
    with _quiet("sources"):  # each check says what it finds
        checks = list(found) if as_json else list(_told(found, Console(highlight=False)))
    grades = Counter(check.grade for check in checks)
    if as_json:
        typer.echo(
            json.dumps({"good": not grades[Grade.FAIL], "checks": [asdict(check) for check in checks]}, indent=2)
        )
    else:
        typer.echo(f"{grades[Grade.OK]} ok, {grades[Grade.WARN]} to know of, {grades[Grade.FAIL]} to mend")
    if grades[Grade.FAIL]:
        raise typer.Exit(1)


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _checks(
    city: str,
    stream: str,
    dsn: str,
    serve_port: int,
    receivers: tuple[Path | None, str, str],
    metrics: str,
    directory: Path,
) -> _Checks:
    yield from (("python", machine.python), ("packages", machine.packages), ("kernel cache", machine.kernels))
    if city:
        yield "city", partial(_city, city)
    if stream and city:
        yield "broker" if stream.startswith("kafka://") else "stream", partial(_stream, city, stream)
    yield "database", partial(database, dsn)
    yield "recovery store", partial(machine.recovery, directory)
    yield "disk of the recovery store", partial(machine.disk, "the recovery store", directory)
    if metrics:
        yield "port of metrics", partial(_metrics, metrics)
    if dsn.startswith("chdb:") and serve_port:
        yield "port of the database", partial(machine.port, "the database", "127.0.0.1", serve_port)
    file, kafka, alertmanager = receivers
    if file is not None:
        yield "receivers", partial(_receivers, city, file)
    if kafka:
        yield "topic of alerts", partial(_receivers, "", None, kafka=kafka)
    if alertmanager:
        yield "alertmanager", partial(_receivers, "", None, alertmanager=alertmanager)


def _told(checks: Iterable[Check], console: Console) -> Iterator[Check]:
    """Print each check as soon as it is known."""
    for check in checks:
        lines = Table.grid(padding=(0, 2))
        lines.add_column(width=4)
        lines.add_column(width=26)
        lines.add_column()
        lines.add_row(Text(check.grade, _STYLES[check.grade]), Text(check.what), Text(check.found))
        if check.advice:
            lines.add_row("", "", Text(f"-> {check.advice}"))
        console.print(lines)
        yield check


def _city(name: str) -> Iterator[Check]:
    loaded = check_city(name)
    found = f"{loaded.name}: {len(loaded.sensors):,} sensors, {len(loaded.monitors)} monitors"
    if loaded.monitors or loaded.video_rules:
        yield Check.ok("city", found)
    else:
        yield Check.warn("city", found, "nothing will be found: add monitors.toml (docs/cities.md)")


def _stream(city: str, stream: str) -> Iterator[Check]:
    loaded: City = check_city(city)
    source = open_stream(stream, loaded)
    if isinstance(source, KafkaSource):
        yield from broker(source)
    else:
        yield Check.ok("stream", f"{len(source.partitions())} partitions of {stream}")


def _metrics(metrics: str) -> Iterator[Check]:
    return machine.port("metrics", *place(metrics))


def _receivers(city: str, file: Path | None, kafka: str = "", alertmanager: str = "") -> Iterator[Check]:
    loaded = check_city(city) if city else City("", "UTC", ())
    receivers_of(loaded, file, kafka, alertmanager)  # secrets are there
    those = named(loaded, file, kafka, alertmanager)
    for one in those:
        yield from receiver(one, loaded)
    yield from unheard(those, loaded)
