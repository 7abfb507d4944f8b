"""How many times faster than real time the simulated city sends, wire encoding included, on one core.

Time is the process's own: it does not count while a neighbour has the core."""

from __future__ import annotations

import time

from domain.clock import MINUTE
from domain.records import RawBatch
from domain.streams import batches
from perf.report import Report
from simulators.bozhou import bozhou
from simulators.scenario import Scenario, demo
from simulators.source import SimulatedCity

__all__ = ["run"]

#: Event time sent in one repetition, min.
SPAN = 3


def _drain(scenario: Scenario) -> tuple[float, int, int]:
    """Seconds of one core, messages and bytes of all partitions, one after the other."""
    source = SimulatedCity(scenario)
    opened = [source.open(name, None) for name in source.partitions()]
    messages = size = 0
    begin = time.process_time()
    for partition in opened:
        for batch in batches(partition):
            assert isinstance(batch, RawBatch)
            messages += len(batch)
            size += len(batch.data)
    return time.process_time() - begin, messages, size


def run(report: Report) -> None:
    """Measure `SPAN` minutes of the demo, from its third one, when most is going on."""
    whole = demo(bozhou())
    scenario = Scenario(whole.city, whole.seed, whole.start, SPAN * MINUTE, whole.scripts)
    _drain(scenario)  # compiles
    seconds, messages, size = min(_drain(scenario) for _ in range(3))
    readings = sum(sensor.rate for sensor in whole.city.sensors) * SPAN * 60
    report.figure("simulator: event time to wall time", SPAN * 60 / seconds, "ratio", at_least=100)
    report.figure("simulator: readings", readings / seconds, "readings/s")
    report.figure("simulator: messages", messages / seconds, "messages/s")
    report.figure("simulator: bytes", size / seconds, "B/s")
