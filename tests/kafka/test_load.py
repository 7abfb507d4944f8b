"""More than the engine can take: memory is bounded, lag is said, and it catches up with everything right."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from threading import Event, Thread

from confluent_kafka import Producer

from domain.city_files import write_city
from domain.clock import MILLISECOND
from flows.commands.record import copy
from sinks.clickhouse.client import connect
from sinks.clickhouse.read import STORED
from sources.kafka import KafkaSource
from tests.flows.command import Command, free_port, total, until
from tests.flows.stored import chdb
from tests.flows.town import CITY, T0
from tests.kafka.feed import SETTINGS, make_topic
from tests.kafka_broker import Broker

#: Readings in flight of an epoch. What memory may grow by: two epochs of them, an open pane and what lies between
#: partitions (28 bytes each at most), results on their way (32 MB), and the database's own buffers for these.
IN_FLIGHT = 200_000
BOUND = 250e6

SECONDS = int(os.environ.get("LIFELINE_LOAD_SECONDS", "60"))
RATE = 500
#: Packets of a sensor a second.
PACKETS = 10


@contextmanager
def slowed(run: Command, part: float = 0.04) -> Iterator[None]:
    """Let a process have this part of the time only."""
    done = Event()

    def turns() -> None:
        while not done.is_set():
            run.send(signal.SIGCONT)
            began = time.monotonic()
            done.wait(0.1 * part)
            run.send(signal.SIGSTOP)
            ran = time.monotonic() - began  # longer than it was to be, where the machine is busy
            done.wait(ran * (1 - part) / part)

    thread = Thread(target=turns)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        run.send(signal.SIGCONT)


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _produce(address: str, topic: str, first: int, seconds: int) -> int:
    """Packets of all sensors for so many seconds from `first`, ms, stamped with their own time; how many readings."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    still, leak = (",".join(f"{level + k % 7}" for k in range(RATE // PACKETS)) for level in (1, 45))
    for ms in range(first, first + 1000 * seconds, 1000 // PACKETS):
        for i, sensor in enumerate(CITY.sensors):
            values = leak if ms // 1000 % 20 > 15 and i in (1, 5, 9) else still
            payload = f'{{"sensor":"{sensor.id}","t0":{ms},"hz":{RATE},"v":[{values}]}}'
            producer.produce(topic, payload.encode(), partition=i % 4, timestamp=ms + 1000 // PACKETS)
        producer.poll(0)
    assert producer.flush(60) == 0
    return RATE * seconds * len(CITY.sensors)


def _digests(dsn: str) -> dict[str, tuple[int, ...]]:
    """Rows of each table and the sum of their hashes: there are millions of them."""
    client = connect(dsn)
    try:
        return {
            table: tuple(
                client.query(f"SELECT count(), sum(cityHash64(toString(tuple(*)))) FROM {table}").result_rows[0]
            )
            for table in chain((f"{name}{_final(name)}" for name in STORED), ["readings_per_minute"])
        }
    finally:
        client.close()


def _final(table: str) -> str:
    replacing = {"findings", "alert_events", "video_events", "late_rows", "dead_letters"}
    return " FINAL" if table in replacing else ""


def test_ten_times_too_much(kafka: Broker, tmp_path: Path) -> None:
    """A burst comes at more than ten times the rate at which the engine, slowed down, can work it off."""
    topic = make_topic(kafka.address, kafka.topic(), 4, **{"message.timestamp.type": "CreateTime"})
    city, dsn, port = tmp_path / "town", chdb(tmp_path / "clickhouse"), free_port()
    # Nobody is to find that the stream is silent after its end: a replay's time does not go on.
    town = replace(CITY, monitors=CITY.monitors[:2], ventilation=None)
    write_city(town, city, SETTINGS.model_copy(update={"in_flight": IN_FLIGHT, "silence": None}))
    stream = f"kafka://{kafka.address}/{topic}"
    common = ["--dsn", dsn, "--serve-port", 0, "-r", tmp_path / "recovery", "-s", 0.5]
    with Command(tmp_path, "city", city, stream, *common, "--metrics", f"127.0.0.1:{port}") as run:
        began = time.time_ns() // MILLISECOND // 1000 * 1000 - 1000 * (SECONDS + 30)
        assert began > T0
        expected = _produce(kafka.address, topic, began, 10)
        run.comes_to(port, expected)
        before = peak = _resident(run.pid)
        with slowed(run):
            start, read = time.monotonic(), total(port, "lifeline_readings_total")
            burst = _produce(kafka.address, topic, began + 10_000, SECONDS)
            sent = burst / (time.monotonic() - start)
            until(lambda: total(port, "lifeline_backlog_messages") > 0, lambda: run.running, 30, lambda: run.err)
            worked = (total(port, "lifeline_readings_total") - read) / (time.monotonic() - start)
            waiting = total(port, "lifeline_backlog_messages")
        print(f"sent {sent:,.0f}/s, worked off {worked:,.0f}/s, {waiting:,.0f} messages waiting")
        assert sent > 10 * worked or os.environ.get("LIFELINE_TEST_KAFKA")
        start = time.monotonic()
        while total(port, "lifeline_readings_total") < expected + burst:
            peak = max(peak, _resident(run.pid))
            assert time.monotonic() - start < 120
            time.sleep(0.02)
        print(f"caught up after {time.monotonic() - start:.1f} s; memory grew by {(peak - before) / 1e6:.0f} MB")
        assert peak - before < BOUND
        until(lambda: total(port, "lifeline_backlog_messages") == 0, lambda: run.running, 30, lambda: run.err)
        run.send(signal.SIGTERM)
        run.ends()
    with Command(tmp_path, "city", city, stream, *common, "--metrics", "", "--until-end") as run:
        run.ends()
    messages = copy(KafkaSource(kafka.address, [topic], until_end=True), tmp_path / "recording")
    assert messages == len(CITY.sensors) * PACKETS * (10 + SECONDS)
    again = chdb(tmp_path / "replayed")
    replay = ["city", city, tmp_path / "recording", "--metrics", "", "--no-recovery", "--serve-port", 0]
    with Command(tmp_path, *replay, "--dsn", again) as run:
        run.ends()
    assert _digests(dsn) == _digests(again)
