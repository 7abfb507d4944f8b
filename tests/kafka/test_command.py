"""The command against a real broker: a topic that comes later, partitions that join a cluster."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from threading import Event, Timer

import pytest

from domain.city_files import write_city
from flows.commands.record import copy
from flows.engine import Engine
from sources.kafka import KafkaSource
from tests.flows.command import Command, free_port, total, until
from tests.flows.stored import chdb, differences, tables
from tests.flows.town import CITY
from tests.kafka.feed import SETTINGS, Feed, add_partitions, make_topic
from tests.kafka.server import Server
from tests.kafka_broker import Broker


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town") / "town"
    write_city(CITY, folder, SETTINGS)
    return folder


def test_topic_that_comes_later(kafka: Broker, city: Path, tmp_path: Path) -> None:
    """It is waited for, which the log says; when it is there it is read."""
    topic, port = kafka.topic(), free_port()
    arguments = ["city", city, f"kafka://{kafka.address}/{topic}", "--metrics", f"127.0.0.1:{port}"]
    with Command(tmp_path, *arguments, "--serve-port", 0) as run:
        until(lambda: "waiting for a topic" in run.err, lambda: run.running, said=lambda: run.err)
        assert f"Kafka {topic} at {kafka.address}" in run.err
        make_topic(kafka.address, topic)
        with Feed(kafka.address, topic):
            run.comes_to(port, 100)
        run.send(signal.SIGTERM)
        run.ends(seconds=20)


def test_topic_that_never_comes(kafka: Broker) -> None:
    """A run that is stopped while it waits ends well."""
    stop = Event()
    Timer(0.5, stop.set).start()
    source = KafkaSource(kafka.address, [kafka.topic()], stop=stop)
    Engine(CITY, SETTINGS, source, None, live=True).run(stop)


@pytest.mark.skipif("LIFELINE_SOAK" not in os.environ, reason="takes half a minute: set LIFELINE_SOAK=1")
def test_partitions_join_a_cluster(kafka: Broker, server: Server, city: Path, tmp_path: Path) -> None:
    """Two processes agree on who joins, and both go on; what is stored in the end is what a replay stores."""
    topic, port = make_topic(kafka.address, kafka.topic(), 2), free_port(2)
    dsn, stream = chdb(tmp_path / "clickhouse"), f"kafka://{kafka.address}/{topic}"
    common = ["--dsn", dsn, "--serve-port", 0, "-r", tmp_path / "recovery"]
    live = ["city", city, stream, "--metrics", f"127.0.0.1:{port}", "-p", 2, "-s", 0.5, *common]
    with Command(tmp_path, *live) as run, Feed(kafka.address, topic, 2) as feed:
        run.comes_to(port + 1, 100)
        add_partitions(kafka.address, topic, 4)
        until(lambda: "joined" in run.err, lambda: run.running, said=lambda: run.err)
        feed.partitions = 4
        before = [total(port + process, "lifeline_readings_total") for process in range(2)]
        for process in range(2):
            run.comes_to(port + process, int(before[process]) + 100)
        run.send(signal.SIGTERM)
        run.ends(seconds=20)
    assert "Traceback" not in run.err
    with Command(tmp_path, "city", city, stream, "--metrics", "", "--until-end", *common) as run:
        run.ends()
    copy(KafkaSource(kafka.address, [topic], until_end=True), tmp_path / "recording")
    again = chdb(tmp_path / "replayed")
    replay = ["city", city, tmp_path / "recording", "--metrics", "", "--no-recovery", "--serve-port", 0]
    with Command(tmp_path, *replay, "--dsn", again) as run:
        run.ends()
    assert differences(tables(dsn), tables(again)) == {}
