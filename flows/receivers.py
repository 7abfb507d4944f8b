"""The receivers of alerts that a command line names: those of a file, and an Alertmanager and a topic beside."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from domain import receivers as settings
from domain.answers import Answering
from domain.city import City
from domain.errors import ConfigError, Problem
from domain.findings import AlertEvent
from domain.receivers import Alertmanager, Cap, Kafka, Mail, Webhook, read_receivers
from domain.secrets import refuse_password
from sinks.alertmanager import AlertmanagerWriter
from sinks.cap import CapWriter, Folder, Outlet, Posted, folder_of
from sinks.channel import Channel
from sinks.http import Poster
from sinks.kafka import KafkaWriter
from sinks.mail import MailWriter
from sinks.receivers import Receiver
from sinks.webhook import WebhookWriter, signing_key

__all__ = ["AlertmanagerOption", "KafkaOption", "ReceiversOption", "named", "receivers"]

ReceiversOption: TypeAlias = Annotated[
    Path | None, typer.Option("--receivers", help="TOML file that says who is told of which alerts.", metavar="FILE")
]
KafkaOption: TypeAlias = Annotated[
    str, typer.Option("--kafka-alerts", help="Also send alerts to this topic: kafka://BROKERS/TOPIC.", metavar="URL")
]
AlertmanagerOption: TypeAlias = Annotated[
    str, typer.Option("--alertmanager", help="Also send alerts to this Alertmanager.", metavar="URL")
]


def named(city: City, file: Path | None, kafka: str, alertmanager: str) -> tuple[settings.Receiver, ...]:
    """What was asked for, as settings; raises ConfigError."""
    found = list(read_receivers(file, city)) if file is not None else []
    beside: list[settings.Receiver] = []
    if kafka:
        brokers, _, topic = kafka.removeprefix("kafka://").partition("/")
        if not brokers or not topic:
            raise _problem("--kafka-alerts", f"expected kafka://BROKERS/TOPIC, got {kafka!r}")
        refuse_password(
            f"kafka://{brokers}", "--kafka-alerts", "LIFELINE_KAFKA_SASL_USERNAME, LIFELINE_KAFKA_SASL_PASSWORD"
        )
        beside.append(Kafka(name="kafka", brokers=brokers, topic=topic))
    if alertmanager:
        refuse_password(alertmanager, "--alertmanager", "LIFELINE_ALERTMANAGER_USER, LIFELINE_ALERTMANAGER_PASSWORD")
        if not alertmanager.startswith(("http://", "https://")):
            raise _problem("--alertmanager", f"expected http://HOST:PORT or https://, got {alertmanager!r}")
        beside.append(Alertmanager(name="alertmanager", url=alertmanager))
    for one in beside:
        if any(one.name == other.name for other in found):
            raise _problem("--receivers", f"{file} has a receiver {one.name!r}, and the command line names another")
    return (*found, *beside)


def receivers(
    city: City, file: Path | None, kafka: str, alertmanager: str, *, attempts: int = 1
) -> dict[str, Receiver]:
    """The receivers by name, none of them open yet; raises ConfigError, also for a secret that is not there.

    Parameters
    ----------
    attempts
        Of one request: more than one where there is no outbox that tries again.
    """
    answering = Answering(city)
    return {
        one.name: Receiver(
            one.name,
            _channel(one, city, answering, attempts),
            partial(_wants, one, city),
            limit=one.spool,
            heartbeats=one.heartbeats,
            desks=bool(one.desks),
        )
        for one in named(city, file, kafka, alertmanager)
    }


def _wants(one: settings.Receiver, city: City, event: AlertEvent, desk: str, at: int) -> bool:
    return one.wants(event, city, desk, at)


def _channel(one: settings.Receiver, city: City, answering: Answering, attempts: int) -> Callable[[], Channel]:
    match one:
        case Webhook():
            return partial(WebhookWriter, _poster(one, attempts), _key(one), one.name, answering=answering)
        case Mail():
            return partial(MailWriter, one, city)
        case Cap():
            folder = folder_of(one.url)
            outlet: Outlet = Folder(folder) if folder else Posted(_poster(one, attempts), _key(one))
            return partial(CapWriter, one, city, outlet)
        case Alertmanager():
            return partial(
                AlertmanagerWriter,
                one.url,
                city,
                label=one.name,
                variables=one.variables,
                timeout=one.timeout,
                attempts=attempts,
            )
        case Kafka():
            return partial(KafkaWriter, one.brokers, one.topic, one.timeout, one.name, answering)


def _poster(one: Webhook | Cap, attempts: int) -> Poster:
    return Poster(one.url, f"receiver {one.name}", one.name, one.variables, timeout=one.timeout, attempts=attempts)


def _key(one: Webhook | Cap) -> bytes | None:
    if not one.signed:
        return None
    variable = f"{one.variables}_SECRET"
    try:
        return signing_key(os.environ.get(variable, ""))
    except ValueError as error:
        raise _problem(variable, f"{error}: it signs what receiver {one.name!r} is sent") from None


def _problem(field: str, message: str) -> ConfigError:
    return ConfigError([Problem("", "", field, message)])
