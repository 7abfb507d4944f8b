"""What each detector costs a reading, beside its floor: the same arithmetic as the plainest loop (`perf.floors`).

A million readings of noise with a rare spike, mostly of 1,000 sensors, kernels warm. Detectors of the fast lane get
them in the order of arrival, every reading of another sensor; those of the pane lane in panes of ten readings a sensor,
sorted by sensor, and are told the time after each. The floor is given the very same arrays.

`python -m perf.detectors --pages build/bench.json` writes the figures of a run into the detectors' pages.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors import registry
from detectors.contract import MARK, Lane
from domain.clock import DAY, HOUR, MINUTE, SECOND
from domain.records import Floats, Int32s, Int64s
from perf.floors import assets, blocks, levels, limits, windows
from perf.report import Report, by_itself, readable, seconds

__all__ = ["BAR", "CASES", "Case", "run", "write_pages"]

#: A kernel takes at most so many times as long as its floor.
BAR: Final = 3.0
#: Readings of a sensor in one pane.
PANE: Final = 10
START: Final = 1_764_028_800_000_000_000
#: Around what `write_pages` writes.
_BEGIN: Final = "<!-- cost: written by python -m perf.detectors --pages -->"
_END: Final = "<!-- end of cost -->"


@dataclass(frozen=True, slots=True)
class Case:
    """One detector with parameters under which it works at its usual, and what its floor is given."""

    detector: str
    params: Mapping[str, Any]
    every: float  # s between a sensor's readings
    floor: Callable[..., int]
    args: tuple[float, ...]  # of the floor
    label: str = ""  # tells cases of one detector apart
    width: int = 1  # sensors of an asset
    sensors: int = 1000
    readings: int = 1000  # of each sensor

    @property
    def name(self) -> str:
        """The detector, and what is special about the case."""
        return f"{self.detector}, {self.label}" if self.label else self.detector

    @property
    def about(self) -> str:
        """What the floor is: the first line of its docstring."""
        return (self.floor.__doc__ or "").strip().splitlines()[0]


CASES: Final[tuple[Case, ...]] = (
    Case(
        "accumulation",
        {"excess": ["40 u"], "rise": "30 u", "window": "2 h"},
        60,
        blocks.block_climb,
        (10 * MINUTE, 30.0, 40.0),
    ),
    Case(
        "biogas",
        {"level": "10 u", "fast": "2 u/min", "margin": "3 u"},
        60,
        blocks.block_profile,
        (5 * MINUTE, DAY, 0.01),
    ),
    Case("blockage", {}, 60, assets.drain_line, (5 * MINUTE, 3, 900.0), width=3, sensors=999),
    Case("burst", {"flows": 1}, 0.2, assets.step_median, (SECOND, 5, 2.0), width=5),
    Case("calibration", {"learn": "12 h"}, 60, assets.peers, (5 * MINUTE, 5, 9), width=5),
    Case("crack_growth", {"width": ["9 u"], "growth": ["1 u/d"]}, 600, blocks.day_part_slopes, (DAY, 9.0, 1.0)),
    Case("cusum", {}, 0.1, levels.cusum, (0.5, 4.0, 8.0)),
    Case("drift", {"amount": "2 u", "window": "2 h"}, 60, blocks.block_line, (15 * MINUTE, 2.0)),
    Case("drop_out", {}, 0.1, limits.gap, (10 * SECOND,)),
    Case("ewma", {}, 0.1, levels.ewma, (0.05, 6.0)),
    Case(
        "frequency",
        {"expected": 3.0, "shift": [3]},
        0.01,
        blocks.demodulate,
        (4 * SECOND // 3, 4),
        sensors=100,
        readings=10_000,
    ),
    Case("illicit_discharge", {}, 60, assets.drain_profile, (10 * MINUTE, 2, HOUR), width=2),
    Case("impact", {"peak": ["40 u"]}, 0.01, levels.level_noise, (0.001, 40.0, 15.0)),
    Case("leak_noise", {"rise": "5 u"}, 900, blocks.night_least, (DAY, 2 * HOUR, 4 * HOUR)),
    Case("level_rise", {"rise": [1000.0]}, 20, assets.drain_rise, (MINUTE, 2, 300.0), width=2),
    Case("negative_pressure_wave", {"depth": "5 u"}, 0.01, levels.wave, (0.0014, 1.0, 20.0)),
    Case("night_flow", {}, 900, blocks.night_mean, (DAY, 2 * HOUR, 4 * HOUR)),
    Case("noise_burst", {}, 0.1, levels.swing, (0.1, 0.001, 5.0)),
    Case("novelty", {}, 10, windows.nearest, (4096, 4, 0.5), "noise", sensors=10, readings=6000),
    Case("out_of_range", {}, 0.1, limits.bounds, (-50.0, 50.0)),
    Case("overflow_forecast", {"crest": "40 u"}, 10, blocks.theil_sen, (75 * SECOND, 40.0)),
    Case(
        "overflow_forecast",
        {"crest": "40 u"},
        60,
        blocks.theil_sen,
        (75 * SECOND, 40.0),
        "a block at nearly every reading",
    ),
    Case("overload", {"peak": ["40 u"]}, 0.1, levels.passage, (20.0, 5e11, 40.0)),
    Case("page_hinkley", {"delta": "1 u", "threshold": "60 u"}, 0.1, levels.page_hinkley, (1.0, 60.0)),
    Case(
        "pressure_residual",
        {"flows": 1, "interval": "5 min", "learn": "10 h"},
        60,
        assets.residual,
        (5 * MINUTE, 20, 120),
        width=20,
    ),
    Case(
        "rainflow", {"category": "400 u", "damage": [1.0], "ignore": "6 u"}, 0.1, windows.rain_flow, (6.0, 300.0, 3.0)
    ),
    Case(
        "rainflow",
        {"category": "400 u", "damage": [1.0]},
        0.1,
        windows.rain_flow,
        (0.0, 300.0, 3.0),
        "every reading may turn",
    ),
    Case("rate_of_rise", {"rising": ["5 u/min"]}, 10, windows.part_slope, (300 * SECOND // 8, 5.0)),
    Case("recursive_pca", {}, 0.2, assets.principal, (SECOND, 8, 60), width=8),
    Case(
        "regulator", {"low": "-40 u", "high": "40 u", "drift": "5 u"}, 10, levels.short_long, (3.6e12, 6.048e14, 40.0)
    ),
    Case("river_model", {}, 10, blocks.half_space_trees, (MINUTE,), sensors=10, readings=600),
    Case("robust_mad", {}, 0.1, windows.sorted_window, (256, 5.0), sensors=100),
    Case("seasonal_ewma", {"season": "1 d"}, 900, levels.hour_ewma, (DAY, 0.05, 5.0)),
    Case("septic", {}, 20, assets.tank, (MINUTE, 3, 1800.0), width=3, sensors=999),
    Case("spike", {"size": "5 u"}, 0.1, levels.jump, (0.01, 5.0, 8.0)),
    Case("strain_shift", {"shift": ["6 u", "12 u"]}, 0.1, blocks.block_shift, (15 * SECOND, 0.01, 6.0)),
    Case("stuck", {}, 0.1, limits.held, (0.0, 1800 * SECOND)),
    Case("stuck_at_zero", {"tolerance": "0.01 u"}, 0.1, limits.zeros, (0.01, 30 * SECOND)),
    Case("thermal_strain", {"shift": [20.0], "learn": "10 min"}, 5, assets.thermal, (15 * SECOND, 4, 3600.0), width=4),
    Case("threshold", {"rising": ["10 u", "20 u", "25 u"], "hysteresis": "2 u"}, 0.1, limits.bounds, (-np.inf, 10.0)),
    Case("weekly_cusum", {"period": "1 d"}, 300, blocks.hour_cusum, (DAY // 168, 0.5, 8.0)),
)


def run(report: Report, cases: tuple[Case, ...] = CASES) -> None:
    """Add each detector's cost, its floor's, their ratio and the size of its state to `report`."""
    missing = set(registry.names()) - {case.detector for case in CASES}
    if missing:
        raise AssertionError(f"no case for {', '.join(sorted(missing))}: add one to CASES, with its floor")
    report.note("detectors: the floor is the same arithmetic as a plain loop over flat arrays (perf/floors).")
    for case in cases:
        floor, detector = _jobs(case)
        least, cost = _fastest(floor, detector)
        readings = case.sensors * case.readings
        report.figure(f"{case.name}: cost", cost / readings * 1e9, "ns/reading")
        report.figure(f"{case.name}: floor", least / readings * 1e9, "ns/reading")
        report.figure(f"{case.name} / floor", cost / least, "ratio", at_most=BAR)
        report.note(f"{case.name}: floor: {case.about}")
    for name in sorted({case.detector for case in cases}):
        kind = registry.get(name)
        report.figure(f"{name}: state", kind.STATE.itemsize, f"bytes/{kind.scope}")


def _fastest(a: Callable[[], object], b: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the fastest of several runs of each, in turn: these jobs take milliseconds, less than a time slice."""
    a(), b()
    times = [(seconds(a), seconds(b))]
    times += [(seconds(a), seconds(b)) for _ in range(2 if max(times[0]) > 0.3 else 10)]
    return min(of_a for of_a, _ in times), min(of_b for _, of_b in times)


