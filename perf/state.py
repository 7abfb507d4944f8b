"""What the engine keeps per sensor, and how long a snapshot of it holds up the stream.

A city of gas and water sensors at 1 Hz (more than most of a real city sends) under eight monitors, driven through the
plain classes of every step for 70 s of event time: the detectors have learned by then, and a minute has rolled over.
A snapshot is what the end of a Bytewax epoch asks for: `snapshot()` of every shard of every step, then pickle; Bytewax
does both on the worker's own thread. The panes that are open (2 s of lateness) and the rows that wait for a block (5 s)
are part of the state. Each city has a process of its own, so that its growth in memory is that of the engine.

`python -m perf.state` runs this benchmark alone.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors.contract import Lane
from domain.city import City, Sensor
from domain.clock import SECOND
from domain.monitors import Monitor, Select
from domain.records import Columns, Frame
from domain.settings import EngineSettings
from domain.streams import Partition
from operators.aggregate import Aggregator
from operators.decode import Decoder
from operators.detect import Bank
from operators.intake import PartitionIntake
from operators.layout import Layout
from operators.panes import PaneStore
from perf.report import Report, by_itself
from sinks.clickhouse.blocks import Blocks

__all__ = ["run"]

SIZES: Final = (3_000, 85_000)  # sensors: a city like Bozhou, and one like Hefei
DURATION: Final = 70  # s of event time
ROUNDS: Final = 5
T0: Final = 1_764_000_000 * SECOND
MONITORS: Final = (
    Monitor("gas", "threshold", "gas-leak", Select(kinds=("gas-lel",)), {"rising": ["10 %LEL", "20 %LEL", "25 %LEL"]}),
    Monitor("rise", "rate_of_rise", "gas-leak", Select(kinds=("gas-lel",)), {"rising": ["3 %LEL/min"]}),
    Monitor("head", "ewma", "water-burst", Select(kinds=("pressure",)), {"z": [10.0], "min_sigma": "0.1 m"}),
    Monitor("shift", "cusum", "water-leak", Select(kinds=("pressure",))),
    Monitor("stuck", "stuck", "fault", Select()),
    Monitor("silent", "drop_out", "fault", Select()),
    Monitor("range", "out_of_range", "fault", Select()),
    Monitor("spike-gas", "spike", "fault", Select(kinds=("gas-lel",)), {"size": "5 %LEL"}),
)


def run(report: Report) -> None:
    """Add bytes per sensor and the stall of a snapshot for every size of city."""
    report.note(
        f"state: {len(MONITORS)} monitors, every sensor at 1 Hz, 8 shards, {DURATION} s of event time; the stall is "
        "for all shards together, as on one worker."
    )
    for size in SIZES:
        name = f"state of {size:,} sensors"
        command = [sys.executable, "-m", "perf.state", "--child", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for part, amount in found["bytes"].items():
            report.figure(f"{name}: {part}", amount / size, "bytes/sensor")
        report.figure(f"{name}: all", sum(found["bytes"].values()) / size, "bytes/sensor")
        report.figure(f"{name}: growth of the process", found["growth"] / size, "bytes/sensor")
        for part, took in found["seconds"].items():
            report.figure(f"{name}: {part}", took * 1e3, "ms")
        report.figure(f"{name}: stall of a snapshot", sum(found["seconds"].values()) * 1e3, "ms")


def city(size: int) -> City:
    """Two gas sensors for every water sensor, as in Bozhou."""
    kinds = (("gas-lel", "%LEL", 0.0, 100.0), ("gas-lel", "%LEL", 0.0, 100.0), ("pressure", "m", 0.0, 100.0))
    sensors = []
    for i in range(size):
        kind, unit, low, high = kinds[i % 3]
        sensors.append(Sensor(f"S-{i:06d}", kind, unit, f"Z-{i % 50}", rate=1.0, low=low, high=high))
    return City("state", "UTC", tuple(sensors), monitors=MONITORS)


class Shard:
    """Every step of one shard, in the order in which the dataflow has them."""

    def __init__(self, layout: Layout, shard: int, settings: EngineSettings) -> None:
        members = layout.members[shard]
        pane = settings.time.pane
        self.panes = PaneStore(shard, 1, pane, layout.local_of, members)
        self.aggregates = Aggregator(shard, pane, layout.local_of, members)
        self.fast, self.slow = Bank(layout, shard, Lane.FAST), Bank(layout, shard, Lane.PANE)
        self.blocks = Blocks(shard, settings.block)

    def take(self, frame: Frame) -> None:
        """What the dataflow does with a frame; results are dropped."""
        self.fast.fast(frame)
        panes = self.panes.take([frame])
        if panes is None:
            return
        self.slow.panes(panes)
        _drop(self.blocks.panes(panes))
        for rows in self.aggregates.take(panes):
            _drop(self.blocks.aggregates(rows))

    def parts(self) -> dict[str, Any]:
        """What is kept, by what it is for."""
        return {
            "open panes": self.panes,
            "aggregates": self.aggregates,
            "detectors, fast lane": self.fast,
            "detectors, pane lane": self.slow,
            "blocks": self.blocks,
        }


def _drop(blocks: Iterator[object]) -> None:
    for _ in blocks:
        pass


class Stream(Partition):
    """A second of event time a poll: one reading of every sensor."""

    def __init__(self, size: int) -> None:
        self._random = np.random.default_rng(20240607)
        self._names = tuple(f"S-{i:06d}" for i in range(size))
        self._sensor = np.arange(size, dtype=np.int32)
        self._level = np.where(self._sensor % 3 == 2, 40.0, 2.0)
        self._second = 0

    def poll(self) -> Columns:
        """The next second."""
        sensor, size = self._sensor, len(self._sensor)
        ts = T0 + self._second * SECOND + sensor.astype(np.int64) * (SECOND // size)
        value = self._level + self._random.normal(0, 0.1, size).round(3)
        offset = self._second * size + sensor.astype(np.int64)
        self._second += 1
        return Columns("memory", self._names, sensor, ts, value, sensor, offset, np.zeros(size, np.int64))

    @property
    def caught_up(self) -> bool:
        """Never: it has no end."""
        return False

    def snapshot(self) -> int:
        """Seconds that were polled."""
        return self._second


def resident() -> int:
    """Bytes of this process in memory (Linux; elsewhere 0)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0


