"""Stock Bytewax: its file source, windows and keyed state, as its own documentation would have it.

The clock's system time stands still, or the watermark would run ahead with the wall clock and readings would be lost.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.files import FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from perf.peers.job import ALPHA, LEARNED, THRESHOLD, Job, Result
from perf.peers.python_loop import columns

#: At some 50,000 readings/s the whole file would take most of a minute each time.
LIMIT = 200_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Reading = tuple[str, int, float]
Window = tuple[int, float, float, float, float, int]  # count, min, max, sum, last, its time
Learned = tuple[int, int, float, float]  # readings taken, time of the last, mean, var


def parse(line: str) -> Reading:
    """One line of the file."""
    reading = orjson.loads(line)
    return reading["sensor"], reading["ts"], reading["value"]


def fold(window: Window | None, reading: Reading) -> Window:
    """One more reading into its window."""
    _, ts, value = reading
    if window is None:
        return 1, value, value, value, value, ts
    count, low, high, total, last, newest = window
    last, newest = (value, ts) if ts > newest else (last, newest)
    return count + 1, min(low, value), max(high, value), total + value, last, newest


def merge(a: Window | None, b: Window | None) -> Window | None:
    """Tumbling windows are never merged."""
    raise AssertionError("a tumbling window was merged")


def learn(state: Learned | None, reading: Reading) -> tuple[Learned, tuple[str, int, float, float] | None]:
    """The z-score of one reading, if it is above the threshold, and what is known after it."""
    sensor, ts, value = reading
    if state is None:
        return (1, ts, value, 0.0), None
    taken, newest, mean, var = state
    if ts <= newest:
        return state, None
    d = value - mean
    z = d / sqrt(var) if taken >= LEARNED and var > 0 else 0.0
    state = (taken + 1, ts, mean + ALPHA * d, (1 - ALPHA) * (var + ALPHA * d * d))
    return state, (sensor, ts, value, z) if abs(z) > THRESHOLD else None


def run(path: Path, job: Job) -> tuple[list[Any], list[Any] | None]:
    """One worker in this process."""
    windows: list[Any] = []
    flags: list[Any] = []
    flow = Dataflow("job")
    lines = op.input("read", flow, FileSource(path, batch_size=1000))
    keyed = op.key_on("key", op.map("parse", lines, parse), lambda reading: reading[0])
    clock: win.EventClock[Reading] = win.EventClock(
        ts_getter=lambda reading: EPOCH + timedelta(milliseconds=reading[1]),
        wait_for_system_duration=timedelta(seconds=2),
        now_getter=lambda: EPOCH,
        to_system_utc=lambda _: None,
    )
    windower = win.TumblingWindower(length=timedelta(seconds=1), align_to=EPOCH)
    folded = win.fold_window("fold", keyed, clock, windower, lambda: None, fold, merge, ordered=False)
    op.output("windows", folded.down, TestingSink(windows))
    if job == "D":
        scored = op.stateful_map("learn", keyed, learn)
        op.output("flags", op.filter_value("above", scored, lambda flag: flag is not None), TestingSink(flags))
    run_main(flow)
    return windows, flags if job == "D" else None


def result(outcome: tuple[list[Any], list[Any] | None]) -> Result:
    """What the sinks hold as tables."""
    windows, flags = outcome
    rows = [(sensor, second, *window) for sensor, (second, window) in windows]
    sensor, second, count, low, high, total, last, _ = zip(*rows, strict=True)
    return Result.of(
        {
            "sensor": sensor,
            "second": second,
            "count": count,
            "min": low,
            "max": high,
            "mean": [s / n for s, n in zip(total, count, strict=True)],
            "last": last,
        },
        None if flags is None else columns([flag for _, flag in flags]),
    )
