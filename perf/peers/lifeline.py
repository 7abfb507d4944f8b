"""Ours: the dataflow of every command over the file, results kept in memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from domain.city import City, Sensor
from domain.clock import MILLISECOND, SECOND
from domain.findings import Finding, Phase
from domain.monitors import Monitor, Select
from domain.settings import EngineSettings
from flows.engine import Engine
from perf.peers.job import ALPHA, LEARNED, SENSORS, THRESHOLD, Job, Result
from sinks.clickhouse.blocks import Block
from sources.recorded import open_recording

__all__ = ["result", "run", "settings"]

#: Every reading beyond the threshold is marked, all readings are learned.
MONITOR = Monitor(
    "job-d",
    "ewma",
    "deviation",
    Select(),
    {"alpha": ALPHA, "warm_up": LEARNED, "z": [THRESHOLD], "learning": "plain", "each": True, "release": 1.0},
)


def settings() -> EngineSettings:
    """One shard is enough for one core."""
    return EngineSettings(shards=1)


def run(path: Path, job: Job) -> tuple[Job, list[Any]]:
    """The job, and all blocks and findings."""
    sensors = tuple(Sensor(f"P-{i:06d}", "pressure", "m", "Z", rate=10.0) for i in range(SENSORS))
    city = City("jobs", "UTC", sensors, monitors=(MONITOR,) if job == "D" else ())
    kept = _Kept()
    source = open_recording(path, city, batch=65_536)
    Engine(city, settings(), source, None, store={"kept": kept}, epoch=timedelta(seconds=10)).run()
    return job, kept.items


def result(outcome: tuple[Job, list[Any]]) -> Result:
    """Aggregates and findings in the peers' form."""
    job, items = outcome
    blocks = [item.columns for item in items if isinstance(item, Block) and item.table == "aggregates_1s_stored"]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    names = np.array([f"P-{i:06d}" for i in range(SENSORS)])
    windows = {
        "sensor": names[columns["sensor"]],
        "second": columns["start"] // SECOND,
        **{name: columns[name] for name in ("count", "min", "max", "mean", "last")},
    }
    if job == "W":
        return Result.of(windows)
    found = [finding for item in items if isinstance(item, tuple) for finding in item]
    flagged: dict[tuple[str, int], Finding] = {}
    for finding in found:
        if finding.phase is not Phase.END:
            flagged[finding.sensor, finding.ts] = finding
    rows = [flagged[key] for key in sorted(flagged)]
    flags = {
        "sensor": [f.sensor for f in rows],
        "ts": [f.ts // MILLISECOND for f in rows],
        "value": [f.value for f in rows],
        "z": [f.score if f.value >= f.baseline else -f.score for f in rows],
    }
    return Result.of(windows, flags)


class _Kept(DynamicSink[Any]):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return _Partition(self.items)


class _Partition(StatelessSinkPartition[Any]):
    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def write_batch(self, items: list[Any]) -> None:
        self._items.extend(items)
