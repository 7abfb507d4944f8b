"""`lifeline review`: findings and alerts put right by what came late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from domain.city import City
from domain.city_files import load_settings
from domain.clock import TS_MAX, TS_MIN, iso
from domain.findings import AlertEvent
from flows.commands.check import check_city
from flows.options import CityName, DsnOption, WarmUp, moment, topic_of
from flows.review import Reviewed
from flows.review import review as put_right
from sinks.alertmanager import AlertmanagerWriter
from sinks.clickhouse.client import DEFAULT_DSN, connect
from sinks.clickhouse.schema import ensure_schema
from sinks.kafka import KafkaWriter

__all__ = ["Alertmanager", "KafkaAlerts", "report", "review", "teller"]

KafkaAlerts: TypeAlias = Annotated[
    str, typer.Option(help="Also send the corrections to this topic: kafka://BROKERS/TOPIC.", metavar="URL")
]
Alertmanager: TypeAlias = Annotated[
    str, typer.Option(help="Also send the corrections to this Alertmanager.", metavar="URL")
]


def review(
    city: CityName,
    dsn: DsnOption = DEFAULT_DSN,
    since: Annotated[datetime | None, typer.Option(help="Correct what is of this time (UTC) or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Judge readings of before this time (UTC).")] = None,
    warm_up: WarmUp = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be corrected.")] = False,
    kafka_alerts: KafkaAlerts = "",
    alertmanager: Alertmanager = "",
) -> None:
    """Judge what is stored anew, late readings in their places, and correct findings and alerts.

    While an engine runs, give it a minute: --until one minute ago. A second review changes nothing.
    """
    registry, settings = check_city(city), load_settings(city)
    tell = teller(registry, kafka_alerts, alertmanager)
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


def teller(city: City, kafka: str, alertmanager: str) -> Callable[[Sequence[AlertEvent]], None]:
    """Sends alert events to where they are wanted. Raises ConfigError for an address that is none."""
    place = topic_of(kafka) if kafka else None

    def tell(events: Sequence[AlertEvent]) -> None:
        if place is not None and events:
            writer = KafkaWriter(*place)
            writer.write(events)
            writer.flush()
        if alertmanager and events:
            AlertmanagerWriter(alertmanager, city).write(events)

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
