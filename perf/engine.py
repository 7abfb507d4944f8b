"""The whole engine over records in memory, results counted and dropped: JSON readings, JSON packets, Arrow.

Ours is the dataflow of every command, from bytes to panes, aggregates of 1 s, 1 min and 1 h, blocks for the store, and
job D's EWMA detector on every reading. It is timed from its first poll to the end of the run: start-up is left out.
JSON stands beside `orjson.loads` alone over the same messages, Arrow beside stock Bytewax's `fold_window` over the
same messages. All ways run in turn; a figure is the median of the ratios of one turn.

`python -m perf.engine [--readings N] [--rounds N]` runs this benchmark alone.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np
from bytewax.outputs import Sink

from domain.city import City, Sensor
from domain.monitors import Monitor
from domain.records import Columns, RawBatch
from domain.settings import EngineSettings
from domain.streams import Partition, Source
from flows.engine import Engine
from operators.decode import Decoder
from operators.intake import AT_ONCE
from perf.decode import ARROW, PACKET, alone, arrow, packets, readings
from perf.peers.job import SENSORS, generate
from perf.peers.lifeline import MONITOR
from perf.report import Report, by_itself
from perf.stock import Each, windows
from sinks.clickhouse.blocks import Block

__all__ = ["IDS", "Memory", "Times", "batches", "bench_city", "clocked", "engine_seconds", "in_turn", "ratio_of", "run"]

#: So many that what is built for the first of them, some 10 ms, is not what is measured.
READINGS: Final = 6_000_000
ROUNDS: Final = 5
#: Readings that stock Bytewax is timed on: a million would take a quarter of a minute each time.
STOCK: Final = 50_000
#: Readings in one poll: what the engine asks a recording for, and what a live consumer takes.
BATCHES: Final = (AT_ONCE, 4_096)
#: One shard is enough for one core; eight are the default of a deployment.
SHARDS: Final = (1, 8)

IDS: Final = [f"P-{i:06d}" for i in range(SENSORS)]

Times = dict[str, list[float]]  # seconds of every round
Jobs = dict[str, Callable[[], float]]
X = TypeVar("X")


def run(report: Report, count: int = READINGS, rounds: int = ROUNDS) -> None:
    """Add ns per reading of each format and shape, and the ratios to the baselines."""
    report.note(
        "engine: panes, aggregates, blocks and an EWMA detector into a null sink, from memory, timed inside the run; "
        "ratios are of speeds, above 1 is faster than the baseline."
    )
    sensor, ts, value = generate(count)
    messages = readings(IDS, sensor, ts, value)
    measure_json(report, "JSON readings", messages, 1, rounds, 0.8)
    measure_arrow(report, sensor, ts, value, rounds)
    del messages
    measure_json(report, f"JSON packets of {PACKET}", packets(IDS, value), PACKET, rounds, 0.4)


def measure_json(report: Report, name: str, messages: list[bytes], rows: int, rounds: int, bar: float) -> None:
    """The engine in every shape beside `orjson.loads` alone; the bar is for the first shape of `shapes`."""
    count = len(messages) * rows
    made = {size: batches(messages, rows, size) for size in BATCHES}
    parse, decode, engine = alone(messages), partial(decode_all, made[BATCHES[0]]), shapes(made, count)
    jobs: Jobs = {"orjson.loads alone": partial(clocked, parse), "decode alone": partial(clocked, decode)}
    times = in_turn(jobs | engine, rounds)
    for shape in times:
        report.figure(f"{name}: {shape}", statistics.median(times[shape]) / count * 1e9, "ns/reading")
    for shape in engine:
        ratio, spread = ratio_of(times, shape, "orjson.loads alone")
        barred = bar if shape == first_shape() else None
        report.figure(f"{name}: {shape} / orjson.loads alone", ratio, "ratio", at_least=barred)
        report.note(f"{name}, {shape}: ratios from {spread}.")


def measure_arrow(report: Report, sensor: Any, ts: Any, value: Any, rounds: int) -> None:
    """Arrow packets beside stock Bytewax's windows, which are timed on fewer of the same samples."""
    count = len(ts) // ARROW * ARROW
    messages = arrow(IDS, sensor[:count], ts[:count], value[:count])
    few = messages[: STOCK // ARROW]
    scale = len(messages) / len(few)
    stock = "stock fold_window"
    made = {size: batches(messages, ARROW, size) for size in BATCHES}
    decode, engine = partial(decode_all, made[BATCHES[0]]), shapes(made, count)
    jobs: Jobs = {stock: lambda: windows(few) * scale, "decode alone": partial(clocked, decode)}
    times = in_turn(jobs | engine, rounds)
    name = f"Arrow of {ARROW}"
    for shape in times:
        report.figure(f"{name}: {shape}", statistics.median(times[shape]) / count * 1e9, "ns/reading")
    for shape in engine:
        ratio, spread = ratio_of(times, shape, stock)
        barred = 150 if shape == first_shape() else None
        report.figure(f"{name}: {shape} / {stock}", ratio, "ratio", at_least=barred)
        report.note(f"{name}, {shape}: ratios from {spread}; {stock} was timed on {len(few) * ARROW:,} samples.")


def decode_all(batches: Sequence[RawBatch]) -> None:
    """Decode as a run does."""
    decoder = Decoder(bench_city())
    for batch in batches:
        decoder.decode(batch)


def first_shape() -> str:
    """The shape that bars are for."""
    return f"batches of {BATCHES[0]:,}, {SHARDS[0]} shard"


def shapes(made: Mapping[int, Sequence[RawBatch]], count: int) -> Jobs:
    """The engine over `count` readings, all of them within one epoch, by sizes of batches and numbers of shards."""
    return {
        f"batches of {size:,}, {shards} shard{'s' * (shards > 1)}": partial(
            engine_seconds, batches, count, EngineSettings(shards=shards, in_flight=2 * count)
        )
        for size, batches in made.items()
        for shards in SHARDS
    }


def bench_city(monitors: tuple[Monitor, ...] = (MONITOR,)) -> City:
    """1,000 sensors, by default under job D's detector."""
    sensors = tuple(Sensor(name, "pressure", "m", "Z", rate=10.0) for name in IDS)
    return City("bench", "UTC", sensors, monitors=monitors)


def batches(messages: Sequence[bytes], rows: int, size: int) -> list[RawBatch]:
    """Messages of `rows` readings each in batches of about `size` readings."""
    step = max(size // rows, 1)
    return [
        RawBatch.of("memory", part, np.arange(i, i + len(part)), np.zeros(len(part), np.int64))
        for i in range(0, len(messages), step)
        for part in (messages[i : i + step],)
    ]


def engine_seconds(
    batches: Sequence[RawBatch | Columns],
    total: int,
    settings: EngineSettings,
    dsn: str | None = None,
    scope: str | None = None,
    monitors: tuple[Monitor, ...] = (MONITOR,),
) -> float:
    """Seconds of one run of the engine, from the first poll to the end; raises unless `total` readings were counted."""
    source = Memory(batches)
    counted = 0

    def count(items: list[Any]) -> None:
        nonlocal counted
        for item in items:
            if isinstance(item, Block) and item.table == "aggregates_1s_stored":
                counted += int(item.columns["count"].sum())

    sinks: Mapping[str, Sink[Any]] = {"null": Each(count)}
    epoch = timedelta(seconds=10)
    Engine(bench_city(monitors), settings, source, dsn, epoch=epoch, store=sinks, scope=scope).run()
    took = time.perf_counter() - source.started
    if counted != total:
        raise AssertionError(f"{counted} of {total} readings were counted")
    return took


class Memory(Source):
    """Batches in memory as a stream of one partition; `started` is when the first was asked for."""

    def __init__(self, batches: Sequence[RawBatch | Columns]) -> None:
        self.batches = batches
        self.started = 0.0

    def partitions(self) -> Sequence[str]:
        """The one partition."""
        return ("memory",)

    def open(self, partition: str, resume: Any | None) -> Partition:
        """Open it at its start."""
        return _MemoryPartition(self)


class _MemoryPartition(Partition):
    def __init__(self, source: Memory) -> None:
        self._source = source
        self._at = 0

    def poll(self) -> RawBatch | Columns:
        self._source.started = self._source.started or time.perf_counter()
        if self._at == len(self._source.batches):
            raise StopIteration
        self._at += 1
        return self._source.batches[self._at - 1]

    @property
    def caught_up(self) -> bool:
        return False

    def snapshot(self) -> int:
        return self._at


def clocked(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(jobs: Mapping[str, Callable[[], X]], rounds: int, warm_up: bool = True) -> dict[str, list[X]]:
    """Run all jobs `rounds` times in turn, forwards and backwards, after one run to warm up; what each answered."""
    for job in jobs.values() if warm_up else ():
        job()
    found: dict[str, list[X]] = {name: [] for name in jobs}
    for i in range(rounds):
        for name in list(jobs)[:: -1 if i % 2 else 1]:
            gc.collect()
            found[name].append(jobs[name]())
    return found


def ratio_of(times: Times, ours: str, baseline: str) -> tuple[float, str]:
    """Median of the ratios of one round (speed of ours over the baseline's), and their range in words."""
    found = [b / a for a, b in zip(times[ours], times[baseline], strict=True)]
    return statistics.median(found), f"{min(found):.3g} to {max(found):.3g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.engine", description="The engine over records in memory.")
    parser.add_argument("--readings", type=int, default=READINGS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    by_itself(run, options.readings, options.rounds)
