"""Oracles of further sensor faults: noise, drift, zeros."""

from __future__ import annotations

import itertools
import math

import numpy as np

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class NoiseBurst(Oracle):
    name = "noise_burst"
    cases = (
        {"times": 1.5, "warm_up": 4, "span": 2.0, "half_life": 20.0},
        {"times": 1.1, "size": "0.7 u", "span": 3.0, "warm_up": 2, "half_life": 4.0, "release": 0.9},
    )

    def start(self) -> None:
        self.values: list[float] = []
        self.swings: list[float] = []
        self.recent = self.usual = 0.0
        self.since: int | None = None

    def reading(self, ts, x):
        p = self.p
        self.values.append(x)
        if len(self.values) == 1:
            return
        a, b, c = [self.values[0], *self.values][-3:]  # before the first reading nothing moved
        turned = (b > a) != (c > b)
        self.swings.append(min(abs(b - a), abs(c - b)) if turned else 0.0)
        if len(self.swings) <= p.warm_up:
            self.usual = self.recent = sum(self.swings) / len(self.swings)
            return
        bound = max(p.size.value if p.size else 0.0, p.times * self.usual)
        low = p.release * bound
        weight = 0.5 ** (1 / p.span)
        swing = min(self.swings[-1], 3 * bound)
        self.recent = weight * self.recent + (1 - weight) * swing
        if self.recent <= low:
            self.since = None
        elif self.since is None:
            self.since = ts
        grade = int(self.recent > bound or (self.grade and self.recent > low))
        turn = (Reason.NOISE, ts, self.since or 0, self.recent, bound if grade else low, x, self.usual)
        yield from self.turn(grade, *turn)
        if not (grade or a == b == c):
            weight = 0.5 ** (1 / p.half_life)
            self.usual = weight * self.usual + (1 - weight) * min(swing, bound)


class Drift(Oracle):
    name = "drift"
    cases = (
        {"amount": "4.0123 u", "window": "8 s", "straight": 0.3456},
        {"amount": "5.0123 u", "window": "10 s", "straight": 0.77, "fastest": "2.7456 u/s", "release": 0.9123},
    )

    def start(self) -> None:
        self.block: list[tuple[int, float]] = []
        self.means: list[float] = []
        self.side = 0

    def reading(self, ts, x):
        p = self.p
        length = round(p.window * NS) // 8
        at = self.block[0][0] // length if self.block else 0
        if self.block and ts // length != at:
            self.means.append(sum(v for _, v in self.block) / len(self.block))
            self.block = []
            if len(self.means) >= 8:
                yield from self.judge(ts, at * length - 7 * length, self.means[-8:])
            if ts // length != at + 1:
                self.means = []
        self.block.append((ts, x))

    def judge(self, ts, onset, means):
        p, amount, places = self.p, self.p.amount.value, range(8)
        slope, base = map(float, np.polyfit(places, means, 1))
        slope = 0.0 if len(set(means)) == 1 else slope
        off = max(abs(m - base - slope * k) for k, m in zip(places, means, strict=True))
        moved = abs(slope) * 8
        slow = p.fastest is None or moved <= p.fastest.value * p.window
        grade = int(slow and moved >= amount and off <= p.straight * moved)
        if self.grade:
            grade = int(slope * self.side > 0 and (grade or (slow and moved >= p.release * amount)))
        elif grade:
            self.side = 1 if slope > 0 else -1
        bound = amount if grade else p.release * amount
        yield from self.turn(grade, Reason.DRIFT, ts, onset, moved, bound, means[-1], base)


class StuckAtZero(Oracle):
    name = "stuck_at_zero"
    limit = math.inf
    cases = (
        {"tolerance": "1.1 u", "zero": "7 u", "usual": 6, "readings": 5, "duration": "4 s"},
        {"tolerance": "2.51 u", "usual": 3, "readings": 2, "duration": "0 s"},
    )

    def start(self) -> None:
        self.kept: list[tuple[int, float, bool]] = []

    def reading(self, ts, x):
        p = self.p
        at_zero = abs(x - (p.zero.value if p.zero else 0.0)) <= p.tolerance.value
        runs = [(zero, list(run)) for zero, run in itertools.groupby(self.kept, key=lambda item: item[2])]
        alive = next((run[-1][1] for zero, run in reversed(runs) if not zero), 0.0)
        self.kept.append((ts, x, at_zero))
        before = runs[-1] if runs else (False, [])
        if not at_zero:
            held = (ts - before[1][0][0]) / NS if before[0] else 0.0
            yield from self.turn(0, Reason.STUCK_AT_ZERO, ts, ts, held, p.duration, x, alive)
            return
        zeros, others = (before[1], runs[-2][1] if len(runs) > 1 else []) if before[0] else ([], before[1])
        since = zeros[0][0] if zeros else ts
        held = (ts - since) / NS
        if len(others) >= p.usual and len(zeros) + 1 >= p.readings and held >= p.duration:
            yield from self.turn(1, Reason.STUCK_AT_ZERO, ts, since, held, p.duration, x, alive)
