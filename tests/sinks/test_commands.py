"""Orders in a topic, against librdkafka's mock broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import orjson
import pytest

from domain import metrics
from domain.clock import MINUTE, SECOND
from domain.commands import CommandEvent, Step
from domain.health import HEALTH
from sinks.commands import CommandTopic, encode
from tests.kafka_broker import Broker, broker
from tests.sinks.test_kafka import consumed, topic_of

TS = 1_764_000_000 * SECOND
OPERATE = CommandEvent(
    UUID(int=1), UUID(int=2), 1, Step.OPERATE, TS, "T1", "lifeline", "asked for by fans", UUID(int=3), "F1", 18.0,
    TS + 30 * SECOND, 20 * MINUTE,
)  # fmt: skip


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def test_an_order_as_the_field_reads_it() -> None:
    """Everything that a controller needs to carry it out once, in time, and to stand again by itself."""
    assert orjson.loads(encode(OPERATE)) == {
        "id": str(UUID(int=1)), "command": str(UUID(int=2)), "seq": 1, "order": "operate", "asset": "T1",
        "ts": 1_764_000_000_000, "expires": 1_764_000_030_000, "run": 1_200_000, "reason": "asked for by fans",
        "finding": str(UUID(int=3)),
    }  # fmt: skip


def test_orders_and_nothing_else(kafka: Broker) -> None:
    """Keyed by asset; what the field answered is not sent back to it, and what has expired is not sent at all."""
    topic = topic_of(kafka)
    expired = metrics.COMMANDS_NOT_SENT.labels("expired")
    before = expired._value.get()
    outlet = CommandTopic(kafka.address, topic, now=lambda: TS + 5 * SECOND)
    with outlet.opened():
        delivery = outlet.delivery()
        delivery.take([OPERATE, replace(OPERATE, step=Step.CONFIRMED, expires=0)])
        delivery.take([replace(OPERATE, id=UUID(int=9), expires=TS + 5 * SECOND)])
        delivery.snapshot()
        ((key, order),) = consumed(kafka, topic, 1)
    assert (key, order["id"], order["order"]) == (b"T1", str(UUID(int=1)), "operate")
    assert expired._value.get() == before + 1


def test_a_broker_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Holds the flow up for a moment; the order is lost, which is said, and shows as an answer that does not come."""
    outlet = CommandTopic("127.0.0.1:1", "orders", now=lambda: TS)
    with outlet.opened():
        delivery = outlet.delivery()
        delivery.take([OPERATE])
        delivery.snapshot()
        assert any(reason.startswith("commands: ") for reason in HEALTH.ready().reasons)
    assert "an order was not sent" in caplog.text
