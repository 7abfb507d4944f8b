"""The broker: topics, clock and what it does with messages; and where alerts go."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from domain.clock import DAY, MILLISECOND, SECOND
from domain.kafka import access, security
from flows.doctor.checks import Check
from flows.doctor.machine import loopback
from operators.intake import TICK_MARGIN
from sources.kafka import KafkaSource

__all__ = ["broker", "topic"]

#: Seconds to wait for answers.
_ANSWER: Final = 5.0
#: Partitions whose newest message is looked at.
_LOOK_AT: Final = 32
#: A weekend without the engine, and a day to mend it.
_RETENTION: Final = 3 * DAY
#: Seconds that the broker's clock may be ahead.
_AHEAD: Final = 1.0


def broker(source: KafkaSource) -> Iterator[Check]:
    """Whether a stream can be read, and whether its broker keeps time and messages as the engine needs it."""
    names = source.partitions()
    yield Check.ok("broker", f"{len(names)} partitions of {', '.join(source.topics)} at {source.brokers}")
    if not security() and not all(loopback(host.rpartition(":")[0]) for host in source.brokers.split(",")):
        advice = "set LIFELINE_KAFKA_SECURITY_PROTOCOL and what belongs to it (docs/sources.md)"
        yield Check.warn("broker line", "neither TLS nor a login", advice)
    yield from _topics(source)
    yield _clock(source, names)


def topic(brokers: str, name: str) -> Iterator[Check]:
    """Whether alerts can go to a topic."""
    count = len(KafkaSource(brokers, [name]).partitions())
    yield Check.ok("topic of alerts", f"{count} partitions of {name} at {brokers}")


def _topics(source: KafkaSource) -> Iterator[Check]:
    admin = AdminClient(access(source.brokers))
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in source.topics]
    try:
        answers = {
            resource.name: {name: entry.value for name, entry in future.result().items()}
            for resource, future in admin.describe_configs(asked, request_timeout=_ANSWER).items()
        }
    except KafkaException as error:
        yield Check.warn("topic settings", f"cannot be read: {error.args[0].str()}", "give this user DescribeConfigs")
        return
    for name, settings in sorted(answers.items()):
        what = f"topic {name}"
        kept = int(settings.get("retention.ms") or -1)
        if settings.get("message.timestamp.type") != "LogAppendTime":
            advice = "set message.timestamp.type=LogAppendTime for it: else recorded times are the producers' clocks"
            yield Check.warn(what, "messages bear the time of whoever sends them", advice)
        elif "compact" in (settings.get("cleanup.policy") or ""):
            advice = "set cleanup.policy=delete, or say gaps=expected behind the stream's address"
            yield Check.warn(what, "old messages are compacted away: that leaves gaps", advice)
        elif 0 <= kept * MILLISECOND < _RETENTION:
            advice = f"set retention.ms to {_RETENTION // MILLISECOND} or more, to outlive a weekend without the engine"
            yield Check.warn(what, f"messages are kept for {kept / 3.6e6:,.1f} hours", advice)
        else:
            yield Check.ok(what, "recorded by the broker's clock, and kept long enough")


def _clock(source: KafkaSource, names: Sequence[str]) -> Check:
    """The newest messages bound how far the two clocks are apart: none can have been recorded after it was read."""
    what = "broker clock"
    ages = _ages(source, names[:_LOOK_AT])
    if not ages:
        return Check.ok(what, "no message yet that the broker has stamped: nothing to compare with")
    least = min(ages)
    if least < -_AHEAD:
        advice = "let both machines follow one time server (NTP)"
        return Check.fail(what, f"at least {-least:.1f} s ahead of this machine's", advice)
    if least <= TICK_MARGIN / SECOND:
        return Check.ok(what, f"agrees with this machine's: the newest message is {max(least, 0):.1f} s old")
    return Check.ok(what, f"not ahead; the newest message is {least:,.0f} s old, which tells no more")


def _ages(source: KafkaSource, names: Sequence[str]) -> list[float]:
    """How old the newest message of each partition is, s, where the broker has stamped it."""
    consumer = source.consumer(lambda error: None)
    try:
        newest = []
        for name in names:
            of, _, number = name.rpartition("/")
            low, high = consumer.get_watermark_offsets(TopicPartition(of, int(number)), timeout=_ANSWER)
            if high > low:
                newest.append(TopicPartition(of, int(number), high - 1))
        if not newest:
            return []
        consumer.assign(newest)
        ages: list[float] = []
        waiting = {(place.topic, place.partition) for place in newest}
        deadline = time.monotonic() + _ANSWER
        while waiting and time.monotonic() < deadline:
            for message in consumer.consume(len(waiting), 0.2):
                waiting.discard((message.topic(), message.partition()))
                if message.error() is None and message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME:
                    ages.append(time.time() - message.timestamp()[1] / 1000)
        return ages
    finally:
        consumer.close()