def child(size: int) -> None:
    """The process of one city: run it, then take snapshots."""
    settings = EngineSettings()
    fill(city(30), 30, settings)  # loads the kernels
    whole = city(size)
    before = resident()
    shards = fill(whole, size, settings)
    growth = resident() - before

    found: dict[str, list[float]] = {}
    sizes: dict[str, int] = {}
    for _ in range(ROUNDS):
        seconds: dict[str, float] = {}
        sizes = {}
        for shard in shards:
            for part, plain in shard.parts().items():
                start = time.perf_counter()
                pickled = pickle.dumps(plain.snapshot())
                seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
                sizes[part] = sizes.get(part, 0) + len(pickled)
        for part, took in seconds.items():
            found.setdefault(part, []).append(took)
    medians = {part: statistics.median(all_) for part, all_ in found.items()}
    print(json.dumps({"bytes": sizes, "seconds": medians, "growth": growth}))


def fill(whole: City, size: int, settings: EngineSettings) -> list[Shard]:
    """All shards of a city after `DURATION`."""
    layout = Layout(whole, settings.shards)
    stream = Stream(size)
    intake = PartitionIntake(0, "memory", stream, Decoder(whole), layout, settings)
    shards = [Shard(layout, i, settings) for i in range(settings.shards)]
    for _ in range(DURATION):
        for item in intake.next() or ():
            if isinstance(item, Frame):
                shards[item.shard].take(item)
    return shards


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.state", description="Memory and snapshots.")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
    else:
        by_itself(run)
