"""What stock Bytewax does for the same work, as its own documentation would have it: the baselines of other benchmarks.

`windows` folds readings into windows of one second, `scores` marks deviating readings as they come through a pipe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from math import sqrt
from typing import Any, Final

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, run_main

from perf.peers.job import ALPHA, LEARNED, THRESHOLD
from perf.peers.stock_bytewax import EPOCH, Reading, fold, merge

__all__ = ["Each", "scores", "windows"]

#: Bytes in one read, as our own pipe source takes them.
PIECE: Final = 1 << 20


def windows(messages: Sequence[bytes]) -> float:
    """Fold the readings of Arrow messages into tumbling windows of 1 s; returns seconds from the first on."""
    started = 0.0

    def read(message: bytes) -> Iterable[Reading]:
        nonlocal started
        started = started or time.perf_counter()
        table = pa.ipc.open_stream(message).read_all()
        ts = table["ts"].cast(pa.int64())
        return zip(table["sensor"].to_pylist(), ts.to_pylist(), table["value"].to_pylist(), strict=True)

    flow = Dataflow("windows")
    rows = op.flat_map("rows", op.input("read", flow, TestingSource(messages)), read)
    keyed = op.key_on("key", rows, lambda reading: reading[0])
    clock: win.EventClock[Reading] = win.EventClock(
        ts_getter=lambda reading: EPOCH + timedelta(milliseconds=reading[1]),
        wait_for_system_duration=timedelta(seconds=2),
        now_getter=lambda: EPOCH,  # stands still, or readings would be lost on a busy core
        to_system_utc=lambda _: None,
    )
    windower = win.TumblingWindower(length=timedelta(seconds=1), align_to=EPOCH)
    folded = win.fold_window("fold", keyed, clock, windower, lambda: None, fold, merge, ordered=False)
    op.output("none", folded.down, Each(lambda _: None))
    run_main(flow, epoch_interval=timedelta(seconds=10))
    return time.perf_counter() - started


def scores(descriptor: int, found: Callable[[list[Any]], None]) -> None:
    """Score every reading of a pipe by job D's rule over a plain dict; `found` gets (sensor, ts, value, z) to mark."""
    known: dict[str, tuple[int, int, float, float]] = {}  # readings taken, time of the last, mean, var

    def score(line: bytes) -> tuple[str, int, float, float] | None:
        reading = orjson.loads(line)
        sensor, ts, value = reading["sensor"], reading["ts"], reading["value"]
        state = known.get(sensor)
        if state is None:
            known[sensor] = (1, ts, value, 0.0)
            return None
        taken, newest, mean, var = state
        if ts <= newest:
            return None
        d = value - mean
        z = d / sqrt(var) if taken >= LEARNED and var > 0 else 0.0
        known[sensor] = (taken + 1, ts, mean + ALPHA * d, (1 - ALPHA) * (var + ALPHA * d * d))
        return (sensor, ts, value, z) if abs(z) > THRESHOLD else None

    flow = Dataflow("scores")
    lines = op.input("read", flow, _Pipe(descriptor))
    op.output("found", op.filter_map("score", lines, score), Each(found))
    run_main(flow, epoch_interval=timedelta(seconds=1))


class Each(DynamicSink[Any]):
    """Hands every batch to a function."""

    def __init__(self, take: Callable[[list[Any]], None]) -> None:
        self._take = take

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        """One worker's part."""
        return _Each(self._take)


class _Each(StatelessSinkPartition[Any]):
    def __init__(self, take: Callable[[list[Any]], None]) -> None:
        self._take = take

    def write_batch(self, items: list[Any]) -> None:
        self._take(items)


class _Pipe(DynamicSource[bytes]):
    """Lines of a pipe, as they come."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[bytes]:
        os.set_blocking(self._descriptor, False)
        return _PipePart(self._descriptor)


class _PipePart(StatelessSourcePartition[bytes]):
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._tail = b""

    def next_batch(self) -> Iterable[bytes]:
        try:
            piece = os.read(self._descriptor, PIECE)
        except BlockingIOError:
            return ()  # Bytewax asks again after a millisecond
        if not piece:
            raise StopIteration
        *lines, self._tail = (self._tail + piece).split(b"\n")
        return lines

    def close(self) -> None:
        os.close(self._descriptor)
