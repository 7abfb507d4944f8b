"""A million sensors that nobody knows come and go: nothing of them stays in memory, in the state, or in a restart."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.clock import MILLISECOND
from domain.records import DeadLetter, RawBatch
from domain.streams import Partition, Source
from flows.engine import Engine
from flows.run import Recovery
from sinks.clickhouse.blocks import Block
from tests.flows.town import CITY, SETTINGS, T0

#: A fifth of a million will do in short.
STRANGERS = 1_000_000 if "LIFELINE_SOAK" in os.environ else 200_000

#: Rows of a message, of which one is of a sensor that the town knows.
ROWS = 500


class Strangers(Source):
    """So many messages, one every 10 ms: a reading of G00, and others of sensors that never come again.

    Attributes
    ----------
    stop
        Set after the last message, unless that is the end of the stream.
    read
        When the partition was first read, in seconds of a clock that only grows.
    """

    def __init__(self, messages: int, *, ends: bool = False) -> None:
        self.messages, self.ends = messages, ends
        self.stop = threading.Event()
        self.read: float | None = None

    def partitions(self) -> Sequence[str]:
        return ("gas/0",)

    def open(self, partition: str, resume: Any | None) -> Partition:
        return _Strangers(self, resume or 0)


class _Strangers(Partition):
    def __init__(self, source: Strangers, at: int) -> None:
        self._source, self._at = source, at

    def poll(self) -> RawBatch | None:
        self._source.read = self._source.read or time.monotonic()
        if self._at >= self._source.messages:
            if self._source.ends:
                raise StopIteration
            self._source.stop.set()
            return None
        n, self._at = self._at, self._at + 1
        ts = T0 + 10 * n
        known = {"sensor": "G00", "ts": ts, "value": 1.0}
        strangers = [{"sensor": f"stranger-{n}-{i}", "ts": ts, "value": 1.0} for i in range(ROWS - 1)]
        return RawBatch.of("gas/0", [orjson.dumps([known, *strangers])], [n], [ts * MILLISECOND])

    @property
    def caught_up(self) -> bool:
        return True

    def snapshot(self) -> int:
        return self._at


class Counted(DynamicSink[Any]):
    """Keeps how much came, and how much memory the process had after every 10,000 dead letters."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.memory: list[int] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Counted(self)


class _Counted(StatelessSinkPartition[Any]):
    def __init__(self, sink: Counted) -> None:
        self._sink = sink

    def write_batch(self, items: list[Any]) -> None:
        counts = self._sink.counts
        before = counts["dead"] // 10_000
        counts["dead"] += sum(isinstance(item, DeadLetter) for item in items)
        packed = (item for item in items if isinstance(item, Block) and item.table == "readings_packed")
        counts["readings"] += sum(len(block.columns["ts"]) for block in packed)
        if counts["dead"] // 10_000 > before:
            self._sink.memory.append(resident())


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def run(source: Strangers, folder: Path) -> Counted:
    counted = Counted()
    recovery = Recovery(folder, timedelta(seconds=0.1))
    Engine(CITY, SETTINGS, source, None, recovery=recovery, store={"counted": counted}).run(source.stop)
    return counted


def test_strangers_leave_nothing_behind(tmp_path: Path) -> None:
    """Each is a dead letter; memory and state are the same after the last as after the first tenth; so is a restart."""
    folder, messages = tmp_path / "recovery", STRANGERS // (ROWS - 1)
    tenth = run(Strangers(messages // 10), folder)
    state = size(folder)
    rest = run(Strangers(messages), folder)
    assert tenth.counts["dead"] + rest.counts["dead"] == messages * (ROWS - 1)
    assert rest.memory[-1] - rest.memory[0] < 50e6
    assert size(folder) < state + 100_000
    began, again = time.monotonic(), Strangers(messages + 1, ends=True)
    last = run(again, folder)
    assert again.read is not None
    assert again.read - began < 3.0
    assert sum(part.counts["readings"] for part in (tenth, rest, last)) == messages + 1
