"""`lifeline dlq`: dead letters, listed, shown, and read again once what was wrong with them is mended."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime
from typing import Annotated, TypeAlias

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.city_files import load_settings
from domain.clock import iso
from domain.records import DeadLetter
from flows.commands.check import check_city
from flows.commands.review import report, teller
from flows.commands.sql import reader
from flows.dlq import Count, Filter, counts, letters
from flows.dlq import redrive as redrive_letters
from flows.options import CityName, DsnOption, WarmUp, moment
from flows.receivers import AlertmanagerOption, KafkaOption, ReceiversOption
from sinks.clickhouse.client import DEFAULT_DSN, Dsn, connect
from sinks.clickhouse.schema import ensure_schema

__all__ = ["dlq", "redrive", "show"]

dlq = typer.Typer(help="Dead letters: records that could not be used.", no_args_is_help=True)

Reason: TypeAlias = Annotated[str, typer.Option(help="Refused for this reason, such as unknown-sensor.")]
Partition: TypeAlias = Annotated[str, typer.Option(help="Of this partition; a % stands for any text.")]
Since: TypeAlias = Annotated[datetime | None, typer.Option(help="Recorded at this time (UTC) or later.")]
Until: TypeAlias = Annotated[datetime | None, typer.Option(help="Recorded before this time (UTC).")]
Sensor: TypeAlias = Annotated[str, typer.Option(help="That name this sensor.")]
Words: TypeAlias = Annotated[str, typer.Option("--text", help="With this text in the message or in what is wrong.")]
Redriven: TypeAlias = Annotated[bool, typer.Option("--redriven", help="Also those that were redriven already.")]


@dlq.command("list")
def count(
    dsn: DsnOption = DEFAULT_DSN,
    reason: Reason = "",
    partition: Partition = "",
    since: Since = None,
    until: Until = None,
    sensor: Sensor = "",
    text: Words = "",
    redriven: Redriven = False,
) -> None:
    """Count dead letters by partition and reason."""
    with closing(reader(Dsn.parse(dsn))) as client:
        _counts(Console(), counts(client, _filter(reason, partition, since, until, sensor, text, redriven)))


@dlq.command()
def show(
    dsn: DsnOption = DEFAULT_DSN,
    reason: Reason = "",
    partition: Partition = "",
    since: Since = None,
    until: Until = None,
    sensor: Sensor = "",
    text: Words = "",
    redriven: Redriven = False,
    limit: Annotated[int, typer.Option(min=1, help="Most letters to show.")] = 20,
) -> None:
    """Show dead letters with what is wrong and with their bytes."""
    console = Console()
    with closing(reader(Dsn.parse(dsn))) as client:
        chosen = _filter(reason, partition, since, until, sensor, text, redriven)
        total = sum(group.letters for group in counts(client, chosen))
        for letter in letters(client, chosen, limit):
            _show(console, letter)
    shown = min(total, limit)
    console.print(f"{shown:,} of {total:,} letters" + (f" (--limit {total} shows all)" if shown < total else ""))


@dlq.command()
def redrive(
    city: CityName,
    dsn: DsnOption = DEFAULT_DSN,
    reason: Reason = "",
    partition: Partition = "",
    since: Since = None,
    until: Until = None,
    sensor: Sensor = "",
    text: Words = "",
    redriven: Redriven = False,
    warm_up: WarmUp = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of them.")] = False,
    receivers: ReceiversOption = None,
    kafka_alerts: KafkaOption = "",
    alertmanager: AlertmanagerOption = "",
) -> None:
    """Read dead letters again by today's city files, and bring everything to what it would have been.

    Readings correct the aggregates they belong to; findings and alerts are judged anew from what is stored. What fails
    again stays dead, with its new reason. Nothing counts twice, however often this is run.
    """
    console = Console()
    registry, settings = check_city(city), load_settings(city)
    chosen = _filter(reason, partition, since, until, sensor, text, redriven)
    tell = teller(registry, receivers, kafka_alerts, alertmanager)
    with closing(connect(dsn)) as client:
        ensure_schema(client)
        _counts(console, counts(client, chosen))
        done = redrive_letters(
            client, registry, settings, chosen, time.time_ns(), warm_up=warm_up, dry_run=dry_run, tell=tell
        )
    still = ", ".join(f"{reason} {count:,}" for reason, count in sorted(done.reasons.items()))
    console.print(
        f"{'would be used' if dry_run else 'used'}: {done.used:,} of {done.letters:,} letters, "
        f"{done.readings:,} readings and {done.video:,} video events; still dead: {still or 'none'}"
    )
    if done.reviewed is not None:
        report(console, done.reviewed)


def _filter(
    reason: str,
    partition: str,
    since: datetime | None,
    until: datetime | None,
    sensor: str,
    text: str,
    redriven: bool,
) -> Filter:
    first, last = (None if when is None else moment(when, 0) for when in (since, until))
    return Filter(reason, partition, first, last, sensor, text, redriven)


def _counts(console: Console, groups: list[Count]) -> None:
    if not groups:
        console.print("no dead letters")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("partition", "reason", "letters", "first", "last", "one of them"):
        table.add_column(name, justify="right" if name == "letters" else "left", overflow="fold")
    for group in groups:
        times = iso(group.first), iso(group.last)
        cells = group.partition, group.reason, f"{group.letters:,}", *times, group.detail
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print(f"{sum(group.letters for group in groups):,} letters")


def _show(console: Console, letter: DeadLetter) -> None:
    place = f"{letter.partition} at {letter.offset}" + (f", row {letter.row}" if letter.row >= 0 else "")
    console.print(Text(f"{place}, recorded {iso(letter.recorded)}: {letter.reason}", style="bold"))
    console.print(Text(f"  {letter.detail}"))
    # As Python writes bytes: whatever is in them, the terminal is safe.
    shown = repr(letter.payload[:400])[2:-1] + (" ..." if len(letter.payload) > 400 else "")
    console.print(Text(f"  {shown}", style="dim"))
