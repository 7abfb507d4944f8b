"""Excerpts of the public recordings, each sensor with its unit and the true events with their times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from domain.clock import MINUTE
from domain.records import Floats, Int64s
from workbench.sets import _water as water
from workbench.sets import battledim, gecco, leakdb, munich, nab, skab
from workbench.spans import runs

__all__ = [
    "Reader",
    "Recording",
    "bridge_shakes",
    "bridge_strain",
    "hanoi",
    "miscalibrated",
    "nab_series",
    "skab_loop",
    "town_flow",
    "waterworks",
]


@dataclass(frozen=True)
class Recording:
    """Sensors side by side.

    Parameters
    ----------
    sensors, units
        Their names and units, as an axis says them.
    ts
        Times, ns (local time taken as UTC). Shape (rows,).
    values
        Shape (rows, sensors).
    events
        Beginning and end of what truly happened, ns.
    """

    sensors: Sequence[str]
    units: Sequence[str]
    ts: Int64s
    values: Floats
    events: Sequence[tuple[int, int]]

    @property
    def step(self) -> int:
        """The usual time from row to row, ns."""
        return int(np.median(np.diff(self.ts)))


Reader = Callable[[Path], Recording]  #: from the folder in which the public sets lie


@cache
def _nab(folder: Path) -> dict[str, nab.Series]:
    return {one.name: one for one in nab.load(folder)}


def nab_series(name: str, sensor: str, unit: str) -> Reader:
    """One series of NAB; its events are the labelled windows."""

    def read(data: Path) -> Recording:
        one = _nab(data / nab.FOLDER)[name]
        events = [(int(one.ts[a]), int(one.ts[b])) for a, b in one.windows]
        return Recording((sensor,), (unit,), one.ts, one.value[:, None], events)

    return read


@cache
def _gecco(path: Path) -> gecco.Recording:
    return gecco.load(path)


def waterworks(column: str, sensor: str, unit: str, since: str, until: str) -> Reader:
    """Some days of a column of GECCO 2018; its events are what experts called one."""

    def read(data: Path) -> Recording:
        one = _gecco(data / gecco.FOLDER / "gecco2018_first_half.csv.gz")
        events = [(int(one.ts[a]), int(one.ts[b])) for a, b in runs(one.event)]
        # The set leaves out minutes without a reading; here they are rows of their own.
        ts = np.arange(water.nanos(since), water.nanos(until), MINUTE)
        minute = np.full(len(ts), np.nan)
        rows = (one.ts >= ts[0]) & (one.ts < ts[-1])
        minute[(one.ts[rows] - ts[0]) // MINUTE] = one.values[rows, one.sensors.index(column)]
        return Recording((sensor,), (unit,), ts, minute[:, None], events)

    return read


def skab_loop(file: str, sensors: Mapping[str, tuple[str, str]]) -> Reader:
    """Columns of a file of SKAB, each with the sensor's name and unit; its events are rows labelled anomalous."""

    def read(data: Path) -> Recording:
        one = skab.load(data / skab.FOLDER / file)
        values = one.values[:, [one.sensors.index(column) for column in sensors]]
        events = [(int(one.ts[a]), int(one.ts[b])) for a, b in runs(one.anomaly)]
        names, units = zip(*sensors.values(), strict=True)
        return Recording(names, units, one.ts, values, events)

    return read


def hanoi(scenario: int, *columns: str) -> Reader:
    """A year of LeakDB's Hanoi network; its events are the leaks."""

    def read(data: Path) -> Recording:
        one = water.table([data / leakdb.FOLDER / f"Hanoi_Scenario-{scenario}.csv.gz"])
        units = ["m3/h" if column == "inflow" else "m" for column in columns]
        events = [(int(one.ts[a]), int(one.ts[b])) for a, b in runs(one.columns["Label"] > 0)]
        names = [column if column == "inflow" else f"pressure {column}" for column in columns]
        return Recording(names, units, one.ts, one.matrix(columns), events)

    return read


def town_flow(data: Path) -> Recording:
    """What L-Town draws without its tank, as BattLeDIM recorded it; its events are the leaks that began meanwhile."""
    folder = data / battledim.FOLDER
    one = water.table(sorted(folder.glob("scada_*.csv*")))
    values = battledim.meters(one, battledim.tank_area(folder / "L-TOWN.inp"))[:, :1].copy()
    end = int(one.ts[-1])
    leaks = water.network_leaks(folder / "leaks.txt")
    events = [(leak.start, min(leak.end, end)) for leak in leaks if leak.start > one.ts[0]]
    return Recording(("flow into the town",), ("m3/h",), one.ts, values, events)


def bridge_strain(*records: str, events: Sequence[tuple[str, str]] = ()) -> Reader:
    """Strain of the Munich bridge from records that follow each other, by parts of their names.

    The records have no labels within: `events` are read off them.
    """

    def read(data: Path) -> Recording:
        found = {one.name: one for one in munich.records(data / munich.FOLDER)}
        chosen = [next(found[name] for name in sorted(found) if record in name) for record in records]
        ts, value = (np.concatenate([getattr(one, field) for one in chosen]) for field in ("ts", "value"))
        spans = [(water.nanos(begin), water.nanos(end)) for begin, end in events]
        return Recording(("strain",), ("um/m",), ts, value[:, None], spans)

    return read


def bridge_shakes(data: Path) -> Recording:
    """Acceleration of the Munich bridge while vehicles cross and park; nothing is labelled."""
    table = munich.read(next((data / munich.FOLDER).glob("*AllM100Hz.csv.zip")))
    values = np.asarray(table["ACC01_z [g]"].to_numpy(), np.float64)[:, None]
    return Recording(("acceleration",), ("g",), munich.times(table.column(0)), values, ())


def miscalibrated(reader: Reader, sensor: int, faults: Sequence[tuple[str, str, float, float]]) -> Reader:
    """A recording one of whose sensors reads `gain` times its value plus `offset` from one time until another.

    The public sets hold no such faults, so they are put into clean ones; they are the events.
    """

    def read(data: Path) -> Recording:
        clean = reader(data)
        value = clean.values.copy()
        events = []
        for since, until, gain, offset in faults:
            begin, end = water.nanos(since), water.nanos(until)
            rows = (clean.ts >= begin) & (clean.ts < end)
            value[rows, sensor] = gain * value[rows, sensor] + offset
            events.append((begin, end))
        return Recording(clean.sensors, clean.units, clean.ts, value, events)

    return read
