"""Oracle of the detector for bursts."""

from __future__ import annotations

import statistics

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.naive import NS, Mark
from tests.detectors.naive_groups import GroupOracle


class Burst(GroupOracle):
    name = "burst"
    cases = (
        {"drop": 3.01, "times": 1.01, "hold": 2, "agree": "8 s", "accept": "20 s"},
        {"flows": 0, "drop": 2.03, "times": 0.0, "hold": 1, "agree": "2 s", "release": 0.9, "memory": 15},
        {"drop": 0.51, "times": 0.53, "hold": 3, "agree": "60 s", "step": "2 s", "accept": "30 s"},
    )

    def start(self) -> None:
        self.sensors = [_Sensor(self.p, c < self.p.flows) for c in range(len(self.slots))]

    def step(self, at, step, means):
        for slot, sensor in zip(self.slots, self.sensors, strict=True):
            if slot in means:
                sensor.take(at, step, means[slot])
        grade, first = 0, self.sensors[0]
        down = [s for s in self.sensors if s.held and not s.flow]
        up = [s for s in self.sensors if s.held and s.flow]
        for a in down:
            agree = sum(0 <= b.since - a.since <= self.p.agree * NS for b in down)
            flow = any(abs(b.since - a.since) <= self.p.agree * NS for b in up)
            if min(agree, 3) + flow > grade:
                grade, first = min(agree, 3) + flow, a
        if grade == self.grade:
            return
        phase = ONSET if self.grade == 0 else END if grade == 0 else CHANGE
        if phase == ONSET:
            deepest = max(s.depth for s in down)
            self.lead = first if first.depth == deepest else next(s for s in down if s.depth == deepest)
            self.base, self.onset = self.lead.base, first.since
        self.grade, lead = grade, self.lead
        bound = lead.bound * (1.0 if grade else self.p.release)
        slot = self.slots[self.sensors.index(lead)]
        figures = (self.base - lead.now, bound, lead.now, self.base)
        yield Mark(slot, phase, grade, int(Reason.FALL), at + step, self.onset, *figures)


class _Sensor:
    def __init__(self, params, flow):
        self.p, self.flow = params, flow
        self.usual: list[float] = []
        self.aways: list[float] = []
        self.run: list[int] = []
        self.held, self.seen, self.since = False, 0, 0
        self.depth = self.base = self.noise = self.bound = self.now = 0.0

    def restart(self):
        self.usual, self.run, self.held, self.depth = [], [], False, 0.0

    def take(self, at, step, x):
        p = self.p
        if self.usual and at - self.seen > 15 * step:
            self.restart()
        if self.held and at - self.since >= p.accept * NS:
            self.restart()
        self.seen, self.now = at, x
        if len(self.usual) < 15:
            self.usual.append(x)
            self.base = x
            return
        self.base = statistics.median(self.usual[-15:])  # only what was usual is in it, so it stands still by itself
        away = x - self.base if self.flow else self.base - x
        self.bound = max(p.flow_step if self.flow else p.drop, p.times * self.noise)
        self.depth = max(away / self.bound, 0.0)
        if self.held:
            if self.depth < p.release:
                self.restart()
                self.usual = [x]
            return
        if self.depth >= 1 and len(self.aways) >= 15:
            self.run.append(at)
            self.since, self.held = self.run[0], len(self.run) >= p.hold
            return
        self.depth = 0.0 if self.depth >= 1 else self.depth
        self.run = []
        self.aways.append(min(abs(away), self.bound))
        self.noise += max(1 / p.memory, 1 / len(self.aways)) * (self.aways[-1] - self.noise)
        self.usual.append(x)