def _jobs(case: Case) -> tuple[Callable[[], int], Callable[[], int]]:
    """The floor and the detector, each over all readings."""
    sensor, ts, value = _stream(case)
    kind = registry.get(case.detector)
    panes = [slice(0, len(ts))]
    rows = np.arange(len(ts))
    if kind.lane is Lane.PANE:
        size = PANE * case.sensors
        panes = [slice(at, at + size) for at in range(0, len(ts), size)]
        rows = np.lexsort((ts, sensor, np.arange(len(ts)) // size))
    sensor, ts, value = sensor[rows], ts[rows], value[rows]
    columns = [(sensor[pane], ts[pane], value[pane]) for pane in panes]

    every = np.ones(case.sensors)
    group = np.arange(case.sensors, dtype=np.int32) // case.width
    detector = registry.build(
        case.detector, case.params, -50 * every, 50 * every, every / case.every, "u", group.astype(np.int32)
    )
    slot_of = np.arange(case.sensors, dtype=np.int32)
    out = np.empty(2 * max(len(ts) for _, ts, _ in columns) + 2 * case.sensors, MARK)
    before = detector.snapshot()
    upto = [int(ts.max()) + 1 for _, ts, _ in columns]

    def kernel() -> int:
        detector.restore(before)
        n = 0
        for (sensor, ts, value), now in zip(columns, upto, strict=True):
            n += detector.rows(slot_of, sensor, ts, value, out)
            if kind.lane is Lane.PANE:
                n += detector.advance(now, out)
        return n

    return lambda: case.floor(case.sensors, sensor, ts, value, *case.args), kernel


def _stream(case: Case) -> tuple[Int32s, Int64s, Floats]:
    """Readings in the order of time."""
    rng = np.random.default_rng(20260101)
    total = case.sensors * case.readings
    sensor = np.tile(np.arange(case.sensors, dtype=np.int32), case.readings)
    ts = START + np.repeat(round(case.every * 1e9) * np.arange(case.readings), case.sensors)
    value = rng.normal(0, 1, total) + np.where(rng.random(total) < 5e-5, 20.0, 0.0)
    return sensor, ts, value


def write_pages(figures: Path, pages: Path) -> None:
    """Write what each detector cost in a run of `make bench` into its page, as the first paragraph of "Cost"."""
    values = {figure["name"]: figure["value"] for figure in json.loads(figures.read_text())["figures"]}
    for name in registry.names():
        page = pages / f"{name}.md"
        lines = [
            f"- {case.label or 'usual'}: {readable(values[f'{case.name}: cost'])} ns a reading, "
            f"{values[f'{case.name} / floor']:.1f} times its floor of {readable(values[f'{case.name}: floor'])} ns"
            for case in CASES
            if case.detector == name and f"{case.name} / floor" in values
        ]
        if not lines:
            continue
        about = next(case.about for case in CASES if case.detector == name)
        text = page.read_text()
        cost = "\n".join([_BEGIN, f"Floor: {about[0].lower()}{about[1:]}", "", *lines, _END]) + "\n"
        if _BEGIN in text:
            before, _, rest = text.partition(_BEGIN)
            text = before + cost + rest.partition(f"{_END}\n")[2]
        elif "## Cost\n" in text:
            text = text.replace("## Cost\n", f"## Cost\n\n{cost}", 1)
        else:
            text = text.replace("## Method\n", f"## Cost\n\n{cost}\n## Method\n", 1)
        page.write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.detectors", description="What each detector costs a reading.")
    parser.add_argument("--only", nargs="+", metavar="DETECTOR", help="measure these alone")
    parser.add_argument("--pages", type=Path, metavar="JSON", help="write the figures of a run into docs/detectors")
    options = parser.parse_args()
    if options.pages:
        write_pages(options.pages, Path("docs/detectors"))
    else:
        by_itself(run, tuple(case for case in CASES if not options.only or case.detector in options.only))
