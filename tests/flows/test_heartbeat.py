"""That the engine is alive, and how far it is behind, reaches people past all that may be held up."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.city_files import write_city
from domain.clock import HOUR, MILLISECOND, SECOND
from domain.findings import AlertEvent, AlertEventType
from domain.health import HEALTH
from domain.metrics import BEHIND
from domain.operations import HEARTBEAT, LAG
from domain.records import DeadLetter
from domain.settings import EngineSettings, TimeRules
from flows.engine import Engine
from flows.run import Cluster, Recovery
from sinks.alertmanager import AlertmanagerWriter
from sinks.receivers import Receiver
from sources.kafka import KafkaSource
from tests.flows.collect import Collected
from tests.flows.command import Command, until
from tests.flows.stored import chdb
from tests.flows.town import CITY, T0, reading
from tests.kafka_broker import Broker, broker

SETTINGS = EngineSettings(
    shards=3,
    block=SECOND,
    heartbeat=300 * MILLISECOND,
    time=TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND),
)


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    with broker() as running:
        yield running


class Valve(DynamicSink[Any]):
    """A sink that takes nothing while it is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Valve(self.open)


class _Valve(StatelessSinkPartition[Any]):
    def __init__(self, open: threading.Event) -> None:
        self._open = open

    def write_batch(self, items: list[Any]) -> None:
        assert self._open.wait(60)


