"""A city's files change between two runs: what is untouched goes on as if nothing had been, all else begins anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from domain.city import City, Sensor
from domain.commands import CommandEvent
from domain.findings import AlertEvent, AlertEventType, Finding, Phase
from domain.records import LateRows, RawBatch
from domain.streams import Partition
from flows.engine import Engine
from flows.run import Recovery
from sinks.clickhouse.blocks import Block
from tests.flows.collect import Collected
from tests.flows.memory import MemorySource
from tests.flows.town import CITY, SETTINGS, messages

STREAM = messages()
#: The first run is stopped in the middle of the leak, when G27 has been silent for a while.
HALF = {name: len(rows) // 2 for name, rows in STREAM.items()}

NOBODY = Sensor("nobody", "gas-lel", "%LEL", "Z3", rate=2.0)
APART = replace(NOBODY, kind="gas-pressure", unit="kPa", zone="")


class FirstHalf(MemorySource):
    """Stops the engine when every partition has been read to its half."""

    def __init__(self, stop: Event) -> None:
        super().__init__({name: rows[: HALF[name]] for name, rows in STREAM.items()}, 7)
        self.stop = stop
        self.open_ones = set(STREAM)

    def open(self, partition: str, resume: Any | None) -> Partition:
        return _Waits(self, partition, super().open(partition, resume))

    @property
    def identity(self) -> str:
        return "town"


class _Waits(Partition):
    def __init__(self, source: FirstHalf, name: str, inner: Partition) -> None:
        self._source, self._name, self._inner = source, name, inner

    def poll(self) -> RawBatch | None:
        try:
            return self._inner.poll()  # type: ignore[return-value]
        except StopIteration:
            self._source.open_ones.discard(self._name)
            if not self._source.open_ones:
                self._source.stop.set()
            return None

    @property
    def caught_up(self) -> bool:
        return False

    def snapshot(self) -> Any:
        return self._inner.snapshot()


def _changed(folder: Path, first: City, then: City) -> tuple[Collected, Collected]:
    """The first half with one city, the rest with another: what each run has stored."""
    recovery, stop = Recovery(folder / "recovery", timedelta(seconds=0.05)), Event()
    found = Collected(), Collected()
    Engine(first, SETTINGS, FirstHalf(stop), None, recovery=recovery, store={"c": found[0]}).run(stop)
    Engine(then, SETTINGS, MemorySource(STREAM, 11), None, recovery=recovery, store={"c": found[1]}).run()
    return found


def _straight(city: City) -> Collected:
    found = Collected()
    Engine(city, SETTINGS, MemorySource(STREAM, 500), None, store={"c": found}).run()
    return found


def _rows(found: Collected, city: City) -> Iterator[tuple[Any, ...]]:
    """Readings, aggregates and late rows, by the ids of their sensors."""
    ids = [sensor.id for sensor in city.sensors]
    for block in found.of(Block):
        columns = {name: column.tolist() for name, column in block.columns.items()}
        begin = 0
        for row, sensor in enumerate(columns["sensor"]):
            if "end" in columns:
                end = columns["end"][row]
                values = [*columns["ts"][begin:end], *columns["value"][begin:end]]
                begin = end
            else:
                values = [columns[name][row] for name in sorted(columns) if name != "sensor"]
            yield ids[sensor], block.table, *values
    for late in found.of(LateRows):
        for sensor, ts, value in zip(late.sensor.tolist(), late.ts.tolist(), late.value.tolist(), strict=True):
            yield ids[sensor], "late", ts, value


def _of(rows: Iterator[tuple[Any, ...]], sensors: set[str]) -> list[tuple[Any, ...]]:
    return sorted({row for row in rows if row[0] in sensors}, key=repr)


def _findings(found: Collected, monitors: set[str], sensors: set[str]) -> list[str]:
    return sorted(repr(f) for f in found.of(Finding) if f.monitor in monitors and f.sensor in sensors)


def test_a_sensor_more_changes_nothing_for_the_others(tmp_path: Path) -> None:
    """It stands first, so the others are numbered anew: their rows, findings and alerts are the same, bit by bit."""
    then = replace(CITY, sensors=(APART, *CITY.sensors))
    first, second = _changed(tmp_path, CITY, then)
    straight = _straight(CITY)
    known = {sensor.id for sensor in CITY.sensors}
    rows = [*_rows(first, CITY), *_rows(second, then)]
    assert _of(iter(rows), known) == _of(_rows(straight, CITY), known)
    assert any(row[0] == "nobody" for row in rows), "the new one's readings are taken from now on"
    for kind in (Finding, AlertEvent, CommandEvent):
        both = {repr(item) for found in (first, second) for item in found.of(kind)}
        assert both == {repr(item) for item in straight.of(kind)}


def test_what_is_untouched_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A monitor and a sensor are described otherwise, a sensor is gone, there is one more: the rest is the same."""
    gas, mean, silent, fans = CITY.monitors
    moved = replace(CITY.sensors[3], high=90.0)
    sensors = (NOBODY, *(moved if s.id == "G03" else s for s in CITY.sensors if s.id != "G07"))
    then = replace(CITY, sensors=sensors, monitors=(gas, replace(mean, params={"half_life": 50}), silent, fans))
    caplog.set_level(logging.WARNING)
    first, second = _changed(tmp_path, CITY, then)
    straight = _straight(CITY)
    same = {sensor.id for sensor in CITY.sensors} - {"G03", "G07"}
    rows = [*_rows(first, CITY), *_rows(second, then)]
    assert _of(iter(rows), same | {"G03"}) == _of(_rows(straight, CITY), same | {"G03"})
    both = Collected()
    both.items = [*first.items, *second.items]
    assert _findings(both, {"gas", "silent"}, same) == _findings(straight, {"gas", "silent"}, same)
    assert "no longer there: G07 (1 sensors)" in caplog.text
    assert "mean (" in caplog.text


def test_what_nobody_watches_any_more_ends(tmp_path: Path) -> None:
    """An alert of a monitor that was taken away is cleared where the city changed, and not open for ever."""
    without = replace(CITY, monitors=CITY.monitors[:2])
    first, second = _changed(tmp_path, CITY, without)
    silent = {f.sensor for f in first.of(Finding) if f.monitor == "silent" and f.phase is Phase.ONSET}
    assert "G27" in silent
    last = {}
    for event in (*first.of(AlertEvent), *second.of(AlertEvent)):
        if "G27" in event.alert.sensors and event.alert.kind == "sensor-fault":
            last[event.alert.id] = event.type
    assert set(last.values()) == {AlertEventType.CLEARED}
    assert not [f for f in second.of(Finding) if f.monitor == "silent"]
