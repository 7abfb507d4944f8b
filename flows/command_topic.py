"""Where the command line sends orders to the field: nowhere, unless it says so and the stream is the present."""

from __future__ import annotations

import logging
from typing import Annotated, TypeAlias

import typer

from domain.city import City
from domain.errors import ConfigError, Problem
from domain.secrets import refuse_password
from sinks.commands import CommandTopic

__all__ = ["CommandsOption", "command_topic"]

log = logging.getLogger(__name__)

CommandsOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--commands", help="Send orders to the field to this topic: kafka://BROKERS/TOPIC. Never done otherwise.",
        metavar="URL",
    ),
]  # fmt: skip


def command_topic(city: City, url: str, *, live: bool) -> dict[str, CommandTopic]:
    """The topic that orders go to, by the name of its part in the flow; raises ConfigError.

    Parameters
    ----------
    live
        Whether the stream is the present: what was recorded, or is simulated, moves nothing.
    """
    if not url:
        if city.ventilation is not None and live:
            log.warning("the city has [ventilation], and no --commands: orders are kept in the database and not sent")
        return {}
    brokers, _, topic = url.removeprefix("kafka://").partition("/")
    if not url.startswith("kafka://") or not brokers or not topic:
        raise _problem(f"expected kafka://BROKERS/TOPIC, got {url!r}")
    refuse_password(f"kafka://{brokers}", "--commands", "LIFELINE_KAFKA_SASL_USERNAME, LIFELINE_KAFKA_SASL_PASSWORD")
    if city.ventilation is None:
        raise _problem("expected a city with a [ventilation] table in city.toml: without it nothing is ordered")
    if not live:
        raise _problem("orders are sent for a live stream only, not for one that was recorded or is simulated")
    return {"commands": CommandTopic(brokers, topic)}


def _problem(message: str) -> ConfigError:
    return ConfigError([Problem("", "", "--commands", message)])
