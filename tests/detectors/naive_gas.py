"""Oracles of the detectors for gas."""

from __future__ import annotations

import math

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Accumulation(Oracle):
    name = "accumulation"
    cases = (
        {"excess": ["3.01 u", "8.03 u"], "floor": "2 u", "window": "12 s", "release": 0.7},
        {"rise": "7.01 u", "window": "12 s", "dip": 0.21},
        {"excess": ["1.01 u", "30 u"], "rise": "9 u", "window": "24 s", "floor": "-1 u", "release": 0.9},
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
            over = sum(max(value - floor, 0.0) for value in values) / len(values)
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
        self.exposed = max(
            (k + 1 for k, b in enumerate(bounds) if exposure >= b or (k < self.exposed and exposure >= keep * b)),
            default=0,
        )
        means = [mean for _, mean, _ in window]
        climbed = means[-1] - means[0] if full else 0.0
        rise = p.rise.value if p.rise else math.inf
        steady = full and all(b - a >= -p.dip * climbed for a, b in zip(means, means[1:], strict=False))
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
