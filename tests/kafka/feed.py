"""A town that is happening now: gateways that send to Kafka, and the engine that watches them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # type: ignore[attr-defined]

from domain import metrics
from domain.clock import MILLISECOND, SECOND
from domain.settings import EngineSettings, TimeRules
from flows.commands.record import copy
from flows.engine import Engine
from flows.run import Cluster, Recovery
from sources.kafka import KafkaSource
from sources.recorded import open_recording
from tests.flows.collect import Collected
from tests.flows.command import until
from tests.flows.town import CITY, T0, event, reading

__all__ = ["SETTINGS", "Feed", "Live", "add_partitions", "make_topic"]

SETTINGS: Final = EngineSettings(
    shards=3, block=SECOND, time=TimeRules(lateness=200 * MILLISECOND, idle=300 * MILLISECOND)
)


def make_topic(address: str, name: str, partitions: int = 4, **config: str) -> str:
    """Make a topic whose messages bear the broker's time."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    topic = NewTopic(name, partitions, 1, config={"message.timestamp.type": "LogAppendTime"} | config)
    admin.create_topics([topic])[name].result(20)
    return name


def add_partitions(address: str, name: str, total: int) -> None:
    """Let a topic have so many partitions."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    admin.create_partitions([NewPartitions(name, total)])[name].result(20)


class Feed:
    """A gateway a partition, each with sensors of its own, twenty times a second until the end of the `with` block.

    Gas leaks in every other second; among it come late readings, repeats, camera events and what nobody can read.

    Attributes
    ----------
    partitions
        How many partitions are sent to now.
    delivered
        Messages that the broker has.
    """

    def __init__(self, address: str, topic: str, partitions: int = 4) -> None:
        self._topic = topic
        self.partitions = partitions
        self.delivered = 0
        self._failed: list[KafkaError] = []
        settings = {"enable.idempotence": True, "linger.ms": 1, "log_level": 0, "reconnect.backoff.max.ms": 200}
        looks = {"topic.metadata.refresh.interval.ms": 200}
        self._producer = Producer({"bootstrap.servers": address, **settings, **looks})
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(30)
        assert self._producer.flush(60) == 0
        assert self._failed == []

    def _send(self) -> None:
        turn = 0
        while not self._done.wait(0.05):
            now = time.time_ns() // MILLISECOND - T0
            for partition in range(self.partitions):
                self._gateway(partition, now, turn)
            self._producer.poll(0)
            turn += 1

    def _gateway(self, partition: int, now: int, turn: int) -> None:
        for i in range(6 * partition, 6 * partition + 6):
            leak = 40.0 if now // 1000 % 2 and i % 6 < 3 else 0.0
            self._put(partition, reading(CITY.sensors[i % 30].id, now - 10 * (i % 3), leak + turn % 7))
        if turn % 9 == partition:
            self._put(partition, reading(CITY.sensors[6 * partition % 30].id, now - 900, 3.0))
            self._put(partition, event(f"C{partition % 4}", now))
            self._put(partition, b'{"sensor":"G00","ts":')
            self._put(partition, reading("nobody", now, 1.0))

    def _put(self, partition: int, payload: bytes) -> None:
        try:
            self._producer.produce(self._topic, payload, partition=partition, on_delivery=self._told)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._UNKNOWN_PARTITION:  # new, and not heard of here yet
                raise

    def _told(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self._failed.append(error)


class Live:
    """The engine on a topic, in a thread of this process.

    Attributes
    ----------
    found
        What it has stored.
    """

    def __init__(
        self, address: str, topic: str, folder: Path, workers: int = 1, settings: EngineSettings = SETTINGS
    ) -> None:
        self._settings = settings
        self._address, self._topic, self._folder = address, topic, folder
        self._workers = workers
        self._stop = threading.Event()
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._live, daemon=True)
        self.found = Collected()

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert kind is not None or self._error == []

    def waits_for(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds, while the engine runs."""
        until(holds, self._thread.is_alive, seconds, lambda: repr(self._error))

    def comes_to(self, blocks: int) -> None:
        """Wait until it has stored so many more blocks."""
        before = len(self.found.items)
        self.waits_for(lambda: len(self.found.items) >= before + blocks)

    def has_read(self, messages: int) -> None:
        """Wait until it has read so many messages altogether."""
        self.waits_for(lambda: self._read() >= messages)

    def _read(self) -> int:
        samples = [sample for metric in metrics.MESSAGES.collect() for sample in metric.samples]
        ours = (s for s in samples if s.labels["partition"].startswith(f"{self._topic}/"))
        return int(sum(sample.value for sample in ours if sample.name.endswith("_total")))

    def finish(self) -> Mapping[str, str]:
        """Take up what is left, to the present end of the topic; what was stored altogether."""
        self._run(live=False)
        return self.found.tables()

    def replay(self) -> tuple[int, Mapping[str, str]]:
        """Record the topic and replay the recording: messages, and what is stored."""
        folder = self._folder / "recording"
        messages = copy(KafkaSource(self._address, [self._topic], until_end=True), folder)
        replayed = Collected()
        source = open_recording(folder, CITY, batch=37)
        Engine(CITY, self._settings, source, None, cluster=Cluster(2), store={"collect": replayed}).run()
        return messages, replayed.tables()

    def _live(self) -> None:
        try:
            self._run(live=True)
        except BaseException as error:  # pytest would only warn
            self._error.append(error)

    def _run(self, *, live: bool) -> None:
        Engine(
            CITY,
            self._settings,
            KafkaSource(self._address, [self._topic], until_end=not live, stop=self._stop if live else None),
            None,
            live=live,
            cluster=Cluster(self._workers),
            recovery=Recovery(self._folder / "recovery", timedelta(seconds=0.3)),
            store={"collect": self.found},
            look=0.2,
        ).run(self._stop if live else None)
