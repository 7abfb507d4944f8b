"""Oracle of the shifts that the temperature does not explain."""

from __future__ import annotations

import math

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.naive import NS, Mark
from tests.detectors.naive_groups import GroupOracle, Row


class ThermalStrain(GroupOracle):
    name = "thermal_strain"
    cases = (
        {"thermometer": 0, "shift": [3.017, 7.03, 20.07], "step": "1 s", "stays": "3 s", "learn": "12 s"}
        | {"memory": "60 s", "times": 1.3, "relearn": "40 s"},
        {"thermometer": 2, "shift": [4.013], "step": "2 s", "stays": "3 s", "learn": "9 s", "memory": "40 s"}
        | {"lag": "5 s", "times": 0.0, "release": 0.9, "relearn": "30 s"},
    )

    @staticmethod
    def eventful(rows: list[Row]) -> list[Row]:
        """One gauge reads 9 more for a quarter of the time."""
        return [(sensor, ts, x + 9 * (sensor == 2 and k % 200 >= 150)) for k, (sensor, ts, x) in enumerate(rows)]

    def start(self) -> None:
        at = self.p.thermometer - 1
        self.thermometer = self.slots[at] if 0 <= at < len(self.slots) else None
        self.features: list[np.ndarray] = []
        self.gauges = {slot: _Gauge(self.p) for slot in self.slots if slot != self.thermometer}
        self.warm: tuple[int, float] | None = None
        self.now = np.array([1.0, 0.0, 0.0, 0.0])

    def feel(self, at: int, x: float) -> None:
        if self.warm is None:
            self.warm = (at, x)
            return
        before, origin = self.warm
        dt = (at - before) / NS
        self.now[1] = x - origin
        for k, after in ((2, self.p.lag), (3, 4 * self.p.lag)):
            self.now[k] += (1 - math.exp(-dt / after)) * (x - origin - self.now[k])
        self.warm = (at, origin)

    def step(self, at, step, means):
        p = self.p
        if self.thermometer is not None:
            if self.thermometer in means:
                self.feel(at, means[self.thermometer])
            most = math.ceil(p.stays / p.step) * step
            if self.warm is None or at - self.warm[0] >= most:
                return
        keep = math.exp(-p.step / p.memory)
        stale = bool(self.grade) and at + step - self.onset >= p.relearn * NS
        history = np.array(self.features).reshape(-1, 4)
        weights = keep ** np.arange(len(history))[::-1]
        moments = history.T * weights @ history
        ridge = 1e-3 * moments[0, 0] * np.diag([0.0, 1, 1, 1])
        held = {}
        for slot, gauge in self.gauges.items():
            gauge.take(at, means.get(slot), self.now, history, weights, moments, ridge, stale)
            held[slot] = max((k + 1 for k, on in enumerate(gauge.held) if on), default=0)
        self.features.append(self.now.copy())
        grade = max(held.values(), default=0)
        if grade and not self.grade:
            self.lead = next(slot for slot in held if held[slot] == grade)
        if grade != self.grade:
            gauge = self.gauges[self.lead]
            if not self.grade:
                self.onset = gauge.since
            phase = ONSET if not self.grade else CHANGE if grade else END
            self.grade = grade
            bound = gauge.scale * (p.shift[grade - 1] if grade else p.release * p.shift[0])
            reason = Reason.RISE if gauge.side > 0 else Reason.FALL
            score = max(gauge.side * gauge.away, 0.0)
            fixed = self.lead, phase, grade, int(reason), at + step, self.onset
            yield Mark(*fixed, score, bound, gauge.expected + gauge.away, gauge.expected)


class _Gauge:
    def __init__(self, p):
        self.p, self.bounds = p, list(p.shift)
        self.learned: list[float] = []  # of every step, about the origin; 0 before the first reading
        self.origin = None
        self.seen, self.noise, self.away, self.side, self.since = 0, 0.0, 0.0, 0, 0
        self.held, self.run = [False] * len(self.bounds), [0] * len(self.bounds)

    @property
    def scale(self):
        return max(1.0, self.p.times * self.noise / self.bounds[0])

    def take(self, at, x, now, history, weights, moments, ridge, stale):
        p = self.p
        self.learned += [0.0] * (len(history) - len(self.learned))
        if self.origin is None:
            if x is None:
                return
            self.origin = x
        right = history.T @ (weights * np.array(self.learned))
        y = float(now @ np.linalg.lstsq(moments + ridge, right)[0]) if len(history) else 0.0
        self.expected = self.origin + y
        learn, e = max(round(p.learn / p.step), 2), 0.0
        if x is not None:
            self.seen += 1
            self.away = e = x - self.expected
            scale, limit = self.scale, math.inf
            if self.seen > learn:
                self.count(at, e, scale)
                limit = max(4 * self.noise, self.bounds[0] / 4)
                if self.held[0] or abs(e) >= scale * self.bounds[0]:
                    limit = 0.0
                e = min(max(e, -limit), limit)
            if 2 * self.seen > learn and limit > 0:
                weight = max(1 - math.exp(-p.step / p.memory), 1 / (self.seen - learn // 2))
                self.noise += weight * (abs(e) - self.noise)
        if stale and self.held[0]:
            self.learned = [v + self.away for v in self.learned]
            self.held, self.run = [False] * len(self.bounds), [0] * len(self.bounds)
        self.learned.append(y + e)

    def count(self, at, e, scale):
        if not self.held[0] and (self.run[0] == 0 or self.side * e <= 0):
            self.side = 1 if e > 0 else -1
            self.run = [0] * len(self.bounds)
        for k, bound in enumerate(self.bounds):
            away = self.side * e
            other = away < self.p.release * scale * bound if self.held[k] else away >= scale * bound
            if not other:
                self.run[k] = 0
                continue
            if k == 0 and not self.held[0] and self.run[0] == 0:
                self.since = at
            self.run[k] += 1
            if self.run[k] >= math.ceil(self.p.stays / self.p.step):
                self.held[k], self.run[k] = not self.held[k], 0
