"""`lifeline record`: the replay of a recording is the live run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.city import City
from domain.streams import Source
from flows.commands.record import copy
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.kafka_broker import Broker, broker, drain

CITY = City("test", "UTC", ())

Record = tuple[str, int, int, bytes]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


def everything(source: Source) -> list[Record]:
    found: list[Record] = []
    for name in source.partitions():
        partition = source.open(name, None)
        for b in drain(partition):
            found += ((b.partition, int(b.offset[i]), int(b.recorded[i]), b.payload(i)) for i in range(len(b)))
        partition.close()
    return found


def test_replay_equals_live(kafka: Broker, tmp_path: Path) -> None:
    """Partition, offset, recorded time and bytes of every message are kept, also over a second run that continues."""
    topic = kafka.topic()
    for partition in (0, 2):
        kafka.produce(topic, [b"\x00\xff%d" % i for i in range(100)], partition)
    live = KafkaSource(kafka.address, [topic], until_end=True)
    assert copy(live, tmp_path / "out") == 200
    for partition in (0, 1):
        kafka.produce(topic, [b"", b"x" * 100_000], partition)
    assert copy(live, tmp_path / "out") == 4, "what is recorded already is not recorded again"
    replay = open_recording(tmp_path / "out", CITY)
    assert tuple(replay.partitions()) == tuple(live.partitions())
    assert everything(replay) == everything(live)


def test_stopping_keeps_what_was_read(kafka: Broker, tmp_path: Path) -> None:
    """Ctrl-C between polls loses nothing."""
    topic = kafka.topic()
    kafka.produce(topic, [b"m"] * 10)
    seen: list[int] = []
    source = KafkaSource(kafka.address, [topic])
    polls = iter(range(1_000))
    copy(source, tmp_path / "out", stopped=lambda: next(polls) > 100, report=lambda n, _: seen.append(n))
    assert seen == [10]
    recorded = everything(open_recording(tmp_path / "out", CITY))
    assert [offset for _, offset, _, _ in recorded] == list(range(10))
