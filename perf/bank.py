"""A bank of five detectors on every reading beside the engine with one: JSON readings, null sink, from memory.

The one is job D's EWMA, as in the engine's own benchmark; the bank adds four that a city puts on most of its sensors.
Both run in turn, in the shape that `perf.engine` has its bar for.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Final

from domain.monitors import Monitor, Select
from domain.settings import EngineSettings
from perf.decode import readings
from perf.engine import BATCHES, IDS, batches, engine_seconds, in_turn, ratio_of
from perf.peers.job import generate
from perf.peers.lifeline import MONITOR
from perf.report import Report

__all__ = ["BANK", "run"]

READINGS: Final = 1_500_000
ROUNDS: Final = 7

#: Two of the fast lane, three of the pane lane.
BANK: Final[tuple[Monitor, ...]] = (
    MONITOR,
    Monitor("high", "threshold", "high", Select(), {"rising": ["1000 m"], "hysteresis": "1 m"}),
    Monitor("shift", "cusum", "shift", Select(), {"limit": 50.0}),
    Monitor("stuck", "stuck", "fault", Select(), {}),
    Monitor("silent", "drop_out", "fault", Select(), {}),
)


def run(report: Report, count: int = READINGS, rounds: int = ROUNDS) -> None:
    """Add ns per reading with one detector and with five, and the ratio of the rates."""
    whole = batches(readings(IDS, *generate(count)), 1, BATCHES[0])
    timed = partial(engine_seconds, whole, count, EngineSettings(shards=1))
    times = in_turn({"one detector": timed, "five detectors": partial(timed, monitors=BANK)}, rounds)
    for name, found in times.items():
        report.figure(f"bank: {name}", statistics.median(found) / count * 1e9, "ns/reading")
    ratio, spread = ratio_of(times, "five detectors", "one detector")
    report.figure("bank: rate with five detectors / with one", ratio, "ratio", at_least=0.7)
    report.note(f"bank: JSON readings, one shard, batches of {BATCHES[0]:,}; ratios from {spread}.")