@contextmanager
def running(
    source: KafkaSource,
    folder: Path,
    workers: int,
    settings: EngineSettings,
    store: dict[str, Any],
    alerts: dict[str, Any] | None = None,
) -> Iterator[Collected]:
    """A live engine in a thread; what people are told."""
    told, stop = Collected(), threading.Event()
    recovery = Recovery(folder / "recovery", timedelta(seconds=0.1))
    engine = Engine(
        CITY, settings, source, None, live=True, cluster=Cluster(workers), recovery=recovery,
        alerts={"people": told, **(alerts or {})}, store=store,
    )  # fmt: skip
    thread = threading.Thread(target=engine.run, args=(stop,))
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def _send(kafka: Broker, topic: str, ago: float, count: int = 1, partition: int = 0) -> None:
    """Readings that were recorded so many seconds ago."""
    now = time.time_ns() - round(ago * SECOND)
    rows = [(now + i * MILLISECOND, reading("G00", now // MILLISECOND - T0 + i, 1.0)) for i in range(count)]
    kafka.produce_at(topic, rows, partition)


def _holds(collected: Collected, letters: int) -> bool:
    return len(collected.of(DeadLetter)) >= letters


def _behind(topic: str) -> bool:
    """Whether `/readyz` gives that as a reason."""
    return any(reason.startswith(f"{topic}/0: 1") and "s behind" in reason for reason in HEALTH.ready().reasons)


def _of(told: Collected, kind: str) -> list[AlertEvent]:
    return [event for event in told.of(AlertEvent) if event.alert.kind == kind]


@pytest.mark.parametrize("workers", [1, 2])
def test_no_heart_beats_while_a_sink_is_stuck(kafka: Broker, tmp_path: Path, workers: int) -> None:
    """Epochs end nowhere then, whichever worker the sink is of; and it beats again as soon as the sink is free."""
    topic, valve = kafka.topic(), Valve()
    _send(kafka, topic, 0)
    with running(KafkaSource(kafka.address, [topic]), tmp_path, workers, SETTINGS, {"valve": valve}) as told:
        until(lambda: len(_of(told, HEARTBEAT)) >= 4, seconds=20)
        try:
            valve.open.clear()
            for partition in range(4):
                _send(kafka, topic, 0, 20, partition)
                _send(kafka, topic, -5, 1, partition)  # closes what the others have filled
            until(lambda: time.time_ns() > _of(told, HEARTBEAT)[-1].alert.cleared, seconds=20)
        finally:
            valve.open.set()
        beats = len(_of(told, HEARTBEAT))
        until(lambda: len(_of(told, HEARTBEAT)) >= beats + 2, seconds=20)
    assert {event.alert.place for event in _of(told, HEARTBEAT)} == {"engine 0"}


def test_who_is_behind_says_so(kafka: Broker, tmp_path: Path) -> None:
    """Three hundred messages of two minutes ago, thirty an epoch: raised at once, with the backlog; cleared after."""
    topic, collected = kafka.topic(), Collected()
    _send(kafka, topic, 120, 300)
    _send(kafka, topic, 0)
    slow = SETTINGS.model_copy(update={"in_flight": 120})
    source = KafkaSource(kafka.address, [topic], batch=10)
    with running(source, tmp_path, 1, slow, {"collect": collected}) as told:
        until(lambda: _behind(topic), seconds=30)
        until(lambda: any(event.type is AlertEventType.CLEARED for event in _of(told, LAG)), seconds=30)
        until(lambda: not _behind(topic), seconds=30)
    lag = _of(told, LAG)
    assert [lag[0].type, lag[-1].type] == [AlertEventType.RAISED, AlertEventType.CLEARED]
    assert {event.type for event in lag[1:-1]} <= {AlertEventType.UPDATED}
    assert len({event.alert.id for event in lag}) == 1
    assert f"s behind at {topic}/0" in lag[0].alert.summary
    assert "messages wait" in lag[0].alert.summary
    assert {e.alert.kind for e in collected.of(AlertEvent)} & {LAG, HEARTBEAT} == set(), "they follow from no stream"


@pytest.mark.parametrize("lag", [HOUR, None])
def test_as_far_behind_as_it_may_be(kafka: Broker, tmp_path: Path, lag: int | None) -> None:
    """`lag` decides both: no alert, and ready all the while."""
    topic = kafka.topic()
    _send(kafka, topic, 120, 300)
    slow = SETTINGS.model_copy(update={"in_flight": 120, "lag": lag})
    with running(KafkaSource(kafka.address, [topic], batch=10), tmp_path, 1, slow, {}) as told:
        measured = BEHIND.labels(f"{topic}/0")._value
        until(lambda: measured.get() > 100, seconds=20)
        until(lambda: measured.get() <= 1, lambda: not _behind(topic), seconds=30)
    assert _of(told, LAG) == []


class Alertmanager(BaseHTTPRequestHandler):
    """Keeps what comes; answers nobody while it is stuck."""

    posts: ClassVar[list[dict[str, Any]]]
    well: ClassVar[threading.Event]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.well.wait(60):
            self.posts.extend(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def alertmanager() -> Iterator[tuple[str, type[Alertmanager]]]:
    class Ours(Alertmanager):
        posts: ClassVar[list[dict[str, Any]]] = []
        well: ClassVar[threading.Event] = threading.Event()

    Ours.well.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield "http://{}:{}".format(*http.server_address), Ours
        finally:
            Ours.well.set()
            http.shutdown()
            thread.join()


def _ends(posts: list[dict[str, Any]]) -> float:
    """When the last heartbeat counts as over, seconds of the epoch."""
    return max(
        datetime.fromisoformat(post["endsAt"]).timestamp() for post in posts if post["labels"]["alertname"] == HEARTBEAT
    )


def test_a_process_that_stands_still_is_missed(
    kafka: Broker, tmp_path: Path, alertmanager: tuple[str, type[Alertmanager]]
) -> None:
    """SIGSTOP: the last heartbeat runs out. SIGCONT: they come again. kill -9: it runs out for good."""
    url, seen = alertmanager
    topic = kafka.topic()
    _send(kafka, topic, 0)
    write_city(CITY, tmp_path / "town", SETTINGS)
    stream, dsn = f"kafka://{kafka.address}/{topic}", chdb(tmp_path / "clickhouse")
    arguments = ["city", tmp_path / "town", stream, "--dsn", dsn, "--serve-port", 0, "--metrics", ""]
    with Command(tmp_path, *arguments, "--alertmanager", url, "-r", tmp_path / "recovery", "-s", 0.2) as run:
        until(lambda: len(seen.posts) >= 3, lambda: run.running, said=lambda: run.err)
        run.send(signal.SIGSTOP)
        until(lambda: time.time() > _ends(seen.posts), seconds=10)
        run.send(signal.SIGCONT)
        until(lambda: time.time() < _ends(seen.posts), lambda: run.running, 10, lambda: run.err)
        run.kill()
        until(lambda: time.time() > _ends(seen.posts), seconds=10)
    beats = [post for post in seen.posts if post["labels"]["alertname"] == HEARTBEAT]
    assert {post["labels"]["place"] for post in beats} == {"engine 0"}


def test_an_alertmanager_that_is_stuck_holds_up_nothing(
    kafka: Broker, tmp_path: Path, alertmanager: tuple[str, type[Alertmanager]]
) -> None:
    """Readings go through while heartbeats wait for an answer; once it is well they come again."""
    url, seen = alertmanager
    seen.well.clear()
    topic, collected = kafka.topic(), Collected()
    writer = partial(AlertmanagerWriter, url, CITY, attempts=1)
    sinks = {"alertmanager": Receiver("alertmanager", writer, heartbeats=True)}
    _send(kafka, topic, 0)
    source = KafkaSource(kafka.address, [topic])
    with running(source, tmp_path, 1, SETTINGS, {"collect": collected}, sinks):
        began = time.monotonic()
        for _ in range(20):
            wanted = len(collected.of(DeadLetter)) + 1
            kafka.produce(topic, [b"{"], first=time.time_ns() // MILLISECOND)
            until(partial(_holds, collected, wanted), seconds=10)
            time.sleep(0.05)
        assert time.monotonic() - began < 4, "less than one attempt takes"
        seen.well.set()
        until(lambda: len(seen.posts) > 0 and time.time() < _ends(seen.posts), seconds=20)
