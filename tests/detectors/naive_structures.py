"""Oracles of the detectors for bridges and other structures."""

from __future__ import annotations

import statistics

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class StrainShift(Oracle):
    name = "strain_shift"
    cases = (
        {"shift": ["5 u", "12 u", "40 u"], "stays": "12 s", "half_life": "20 s", "times": 0.5},
        {"shift": ["3 u"], "stays": "6 s", "half_life": "5 s", "times": 0.0, "release": 0.9, "relearn": "20 s"},
    )

    def start(self) -> None:
        self.block: list[tuple[int, float]] = []
        self.fresh()

    def fresh(self) -> None:
        self.first: list[float] = []
        self.away: list[tuple[int, int, list[bool], list[bool]]] = []  # side, onset, beyond, inside of every block
        self.held = [False] * len(self.p.shift)
        self.since = [0] * len(self.p.shift)  # the block from which evidence against `held` counts
        self.level = self.noise = self.before = 0.0

    def reading(self, ts, x):
        length = round(self.p.stays * NS) // 12
        if self.block and self.block[0][0] // length != ts // length:
            mean = sum(v for _, v in self.block) / len(self.block)
            began = self.block[0][0]
            self.block = []
            if len(self.first) < 12:
                self.learn(mean)
            else:
                yield from self.judge(ts, began, mean)
        self.block.append((ts, x))

    def learn(self, mean):
        self.first.append(mean)
        if len(self.first) == 12:
            steps = [abs(b - a) for a, b in zip(self.first, self.first[1:], strict=False)]
            self.level, self.noise = statistics.median(self.first), 1.1829 * statistics.median(steps)
            self.before = mean

    def judge(self, ts, began, mean):
        p, bounds = self.p, [q.value for q in self.p.shift]
        alpha = 1 - 0.5 ** (p.stays / 12 / p.half_life)
        d = mean - self.level
        scale = max(1.0, p.times * self.noise / bounds[0])
        side = 1 if d > 0 else -1
        if self.held[0] or (self.away and self.away[-1][2][0] and self.away[-1][0] * d > 0):
            side = self.away[-1][0]
        if not self.held[0] and side * d < scale * bounds[0]:
            self.level += alpha * d
            self.noise += alpha * (abs(mean - self.before) - self.noise)
        self.before = mean
        if self.away and self.away[-1][0] != side:
            self.since = [len(self.away)] * len(bounds)
        beyond = [side * d >= scale * b for b in bounds]
        inside = [side * d < p.release * scale * b for b in bounds]
        self.away.append((side, began, beyond, inside))
        for k in range(len(bounds)):
            run = [(inside if self.held[k] else beyond)[k] for _, _, beyond, inside in self.away[self.since[k] :]][-12:]
            if len(run) == 12 and all(run):
                self.held[k] = not self.held[k]
                self.since[k] = len(self.away)
        onset = self.away[-12][1] if len(self.away) >= 12 else 0
        grade = max((k + 1 for k, held in enumerate(self.held) if held), default=0)
        stale = bool(grade and self.grade and ts - self.onset >= p.relearn * NS)
        grade = 0 if stale else grade
        bound = scale * bounds[grade - 1] if grade else p.release * scale * bounds[0]
        score = max(side * (mean - self.level), 0.0)
        reason = Reason.RISE if side > 0 else Reason.FALL
        yield from self.turn(grade, reason, ts, onset, score, bound, mean, self.level)
        if stale:
            self.fresh()
