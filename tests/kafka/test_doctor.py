"""What the doctor sees of a real broker."""

from __future__ import annotations

import pytest

from flows.doctor.broker import broker
from flows.doctor.checks import Check
from sources.kafka import KafkaSource
from tests.kafka.feed import make_topic
from tests.kafka.server import Server
from tests.kafka_broker import Broker

DAY_MS = 86_400_000


def seen(kafka: Broker, **settings: object) -> dict[str, Check]:
    """The checks of a topic with one fresh message, by what was looked at."""
    topic = kafka.topic()
    make_topic(kafka.address, topic, 1, **{name.replace("_", "."): str(value) for name, value in settings.items()})
    kafka.produce(topic, [b"x"])
    found = {check.what.replace(topic, ""): check for check in broker(KafkaSource(kafka.address, [topic]))}
    assert found["broker"].grade == "ok"
    return found


def test_as_it_should_be(kafka: Broker, server: Server) -> None:
    """The broker stamps, and keeps for a week: the newest message shows that the clocks agree."""
    found = seen(kafka, message_timestamp_type="LogAppendTime", retention_ms=7 * DAY_MS)
    assert found["topic "].grade == "ok"
    assert "agrees with this machine's" in found["broker clock"].found


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"message_timestamp_type": "CreateTime"}, "LogAppendTime"),
        ({"message_timestamp_type": "LogAppendTime", "retention_ms": DAY_MS}, "weekend"),
        ({"message_timestamp_type": "LogAppendTime", "cleanup_policy": "compact"}, "gaps=expected"),
    ],
)
def test_settings_that_cost_something(kafka: Broker, server: Server, settings: dict[str, object], advice: str) -> None:
    """Whose clock it is, how long messages last, and whether all of them do."""
    check = seen(kafka, **settings)["topic "]
    assert (check.grade, advice in check.advice) == ("warn", True)
