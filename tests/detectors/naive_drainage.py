"""Oracles of the detectors of drains and septic tanks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.naive import NS, Mark, Oracle
from tests.detectors.naive_groups import GroupOracle


class OverflowForecast(Oracle):
    name = "overflow_forecast"
    cases = (
        {"crest": "41.0123 u", "window": "8 s", "left": [0.3456, 0.1234, 0.0567]},
        {"crest": "9.0123 u", "window": "16 s", "left": [0.7456], "rise": "3.0123 u", "release": 1.0},
    )

    def start(self) -> None:
        self.readings: list[tuple[int, float]] = []

    def reading(self, ts, x):
        length = round(self.p.window * NS) // 8
        if self.readings and ts // length != (newest := self.readings[-1][0] // length):
            yield from self.judge(ts, x, length, newest)
        self.readings.append((ts, x))

    def judge(self, ts, x, length, newest):
        p, points = self.p, []
        for block in range(newest, newest - 8, -1):
            inside = [(t, v) for t, v in self.readings if t // length == block]
            if inside:
                at = sum((t - block * length) / length for t, _ in inside) / len(inside)
                points.append((at - (newest - block) - 1, sum(v for _, v in inside) / len(inside)))
        longest = 10 * p.release * p.left[0]
        left = longest
        if len(points) >= 5:
            slope = statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))
            level = statistics.median(v - slope * at for at, v in points)
            if slope > 0 and slope * 8 >= (p.rise.value if p.rise else 0.0):
                blocks = (p.crest.value - level) / slope - (ts - (newest + 1) * length) / length
                left = min(max(blocks, 0.0) * length / NS / 60, longest)
        bounds = p.left
        grade = max(
            (k + 1 for k, b in enumerate(bounds) if left <= b or (k < self.grade and left <= p.release * b)), default=0
        )
        bound = bounds[grade - 1] if grade else p.release * bounds[0]
        yield from self.turn(grade, Reason.RISE, ts, ts, left, bound, x, p.crest.value)


class _Turning:
    """What `Oracle.turn` is to one sensor, to a group."""

    onset: int
    grade: int

    def turn(
        self,
        slot: int,
        grade: int,
        reason: int,
        ts: int,
        onset: int,
        score: float,
        bound: float,
        x: float,
        base: float,
    ) -> Iterator[Mark]:
        if grade != self.grade:
            phase = ONSET if self.grade == 0 else END if grade == 0 else CHANGE
            self.onset = onset if phase == ONSET else self.onset
            self.grade = grade
            yield Mark(slot, phase, grade, int(reason), ts, self.onset, score, bound, x, base)


class LevelRise(_Turning, GroupOracle):
    name = "level_rise"
    cases = (
        {"rise": [0.5123 * 60, 2.0123 * 60], "step": "1 s", "memory": "2 s", "learn": 4, "response": "3 s"}
        | {"part": 0.2345, "horizon": 30},
        {"rise": [0.8123 * 60], "step": "2 s", "memory": "3 s", "learn": 3, "response": "1 s", "release": 0.9123},
    )

    def start(self) -> None:
        self.raining, self.speed, self.at, self.seen = 0.0, 0.0, 0, (0, 0.0)
        self.pool, self.wet = np.zeros(2), np.zeros(2)
        self.learned: list[tuple[float, ...]] = []

    def step(self, at, step, means):
        p = self.p
        level = means.get(self.slots[p.level - 1])
        if len(self.slots) >= p.rain > 0:
            self.raining = max(means.get(self.slots[p.rain - 1], self.raining), 0.0)
        if self.at:
            rest = np.exp(-(at - self.at) / NS / (p.response * np.array([1.0, 4.0])))
            self.pool = rest * self.pool + (1 - rest) * self.raining
        self.at = at
        if level is None:
            return
        (before, old), self.seen = self.seen, (at, level)
        if not before:
            return
        dt = (at - before) / NS
        rest = math.exp(-dt / p.memory)
        self.speed = rest * self.speed + (1 - rest) * (level - old) / dt * 60
        self.wet = rest * self.wet + (1 - rest) * self.pool
        rains, explained = self.wet.max() > p.trace, 0.0
        if rains and self.learned:
            table = np.array(self.learned)
            weights = np.exp(-np.arange(len(table))[::-1] / p.horizon)
            moments = (table[:, :2].T * weights) @ table
            a = moments[:, :2] + 1e-3 * np.diag(np.diag(moments))
            if np.linalg.det(a) > 0:
                explained = max(float(self.wet @ np.linalg.solve(a, moments[:, 2])), 0.0)
        excess = self.speed - explained
        bounds = [rise + p.part * explained for rise in p.rise]
        ripe = not rains or len(self.learned) >= p.learn
        grade = max(
            (
                k + 1
                for k, bound in enumerate(bounds)
                if (excess >= bound and ripe) or (k < self.grade and excess >= p.release * bound)
            ),
            default=0,
        )
        bound = bounds[grade - 1] if grade else p.release * bounds[0]
        expected = level - self.speed + explained
        yield from self.turn(self.slots[p.level - 1], grade, Reason.RISE, at + step, at, excess, bound, level, expected)
        if rains and not grade:
            self.learned.append((*self.wet.tolist(), self.speed))


class Blockage(_Turning, GroupOracle):
    name = "blockage"
    #: With a flow meter `test_drainage.py` compares the two: streams of equal sensors keep their relation.
    cases = (
        {"flow": 0, "rain": 2, "rise": [2.0123, 9.0123], "z": 1.0123, "step": "1 s", "memory": "2 s"}
        | {"trace": 40.5, "dry": "3 s", "learn": 5, "horizon": 30},
        {"rain": 0, "flow": 3, "rise": [1.0123], "z": 0.5123, "step": "2 s", "memory": "1 s", "dry": "3 s"}
        | {"learn": 4, "horizon": 10, "accept": "9 s", "release": 0.8123},
    )

    def start(self) -> None:
        self.at = self.rained = self.learned = 0
        self.smooth, self.usual, self.spread, self.error = np.zeros(2), np.zeros(2), np.zeros((2, 2)), 0.0

    def step(self, at, step, means):
        p, size = self.p, len(self.slots)
        level = means.get(self.slots[p.level - 1])
        if size >= p.rain > 0 and means.get(self.slots[p.rain - 1], 0.0) > p.trace:
            self.rained = at
        gauged = size >= p.flow > 0
        flow = means.get(self.slots[p.flow - 1]) if gauged else 0.0
        if level is None or flow is None:
            return
        rest = math.exp(-(at - self.at) / NS / p.memory) if self.at else 0.0
        self.smooth, self.at = rest * self.smooth + (1 - rest) * np.array([level, flow]), at
        rains = bool(self.rained) and at - self.rained < p.dry * NS
        off = self.smooth - self.usual
        per_flow = max(self.spread[0, 1] / self.spread[1, 1], 0.0) if self.spread[1, 1] > 0 else 0.0
        excess = off[0] - per_flow * off[1]
        begins = self.learned >= p.learn and not rains and off[0] > 0 and off[1] <= 2 * math.sqrt(self.spread[1, 1])
        bounds = [max(rise, p.z * math.sqrt(self.error)) for rise in p.rise]
        grade = max(
            (
                k + 1
                for k, bound in enumerate(bounds)
                if (excess >= bound and begins) or (k < self.grade and excess >= p.release * bound)
            ),
            default=0,
        )
        if self.grade and at - self.onset >= p.accept * NS:
            grade = self.learned = 0
        yield from self.turn(
            self.slots[p.level - 1],
            grade,
            Reason.RELATION if gauged else Reason.RISE,
            at + step,
            at,
            excess,
            bounds[grade - 1] if grade else p.release * bounds[0],
            self.smooth[0],
            self.smooth[0] - excess,
        )
        if rains or grade:
            return
        self.learned += 1
        a = max(1 / self.learned, 1 - math.exp(-1 / p.horizon))
        if self.learned == 1:
            off, excess, self.usual = np.zeros(2), 0.0, self.smooth
        self.usual = self.usual + a * off
        self.spread = (1 - a) * (self.spread + a * np.outer(off, off))
        self.error = (1 - a) * (self.error + a * excess**2)


class IllicitDischarge(_Turning, GroupOracle):
    name = "illicit_discharge"
    cases = (
        {"rise": [2.0123, 30.0123], "z": 0.5123, "period": "7 s", "step": "1 s", "hold": "2 s", "learn": 3}
        | {"trace": 49.5, "dry": "2 s"},
        {"rise": [1.0123], "rain": 0, "z": 0.3123, "period": "10 s", "step": "2 s", "hold": "0 s", "learn": 2}
        | {"horizon": 5, "accept": "9 s", "release": 0.8123},
    )

    def start(self) -> None:
        self.rained, self.above = 0, 0
        self.hours: dict[int, tuple[int, float, float]] = {}  # steps, mean and variance
        self.count, self.all = 0, 0.0

    def step(self, at, step, means):
        p = self.p
        flow = means.get(self.slots[p.flow - 1])
        if len(self.slots) >= p.rain > 0 and means.get(self.slots[p.rain - 1], 0.0) > p.trace:
            self.rained = at
        if flow is None:
            return
        hour = at // (round(p.period * NS) // 168) % 168
        rains = bool(self.rained) and at - self.rained < p.dry * NS
        seen, usual, spread = self.hours.get(hour, (0, flow, 0.0))
        excess = flow - usual
        bounds = [max(rise, p.z * math.sqrt(max(spread, self.all))) for rise in p.rise]
        if not self.grade:
            high = seen >= p.learn and not rains and excess >= bounds[0]
            self.above = (self.above or at) if high else 0
        accepted = False
        lasted = bool(self.above) and at + step - self.above >= p.hold * NS
        grade = max(
            (
                k + 1
                for k, bound in enumerate(bounds)
                if (excess >= bound and lasted) or (k < self.grade and excess >= p.release * bound)
            ),
            default=0,
        )
        if self.grade and at - self.onset >= p.accept * NS:
            grade, accepted = 0, True
            self.hours.clear()
        bound = bounds[grade - 1] if grade else p.release * bounds[0]
        slot = self.slots[p.flow - 1]
        yield from self.turn(slot, grade, Reason.RISE, at + step, self.above, excess, bound, flow, usual)
        if accepted or (not grade and excess < bounds[0]):
            self.above = 0
        if rains or self.above or accepted:
            return
        a = max(1 / (seen + 1), 1 - math.exp(-1 / p.horizon))
        old = (usual, spread) if seen else (flow, 0.0)
        self.hours[hour] = seen + 1, old[0] + a * excess, (1 - a) * (old[1] + a * excess**2)
        self.count += 1
        self.all += max(1 / self.count, (1 - math.exp(-1 / p.horizon)) / 168) * (excess**2 - self.all)


class Septic(_Turning, GroupOracle):
    name = "septic"
    cases = (
        {"rising": [9.0123, 30.0123], "moderate": 2.0123, "filling": 0.5123 * 3600, "warming": 3.0123 * 3600}
        | {"step": "1 s", "memory": "2 s", "at_least": "3 s", "hysteresis": 1.0123},
        {"level": 0, "temperature": 2, "rising": [20.0123], "moderate": 1.0123, "warming": 0.7123 * 3600}
        | {"step": "2 s", "memory": "5 s", "at_least": "0 s", "hysteresis": 0.0},
    )

    def start(self) -> None:
        self.seen: dict[int, tuple[int, float]] = {}
        self.speeds = {0: 0.0, 1: 0.0}
        self.normal, self.reason = 0.0, Reason.RISE

    def step(self, at, step, means):
        p = self.p
        for k, place in enumerate((p.level, p.temperature)):
            if len(self.slots) >= place > 0 and self.slots[place - 1] in means:
                x = means[self.slots[place - 1]]
                if k in self.seen:
                    dt = (at - self.seen[k][0]) / NS
                    rest = math.exp(-dt / p.memory)
                    self.speeds[k] = rest * self.speeds[k] + (1 - rest) * (x - self.seen[k][1]) / dt * 3600
                self.seen[k] = at, x
        slot = self.slots[p.gas - 1]
        if slot not in means:
            return
        gas, fastest = means[slot], max(self.speeds[0] / p.filling, self.speeds[1] / p.warming)
        grade = 0
        for k, bound in enumerate(p.rising):
            if gas >= bound or (k < self.grade and gas >= bound - p.hysteresis):
                grade = k + 1
        if not self.grade:
            self.reason = Reason.RISE if gas >= p.rising[0] else Reason.RELATION
        stays = bool(self.grade) and self.reason == Reason.RELATION
        combined = (gas >= p.moderate and fastest >= 1) or (
            stays and gas >= p.moderate - p.hysteresis and fastest >= 0.5
        )
        bound = p.rising[grade - 1] if grade else p.rising[0] - p.hysteresis
        if not grade and combined:
            grade, bound = 1, p.moderate
        if self.grade and not grade and at + step - self.onset < p.at_least * NS:
            grade = 1
        if not grade and self.reason == Reason.RELATION:
            bound = p.moderate - p.hysteresis
        yield from self.turn(slot, grade, self.reason, at + step, at, gas, bound, gas, self.normal)
        if not grade:
            self.normal = gas
