"""Oracles of the detectors for gas."""

from __future__ import annotations

import math

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Accumulation(Oracle):
    name = "accumulation"
    cases = (
        {"levels": ["4.0123 u", "9.0123 u"], "span": "8 s", "gap": "3 s"},
        {"levels": ["2.0123 u"], "span": "3 s", "gap": "40 s", "release": 0.4},
    )

    def start(self) -> None:
        self.kept: list[tuple[float, float]] = []  # s that a reading stands for, its value
        self.mean, self.since = 0.0, 0

    def reading(self, ts, x):
        p, levels = self.p, [q.value for q in self.p.levels]
        if not self.last:
            self.mean = x
        else:
            self.kept.append((min((ts - self.last) / NS, p.gap), x))
            step, seen = self.kept[-1][0], sum(s for s, _ in self.kept)
            if seen < p.span:
                self.mean = sum(s * v for s, v in self.kept) / seen
            else:
                rest = math.exp(-step / p.span)
                self.mean = rest * self.mean + (1 - rest) * x
        if self.mean < p.release * levels[0]:
            self.since = 0
        elif not self.since:
            self.since = ts
        grade = 0
        if sum(s for s, _ in self.kept) >= p.span:
            for k, level in enumerate(levels):
                if self.mean >= (p.release if k < self.grade else 1.0) * level:
                    grade = k + 1
        bound = levels[grade - 1] if grade else p.release * levels[0]
        yield from self.turn(grade, Reason.RISE, ts, self.since, self.mean, bound, x, self.mean)
