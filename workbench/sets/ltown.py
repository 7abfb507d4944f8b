"""L-Town, simulated again: leaks found and placed from 33 pressures, by the rules of BattLeDIM.

The pressures are not the competition's: its table has no place for scores on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors.contract import MARK, Marks
from detectors.locate import LeakPlace, leak_place
from detectors.pipe_network import PipeNetwork
from detectors.pressure_residual import PressureResidual
from domain.clock import DAY, HOUR, SECOND
from domain.errors import SourceError
from domain.records import Floats
from workbench.result import RecordScore, SetResult, figure
from workbench.sets import _water as water

__all__ = ["DEFAULT", "FOLDER", "PARAMS", "Detection", "Euros", "euros", "evaluate"]

DEFAULT: Final = "pressure_residual"
FOLDER: Final = "ltown_resim"

#: The first two columns are the inflow and the pump that fills the tank.
PARAMS: Final = {"flows": 2}

_INTERVAL: Final = 300.0
_PRICE: Final = 0.80  # EUR/m3
_CREW: Final = 500.0  # EUR
_NEAR: Final = 300.0  # m
#: A place is told at the first of these ages of a step at which it is sure, or when the step has been measured.
_FIRST: Final = 24
_EVERY: Final = 12
#: Days of independent noise in a mean are fewer than its intervals.
_LASTING: Final = 4.0


@dataclass(frozen=True, slots=True)
class Detection:
    """A pipe, and when (ns) it was named."""

    pipe: str
    time: int


@dataclass(frozen=True, slots=True)
class Euros:
    """What detections earned: in all, of each leak found, when and how far off (m), and the false ones."""

    total: float
    earned: Mapping[str, float]
    delays: Mapping[str, int]
    distances: Mapping[str, float]
    false: tuple[Detection, ...]


def euros(
    detections: Sequence[Detection],
    leaks: Sequence[water.Leak],
    flows: water.Table,
    network: PipeNetwork,
    between: Floats,
) -> Euros:
    """The score of BattLeDIM.

    A detection is right when a leak runs whose pipe is within 300 m along the network (the nearest undetected one). The
    first of a leak earns the water that it still would have lost, at 0.80 EUR/m3, less 500 EUR times the distance over
    300 m; a repeat earns nothing; a wrong one costs 500 EUR.

    Parameters
    ----------
    flows
        True flow of each leak, m3/h every 5 minutes, by pipe.
    between
        `network.between()`.
    """
    index = {name: i for i, name in enumerate(network.pipes)}
    earned: dict[str, float] = {}
    delays: dict[str, int] = {}
    distances: dict[str, float] = {}
    false = []
    for found in sorted(detections, key=lambda detection: detection.time):
        near = sorted(
            (leak.pipe in earned, float(between[index[found.pipe], index[leak.pipe]]), leak.pipe, leak.start, leak.end)
            for leak in leaks
            if leak.start <= found.time <= leak.end and between[index[found.pipe], index[leak.pipe]] <= _NEAR
        )
        if not near:
            false.append(found)
        elif not near[0][0]:
            _, distance, pipe, start, end = near[0]
            rest = (flows.ts >= found.time) & (flows.ts <= end)
            water_saved = float(np.nansum(flows.columns[pipe][rest])) / 12.0
            earned[pipe] = _PRICE * water_saved - _CREW * distance / _NEAR
            delays[pipe] = found.time - start
            distances[pipe] = distance
    return Euros(sum(earned.values()) - _CREW * len(false), earned, delays, distances, tuple(false))


def detections(
    detector: PressureResidual, data: water.Table, values: Floats, network: PipeNetwork, sensors: Sequence[str]
) -> Iterator[tuple[Detection | None, LeakPlace | None, Marks]]:
    """Run in time, and place each step: of repairs, `leak_place` finds that they are none of a leak."""
    between, sensitivity = network.between(), network.sensitivity(sensors)
    chunk = round(detector.params.interval / _INTERVAL)
    meters = values.shape[1]
    slots = np.arange(meters, dtype=np.int32)
    out = np.zeros(2 * meters * chunk + 8, MARK)
    measured, open_step, noise = True, False, None
    for at in range(0, len(data.ts), chunk):
        ts = data.ts[at : at + chunk]
        n = detector.rows(
            slots, np.tile(slots, len(ts)), np.repeat(ts, meters), values[at : at + chunk].reshape(-1), out
        )
        now = int(ts[-1]) + round(_INTERVAL * SECOND)
        n += detector.advance(now, out[n:])
        if n:
            yield None, None, out[:n].copy()
        age, done, step = detector.step(0)
        if measured and not done:  # a step has begun: of the end of all leaks, there is nothing to place
            open_step = bool(detector.state["grade"][0])
        measured = done
        if not open_step:
            continue
        if not done and (age < _FIRST or age % _EVERY):
            continue
        noise = detector.noise(0) if noise is None else noise
        place = leak_place(step[-len(sensors) :], noise * _LASTING / max(age, 1), sensitivity, between)
        if place is not None and (done or place.radius <= _NEAR):
            open_step = False
            yield Detection(network.pipes[place.pipe], now), place, out[:0]
        elif done:
            open_step = False


def evaluate(folder: Path, detector: str | None, params: Mapping[str, Any] | None, out: Path | None) -> SetResult:
    """Score `pressure_residual` with `locate`; the network and the leaks' true flows are read from BattLeDIM's folder
    beside this one, unless they lie in it."""
    name = detector or DEFAULT
    if name != DEFAULT:
        raise water.refuse(name, f"expected {DEFAULT}: others do not say what a leak has done to each pressure")
    paths = sorted(folder.glob("pressures_*.csv*"))
    if not paths:
        raise SourceError(f"{folder}: expected files such as pressures_2019_Jan-Apr.csv.gz")
    data = water.table(paths, ["p227", "p235", "PUMP_1"])
    network = PipeNetwork.parse(_beside(folder, "L-TOWN.inp")[0].read_text(errors="replace"))
    flows = water.table(_beside(folder, "leak_flows_*.csv*"))
    sensors = [key for key in data.columns if key in network.nodes]
    total = data.columns["p227"] + data.columns["p235"]
    values = np.column_stack([total, data.columns["PUMP_1"], data.matrix(sensors)])
    watch = water.ready(name, params, values.shape[1], _INTERVAL, PARAMS)
    assert isinstance(watch, PressureResidual)
    if watch.params.flows != PARAMS["flows"]:
        raise water.refuse(name, f"expected `flows` of {PARAMS['flows']}: so many meters come before the pressures")
    found: list[Detection] = []
    lines: list[dict[str, Any]] = []
    kept: list[Marks] = [np.zeros(0, MARK)]
    for detection, place, marks in detections(watch, data, values, network, sensors):
        kept.append(marks)
        lines += water.described(marks)
        if detection is not None and place is not None:
            found.append(detection)
            lines.append(
                {
                    "time": str(np.datetime64(detection.time, "ns"))[:19],
                    "pipe": detection.pipe,
                    "radius": place.radius,
                    "flow": place.flow,
                    "candidates": [network.pipes[i] for i in place.candidates],
                }
            )
    begin, end = int(data.ts[0]), int(data.ts[-1])
    every = water.network_leaks(_beside(folder, "leaks.txt")[0])
    leaks = [leak for leak in every if leak.start <= end and leak.end >= begin]
    if unknown := [leak.pipe for leak in leaks if leak.pipe not in flows.columns]:
        raise SourceError(f"{folder}: expected the true flows of the leaks in {', '.join(unknown)}")
    between = network.between()
    ours = euros(found, leaks, flows, network, between)
    new = [leak for leak in leaks if leak.start > begin]
    perfect = euros([Detection(leak.pipe, leak.start) for leak in new], leaks, flows, network, between)
    days = (end - begin) / DAY
    record = RecordScore(
        "pressures", len(new), tuple(delay / SECOND for delay in ours.delays.values()), len(ours.false), days
    )
    if out:
        target = out / "ltown" / name
        flag = water.flags(np.concatenate(kept), data.ts)
        water.write_scores(target / "pressures.csv", data.ts, flag.astype(np.float64), flag)
        water.write_alarms(target / "pressures.jsonl", lines)
    blind = euros(
        [Detection(network.pipes[0], at) for at in range(begin + 7 * DAY, end, 7 * DAY)],
        leaks,
        flows,
        network,
        between,
    )
    note = ", ".join(
        f"{leak.pipe} {ours.delays[leak.pipe] / HOUR:.0f} h {ours.distances[leak.pipe]:.0f} m"
        for leak in leaks
        if leak.pipe in ours.delays
    )
    fresh = sum(leak.pipe in ours.earned for leak in new)
    rows = [
        figure(
            "leaks found and placed within 300 m",
            len(ours.earned),
            unit=f"of {len(leaks)}",
            bar="more than half",
            met=len(ours.earned) > len(leaks) / 2,
            trivial={"one pipe every week": len(blind.earned)},
            note=note,
        ),
        figure(
            "of those that began in the recording",
            fresh,
            unit=f"of {len(new)}",
            bar="more than half",
            met=fresh > len(new) / 2,
        ),
        figure(
            "false detections",
            len(ours.false),
            unit="detections",
            bar="2 or fewer",
            met=len(ours.false) <= 2,
            trivial={"one pipe every week": len(blind.false)},
        ),
        figure(
            "euro score",
            round(ours.total, 2),
            unit="EUR",
            trivial={"one pipe every week": round(blind.total, 2)},
            note=f"new leaks named the moment they begin: {perfect.total:.2f}. Not the competition's pressures.",
        ),
        figure("false alarms a day", round(len(ours.false) / days, 5), unit="1/day"),
    ]
    return SetResult("ltown", rows, name, [record])


def _beside(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern)) or sorted(folder.parent.glob(f"battledim/{pattern}"))
    if not found:
        raise SourceError(f"{folder}: expected {pattern}, here or in ../battledim")
    return found
