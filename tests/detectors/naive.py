"""What each detector should find, written as plainly as possible: one object a sensor, one reading at a time.

Kernels are compared with these. An oracle keeps whole lists where a kernel keeps sums, so that the two do not share
mistakes. To add one, derive from `Oracle` and name the detector, here or in a file `naive_*.py` beside this one.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason

NS = 1_000_000_000


class Mark(NamedTuple):
    slot: int
    phase: int
    grade: int
    reason: int
    ts: int
    onset: int
    score: float
    threshold: float
    value: float
    baseline: float


class Oracle:
    """One sensor."""

    name: ClassVar[str]
    #: Parameters, as a file gives them, that find something in short streams of values from -60 to 60 at about 1 Hz.
    cases: ClassVar[tuple[Mapping[str, Any], ...]]
    limit: ClassVar[float] = 1e150

    def __init__(self, slot: int, params: Any, low: float, high: float, rate: float) -> None:
        self.slot, self.p, self.low, self.high, self.rate = slot, params, low, high, rate
        self.last, self.onset, self.grade = 0, 0, 0
        self.start()

    def start(self) -> None: ...

    def feed(self, ts: int, x: float) -> Iterator[Mark]:
        if ts > self.last and math.isfinite(x) and abs(x) <= self.limit:
            yield from self.reading(ts, x)
            self.last = ts

    def reading(self, ts: int, x: float) -> Iterator[Mark]:
        raise NotImplementedError

    def time(self, now: int) -> Iterator[Mark]:
        return iter(())

    def turn(
        self, grade: int, reason: int, ts: int, onset: int, score: float, bound: float, x: float, base: float
    ) -> Iterator[Mark]:
        if grade != self.grade:
            phase = ONSET if self.grade == 0 else END if grade == 0 else CHANGE
            self.onset = onset if phase == ONSET else self.onset
            self.grade = grade
            yield Mark(self.slot, phase, grade, int(reason), ts, self.onset, score, bound, x, base)


class Threshold(Oracle):
    name = "threshold"
    limit = math.inf
    cases = (
        {"rising": ["10 u", "20 u", "25 u"], "hysteresis": "2 u"},
        {"falling": ["-10 u", "-20 u"], "rising": ["5 u"], "hysteresis": "3 u"},
        {"rising": ["1 u", "2 u", "3 u", "40 u"], "hold": "2500 ms", "hysteresis": "0.5 u"},
        {"falling": ["0 u"]},
    )

    def start(self) -> None:
        self.side, self.normal = 0, 0.0
        self.since: dict[int, int] = {}

    def reading(self, ts, x):
        h = self.p.hysteresis.value if self.p.hysteresis else 0.0
        sides = {1: [q.value for q in self.p.rising], -1: [q.value for q in self.p.falling]}
        for side, bounds in sides.items():
            if self.side == side:
                self.since = {k: t for k, t in self.since.items() if side * (x - bounds[k]) >= -h}
                if not self.since:
                    reason = Reason.RISE if side > 0 else Reason.FALL
                    yield from self.turn(0, reason, ts, ts, x, bounds[0] - side * h, x, self.normal)
                    self.side = 0
        for side, bounds in sides.items():
            if self.side in (0, side):
                for k, bound in enumerate(bounds):
                    if side * (x - bound) >= 0:
                        self.since.setdefault(k, ts)
                if self.since:
                    self.side = side
                    held = [k + 1 for k, t in self.since.items() if (ts - t) / NS >= self.p.hold]
                    grade = max(held, default=0)
                    reason = Reason.RISE if side > 0 else Reason.FALL
                    bound = bounds[grade - 1] if grade else bounds[0] - side * h
                    yield from self.turn(grade, reason, ts, self.since[0], x, bound, x, self.normal)
        if self.side == 0:
            self.normal = x


class RateOfRise(Oracle):
    name = "rate_of_rise"
    cases = (
        {"rising": ["0.731 u/s", "2.1337 u/s"], "falling": ["45.1234 u/min"], "window": "8 s"},
        {"rising": ["0.5123 u/s"], "window": "20 s", "above": "3 u", "release": 0.37},
    )

    def start(self) -> None:
        self.reason, self.before = Reason.NONE, 0.0
        self.kept: list[tuple[int, float]] = []

    def reading(self, ts, x):
        length = round(self.p.window * NS) // 8
        newest = ts // length
        self.kept = [(t, v) for t, v in self.kept if t // length > newest - 8] + [(ts, x)]
        parts: dict[int, list[tuple[int, float]]] = {}
        for t, v in self.kept:
            parts.setdefault(t // length, []).append((t, v))
        times = [sum((t - ts) / NS for t, _ in part) / len(part) for part in parts.values()]
        means = [sum(v / len(part) for _, v in part) for part in parts.values()]
        counts = (self.p.above is None or x >= self.p.above.value) and len(parts) >= 3 and max(parts) - min(parts) >= 4
        slope = float(np.polyfit(times, means, 1)[0]) if counts else 0.0
        bounds = {Reason.RISE: [r.value for r in self.p.rising], Reason.FALL: [r.value for r in self.p.falling]}
        reason = Reason.RISE if slope > 0 else Reason.FALL
        least = self.p.release
        if self.grade and reason != self.reason:
            bound = least * bounds[self.reason][0]
            yield from self.turn(0, self.reason, ts, ts, abs(slope), bound, x, self.before)
        grade = 0
        for k, bound in enumerate(bounds[reason]):
            if abs(slope) >= bound or (self.grade > k and abs(slope) >= least * bound):
                grade = k + 1
        if grade and not self.grade:
            self.reason, self.before = reason, means[0]
        bound = bounds[reason][grade - 1] if grade else least * bounds[reason][0] if self.grade else 0.0
        yield from self.turn(grade, reason, ts, ts, abs(slope), bound, x, self.before)


class Ewma(Oracle):
    name = "ewma"
    cases = (
        {"alpha": 0.05, "warm_up": 5, "z": [2.01234], "learning": "plain", "each": True, "release": 1.0},
        {"half_life": 8.0, "warm_up": 5, "z": [2.01234, 3.51234], "relearn": "15 s", "min_sigma": "0.3 u"},
        {"half_life": 8.0, "warm_up": 3, "z": [1.51234], "sides": "down", "each": True},
        {"half_life": 8.0, "warm_up": 3, "z": [2.01234], "sides": "up", "learning": "plain"},
    )

    def start(self) -> None:
        self.n, self.mean, self.var = 0, 0.0, 0.0

    def reading(self, ts, x):
        p, guarded = self.p, self.p.learning == "guarded"
        if self.n == 0:
            self.n, self.mean, self.var = 1, x, 0.0
            return
        if self.n >= p.warm_up:
            sigma = max(math.sqrt(self.var), p.min_sigma.value if p.min_sigma else 0.0)
            z = (x - self.mean) / sigma if sigma else 0.0
            counted = abs(z) if p.sides == "both" or (z > 0) == (p.sides == "up") else 0.0
            reason = Reason.RISE if x >= self.mean else Reason.FALL
            grade = sum(1 for b in p.z if counted > b)
            grade = max(grade, sum(1 for b in p.z[: self.grade] if counted > p.release * b))
            bound = p.z[grade - 1] if grade else p.release * p.z[0]
            if guarded and self.grade and ts - self.onset >= p.relearn * NS:
                yield from self.turn(0, reason, ts, ts, abs(z), bound, x, self.mean)
                self.n, self.mean, self.var = 1, x, 0.0
                return
            if p.each and grade == self.grade and counted > p.z[0]:
                yield Mark(self.slot, CHANGE, grade, int(reason), ts, self.onset, abs(z), bound, x, self.mean)
            yield from self.turn(grade, reason, ts, ts, abs(z), bound, x, self.mean)
            if guarded and counted > p.z[0]:
                return
        self.n += 1
        alpha = p.alpha or 1 - 0.5 ** (1 / p.half_life)
        alpha = max(alpha, 1 / self.n) if guarded else alpha
        before = self.mean
        self.mean = before + alpha * (x - before)
        # Second moment about the new mean: what was known, moved, and the new reading.
        self.var = (1 - alpha) * (self.var + (before - self.mean) ** 2) + alpha * (x - self.mean) ** 2


class Cusum(Oracle):
    name = "cusum"
    cases = (
        {"limit": 3.01234, "drift": 0.50617, "warm_up": 6, "clip": 2.51, "relearn": "12 s"},
        {"limit": 2.01234, "drift": 0.25, "mean": "1 u", "sigma": "4 u"},
        {"limit": 4.01234, "drift": 0.50617, "warm_up": 4, "min_sigma": "3 u", "clip": 50.0},
    )

    def start(self) -> None:
        self.reference, self.reason = None, Reason.NONE
        self.learned: list[float] = []
        self.sums = {Reason.RISE: 0.0, Reason.FALL: 0.0}
        self.since: dict[Reason, int] = {}
        if self.p.mean:
            self.reference = self.p.mean.value, self.p.sigma.value

    def reading(self, ts, x):
        p = self.p
        if self.reference is None:
            self.learned.append(x)
            if len(self.learned) >= p.warm_up:
                equal = len(set(self.learned)) == 1
                sigma = 0.0 if equal else statistics.stdev(self.learned)
                sigma = max(sigma, p.min_sigma.value if p.min_sigma else 0.0)
                if sigma > 0:
                    self.reference = statistics.fmean(self.learned), sigma
            return
        mean, sigma = self.reference
        z = min(max((x - mean) / sigma, -p.clip), p.clip)
        for reason, sign in ((Reason.RISE, 1), (Reason.FALL, -1)):
            if self.sums[reason] == 0:
                self.since[reason] = ts
            self.sums[reason] = min(max(self.sums[reason] + sign * z - p.drift, 0.0), p.limit + p.clip)
        if self.grade:
            stale = p.mean is None and ts - self.onset >= p.relearn * NS
            if self.sums[self.reason] > 0 and not stale:
                return
            yield from self.turn(0, self.reason, ts, ts, self.sums[self.reason], p.limit, x, mean)
            if stale:
                self.start()
                return
        for reason in (Reason.RISE, Reason.FALL):
            if not self.grade and self.sums[reason] > p.limit:
                self.reason = reason
                yield from self.turn(1, reason, ts, self.since[reason], self.sums[reason], p.limit, x, mean)


class PageHinkley(Oracle):
    name = "page_hinkley"
    cases = (
        {"threshold": "20.01234 u", "delta": "0.5 u", "readings": 4},
        {"threshold": "9.01234 u", "delta": "0 u", "readings": 1, "sides": "down", "hold": "3 s", "alpha": 1.0},
        {"threshold": "9.01234 u", "delta": "1 u", "readings": 3, "sides": "up", "hold": "6 s", "alpha": 0.9},
    )

    def start(self) -> None:
        self.found = self.reason = 0
        self.again()

    def again(self) -> None:
        self.n, self.mean = 0, 0.0
        self.ups: list[tuple[float, int]] = []
        self.downs: list[tuple[float, int]] = []

    def reading(self, ts, x):
        p, bound = self.p, self.p.threshold.value
        if self.grade and ts - self.found >= p.hold * NS:
            yield from self.turn(0, self.reason, ts, ts, 0.0, bound, x, self.mean)
        self.n += 1
        self.mean += (x - self.mean) / self.n
        d = x - self.mean
        self.ups.append(((self.ups[-1][0] if self.ups else 0.0) * p.alpha + d - p.delta.value, ts))
        self.downs.append(((self.downs[-1][0] if self.downs else 0.0) * p.alpha + d + p.delta.value, ts))
        if self.n < p.readings:
            return
        low, low_ts = min(self.ups)  # the earliest of equals
        high, high_ts = max(self.downs, key=lambda pair: pair[0])
        rise = self.ups[-1][0] - low if p.sides != "down" else 0.0
        fall = high - self.downs[-1][0] if p.sides != "up" else 0.0
        if max(rise, fall) > bound:
            reason, onset = (Reason.RISE, low_ts) if rise >= fall else (Reason.FALL, high_ts)
            self.reason = self.reason if self.grade else reason
            yield from self.turn(1, reason, ts, onset, max(rise, fall), bound, x, self.mean)
            self.found = ts
            self.again()


class Stuck(Oracle):
    name = "stuck"
    limit = math.inf
    cases = (
        {"duration": "4 s", "readings": 4},
        {"duration": "0 s", "readings": 3, "tolerance": "1.5 u", "resting": "0 u"},
    )

    def start(self) -> None:
        self.run: list[tuple[int, float]] = []

    def reading(self, ts, x):
        p = self.p
        near = p.tolerance.value if p.tolerance else 0.0
        if self.run and abs(x - self.run[0][1]) <= near:
            self.run.append((ts, x))
        else:
            since, held = self.run[0] if self.run else (ts, x)
            yield from self.turn(0, Reason.STUCK, ts, ts, (ts - since) / NS, p.duration, x, held)
            self.run = [(ts, x)]
        since, held = self.run[0]
        rests = p.resting is not None and abs(held - p.resting.value) <= near
        if len(self.run) >= p.readings and (ts - since) / NS >= p.duration and not rests:
            yield from self.turn(1, Reason.STUCK, ts, since, (ts - since) / NS, p.duration, x, held)


class Spike(Oracle):
    name = "spike"
    cases = (
        {"size": "5 u", "times": 2.0, "warm_up": 3, "half_life": 5.0, "quiet": "4 s"},
        {"size": "1 u", "times": 1.0, "warm_up": 2, "quiet": "0 s", "returned": 0.9},
    )

    def start(self) -> None:
        self.good: list[float] = []
        self.steps: list[float] = []
        self.noise, self.found = 0.0, 0
        self.suspect: tuple[int, float] | None = None

    def reading(self, ts, x):
        p = self.p
        alpha = 1 - 0.5 ** (1 / p.half_life)

        def bound():
            return max(p.size.value, p.times * self.noise)

        if self.grade and ts - self.found >= p.quiet * NS:
            yield from self.turn(0, Reason.SPIKE, ts, ts, 0.0, bound(), x, self.good[-1])
        if not self.good:
            self.good.append(x)
            return
        if self.suspect:
            (at, peak), level, self.suspect = self.suspect, self.good[-1], None
            opposite = (peak - level) * (x - peak) < 0
            if opposite and abs(peak - x) > bound() and abs(x - level) <= (1 - p.returned) * abs(peak - level):
                score = min(abs(peak - level), abs(peak - x))
                yield from self.turn(1, Reason.SPIKE, ts, at, score, bound(), peak, (level + x) / 2)
                self.found = ts
                self.good.append(x)
                return
            self.noise = (1 - alpha) * self.noise + alpha * bound()
            self.good.append(peak)
        step = abs(x - self.good[-1])
        if len(self.steps) >= p.warm_up:
            if step > bound():
                self.suspect = ts, x
                return
            self.noise = (1 - alpha) * self.noise + alpha * step
        else:
            self.steps.append(step)
            self.noise = sum(s / len(self.steps) for s in self.steps)
        self.good.append(x)


class DropOut(Oracle):
    name = "drop_out"
    limit = math.inf
    cases = ({"intervals": 3.0}, {"intervals": 1.5, "at_least": "6 s"})

    def start(self) -> None:
        self.value = 0.0
        self.silence = max(self.p.intervals / self.rate, self.p.at_least)

    def time(self, now):
        deadline = self.last + round(self.silence * NS)
        if self.last and now >= deadline:
            turn = (Reason.DROP_OUT, deadline, self.last, self.silence, self.silence, self.value, self.value)
            yield from self.turn(1, *turn)

    def reading(self, ts, x):
        yield from self.time(ts)
        gone = (ts - self.last) / NS
        yield from self.turn(0, Reason.DROP_OUT, ts, ts, gone, self.silence, x, self.value)
        self.value = x


class OutOfRange(Oracle):
    name = "out_of_range"
    limit = math.inf
    cases = ({}, {"margin": "2 u", "quiet": "3 s"})

    def start(self) -> None:
        self.good, self.beyond, self.bound = 0.0, 0, 0.0

    def reading(self, ts, x):
        margin = self.p.margin.value if self.p.margin else 0.0
        low, high = self.low - margin, self.high + margin
        if low <= x <= high:
            if ts - self.beyond >= self.p.quiet * NS:
                yield from self.turn(0, Reason.OUT_OF_RANGE, ts, ts, 0.0, self.bound, x, self.good)
            self.good = x
        else:
            self.beyond, self.bound = ts, low if x < low else high
            yield from self.turn(1, Reason.OUT_OF_RANGE, ts, ts, abs(x - self.bound), self.bound, x, self.good)


# Further oracles stand in files of their own beside this one, which import `Oracle` from here.
for _module in sorted(info.name for info in pkgutil.iter_modules([str(Path(__file__).parent)])):
    if _module.startswith("naive_"):
        importlib.import_module(f"tests.detectors.{_module}")

ORACLES: Mapping[str, type[Oracle]] = {oracle.name: oracle for oracle in Oracle.__subclasses__()}
