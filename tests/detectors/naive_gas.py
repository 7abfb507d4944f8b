"""Oracles of the detectors for gas."""

from __future__ import annotations

import math
from itertools import pairwise

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Accumulation(Oracle):
    name = "accumulation"
    cases = (
        {"excess": ["3.01 u", "8.03 u"], "floor": "2 u", "window": "12 s", "release": 0.7},
        {"rise": "7.01 u", "window": "12 s", "dip": 0.21},
        {"excess": ["1.01 u", "30 u"], "rise": "9 u", "window": "24 s", "floor": "-1 u", "release": 0.9},
        {"excess": ["0.51 u"], "window": "12 s", "floor": "2 u", "cap": "2.9 u"},
    )

    def start(self) -> None:
        self.readings: list[tuple[int, float]] = []
        self.blocks: list[tuple[int, float, float]] = []  # number, mean, mean excess; without a gap
        self.exposed, self.climbs, self.why = 0, False, Reason.NONE

    def reading(self, ts, x):
        length = round(self.p.window * NS) // 12
        if self.readings and ts // length != (block := self.readings[0][0] // length):
            values = [value for _, value in self.readings]
            floor = self.p.floor.value if self.p.floor else 0.0
            cap = self.p.cap.value if self.p.cap else math.inf
            over = sum(max(min(value, cap) - floor, 0.0) for value in values) / len(values)
            self.blocks.append((block, sum(values) / len(values), over))
            yield from self.judge(ts, length, floor)
            if ts // length != block + 1:
                self.blocks = []
            self.readings = []
        self.readings.append((ts, x))

    def judge(self, ts, length, floor):
        p, window = self.p, self.blocks[-12:]
        full = len(window) == 12
        bounds = [q.value for q in p.excess]
        exposure = sum(over for _, _, over in window) / 12
        keep = p.release if full else -math.inf
        now = exposure if window[-1][2] else 0.0
        self.exposed = max(
            (k + 1 for k, b in enumerate(bounds) if now >= b or (k < self.exposed and now >= keep * b)),
            default=0,
        )
        means = [mean for _, mean, _ in window]
        climbed = means[-1] - means[0] if full else 0.0
        rise = p.rise.value if p.rise else math.inf
        steady = full and all(b - a >= -p.dip * climbed for a, b in pairwise(means))
        self.climbs = (steady and climbed >= rise) or (self.climbs and (not full or climbed >= p.release * rise))
        grade = max(self.exposed, int(self.climbs))
        onset = window[0][0] * length
        if self.exposed:
            self.why = Reason.EXPOSURE
            onset = next((block for block, _, over in window if over > 0), window[0][0]) * length
        elif self.climbs:
            self.why = Reason.RISE
        if self.why == Reason.EXPOSURE:
            bound = bounds[self.exposed - 1] if self.exposed else p.release * bounds[0]
            yield from self.turn(grade, self.why, ts, onset, exposure, bound, means[-1], floor)
        else:
            bound = rise if self.climbs else p.release * rise
            yield from self.turn(grade, self.why, ts, onset, climbed, bound, means[-1], means[-1] - climbed)


class Biogas(Oracle):
    name = "biogas"
    cases = (
        {"level": "4.03 u", "fast": "2.51 u/s", "margin": "3.01 u", "step": "2 s", "day": "24 s", "days": 1},
        {
            "level": "1.02 u",
            "fast": "30 u/s",
            "margin": "0.5 u",
            "times": 1.03,
            "step": "1 s",
            "day": "36 s",
            "days": 2,
            "half_life": 0.4,
            "release": 0.5,
        },
    )

    def start(self) -> None:
        self.readings: list[tuple[int, float]] = []
        self.before: tuple[int, float] | None = None
        self.learned: dict[int, list[float]] = {}  # hour: values as they were learned
        self.days: dict[int, set[int]] = {}
        self.why = Reason.NONE

    def reading(self, ts, x):
        step = round(self.p.step * NS)
        if self.readings and self.readings[0][0] // step != ts // step:
            yield from self.judge(
                ts, self.readings[0][0] // step, sum(v for _, v in self.readings) / len(self.readings)
            )
            self.readings = []
        self.readings.append((ts, x))

    def judge(self, ts, number, x):
        p, day = self.p, round(self.p.day * NS)
        today, into = divmod(number * round(p.step * NS), day)
        h = min(into // (day // 24), 23)
        learned, days = self.learned.setdefault(h, []), self.days.setdefault(h, set())
        mean, spread = self.moments(learned)
        fast = False
        if self.before and self.before[0] > 0:
            fast = x - self.before[1] >= p.fast.value * p.step * (number - self.before[0])
        self.before = number, x
        known = len(days - {today}) >= p.days
        bound = max(p.margin.value, p.times * spread)
        grade = 0
        if x >= p.level.value or (self.grade and x >= p.release * p.level.value):
            grade = 2 if fast or not known or x - mean > bound or self.grade == 2 else 1
            self.why = Reason.LEAK if grade == 2 else Reason.BIOGAS
        limit = p.level.value if grade else p.release * p.level.value
        onset = number * round(p.step * NS)
        yield from self.turn(grade, self.why, ts, onset, x, limit, x, mean if learned else x)
        days.add(today)
        learned.append(mean + bound if known and x - mean > bound else x)

    def moments(self, learned):
        steps = max(self.p.day / 24 / self.p.step, 1.0)
        alpha = 1 - 0.5 ** (1 / (self.p.half_life * steps))
        mean = spread = 0.0
        for count, y in enumerate(learned, start=1):
            a, e = max(alpha, 1 / count), y - mean
            mean += a * e
            spread = 0.0 if count == 1 else spread + a * (abs(e) - spread)
        return mean, spread
