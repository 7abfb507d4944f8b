"""A live run from a real broker, whatever happens to the broker: it stores what a replay of the topic stores."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from flows.commands.record import copy
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.town import CITY
from tests.kafka.broker import Running
from tests.kafka.feed import Feed, Live, add_partitions, make_topic
from tests.kafka.server import Server
from tests.kafka_broker import Broker, drain, payloads


def agrees(live: Live, feed: Feed, exact: bool = True) -> None:
    """Nothing was lost, nothing is there twice, and the replay is the same."""
    stored = live.finish()
    messages, replayed = live.replay()
    assert messages == feed.delivered or not exact
    assert {"findings", "alert_events", "late_rows", "dead_letters", "video_events"} <= stored.keys()
    assert stored == replayed


@pytest.mark.parametrize("workers", [1, 2])
def test_live_is_replay(kafka: Broker, started: Running, tmp_path: Path, workers: int) -> None:
    """The whole flow, live, with poison messages among the readings."""
    topic = make_topic(kafka.address, kafka.topic())
    with Feed(kafka.address, topic) as feed, Live(kafka.address, topic, tmp_path, workers) as live:
        live.comes_to(80)
    agrees(live, feed, started.exact)


def test_broker_killed_and_restarted(kafka: Broker, server: Server, tmp_path: Path) -> None:
    """`kill -9` of the broker: the engine waits, goes on by itself where it was, and never stops."""
    topic = make_topic(kafka.address, kafka.topic())
    with Feed(kafka.address, topic) as feed, Live(kafka.address, topic, tmp_path) as live:
        live.comes_to(40)
        server.kill()
        time.sleep(0.5)
        server.start()
        live.comes_to(60)
    agrees(live, feed)


def test_slow_broker(kafka: Broker, server: Server, tmp_path: Path) -> None:
    """A broker that answers nobody for some seconds is waited for."""
    topic = make_topic(kafka.address, kafka.topic())
    with Feed(kafka.address, topic) as feed, Live(kafka.address, topic, tmp_path) as live:
        live.comes_to(40)
        server.freeze()
        time.sleep(3)
        server.thaw()
        live.comes_to(60)
    agrees(live, feed)


@pytest.mark.parametrize("workers", [1, 2])
def test_partitions_join(
    kafka: Broker, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    """Partitions that are added while the engine runs are read without a restart, with all that they hold."""
    caplog.set_level(logging.WARNING, "flows.membership")
    topic = make_topic(kafka.address, kafka.topic(), 2)
    with Feed(kafka.address, topic, 2) as feed, Live(kafka.address, topic, tmp_path, workers) as live:
        live.comes_to(20)
        add_partitions(kafka.address, topic, 5)
        live.waits_for(lambda: "joined" in caplog.text)
        feed.partitions = 5
        live.comes_to(60)
    agrees(live, feed)


def test_recording_grows(kafka: Broker, tmp_path: Path) -> None:
    """Partitions that are added while a topic is recorded, or between, are recorded too, behind the others."""
    topics = [make_topic(kafka.address, kafka.topic(), 1) for _ in range(2)]
    source = KafkaSource(kafka.address, topics)
    told: list[int] = []

    def stopped() -> bool:
        if told == [0]:
            told.append(0)
            add_partitions(kafka.address, topics[0], 2)
            kafka.produce(topics[0], [b"new"], 1)
        return sum(told) > 0

    copy(source, tmp_path / "out", every=0.1, stopped=stopped, report=lambda messages, _: told.append(messages))
    add_partitions(kafka.address, topics[1], 2)
    kafka.produce(topics[1], [b"newer"], 1)
    copy(KafkaSource(kafka.address, topics, until_end=True), tmp_path / "out")
    replay = open_recording(tmp_path / "out", CITY)
    names = [f"{topics[0]}/0", f"{topics[1]}/0", f"{topics[0]}/1", f"{topics[1]}/1"]
    assert list(replay.partitions()) == names
    assert [payloads(drain(replay.open(name, None))) for name in names] == [[], [], [b"new"], [b"newer"]]
