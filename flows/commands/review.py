"""`lifeline review`: findings and alerts put right by what came late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from domain.city import City
from domain.city_files import load_settings
from domain.clock import TS_MAX, TS_MIN, iso
from domain.findings import AlertEvent
from flows.commands.check import check_city
from flows.options import CityName, DsnOption, WarmUp, moment
from flows.receivers import AlertmanagerOption, KafkaOption, ReceiversOption
from flows.receivers import receivers as receivers_of
from flows.review import Reviewed
from flows.review import review as put_right
from sinks.clickhouse.client import DEFAULT_DSN, connect
from sinks.clickhouse.schema import ensure_schema

__all__ = ["report", "review", "teller"]


def review(
    city: CityName,
    dsn: DsnOption = DEFAULT_DSN,
    since: Annotated[datetime | None, typer.Option(help="Correct what is of this time (UTC) or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Judge readings of before this time (UTC).")] = None,
    warm_up: WarmUp = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be corrected.")] = False,
    receivers: ReceiversOption = None,
    kafka_alerts: KafkaOption = "",
    alertmanager: AlertmanagerOption = "",
) -> None:
    """Judge what is stored anew, late readings in their places, and correct findings and alerts.

    While an engine runs, give it a minute: --until one minute ago. A second review changes nothing.
    """
    registry, settings = check_city(city), load_settings(city)
    tell = teller(registry, receivers, kafka_alerts, alertmanager)
    with closing(connect(dsn)) as client:
        ensure_schema(client)
        done = put_right(
            client,
            registry,
            settings,
            since=moment(since, TS_MIN),
            until=moment(until, TS_MAX),
            warm_up=warm_up,
            write=not dry_run,
            tell=tell,
        )
    report(Console(), done)


def teller(city: City, file: Path | None, kafka: str, alertmanager: str) -> Callable[[Sequence[AlertEvent]], None]:
    """Sends alert events to where they are wanted. Raises ConfigError for what cannot be."""
    wanted = receivers_of(city, file, kafka, alertmanager, attempts=4)

    def tell(events: Sequence[AlertEvent]) -> None:
        for receiver in wanted.values():
            receiver.tell(events)

    return tell


def report(console: Console, done: Reviewed) -> None:
    """Say what a review has corrected."""
    console.print(
        f"{done.readings:,} readings judged; findings: {len(done.found):,} records added, {done.withdrawn:,} "
        f"withdrawn; alerts: {len(done.events):,} corrected",
        highlight=False,
    )
    for event in done.events:
        alert = event.alert
        console.print(f"  {event.type}: {alert.summary} (raised {iso(alert.raised)}); {event.note}", highlight=False)
