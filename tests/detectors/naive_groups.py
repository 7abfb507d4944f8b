"""Oracles of the detectors that judge the sensors of one asset together: one object a group, one step at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.naive import NS, Mark

Row = tuple[int, int, float]  # sensor, ts, value


class GroupOracle:
    """One group; `slots` are its members in rising order."""

    name: ClassVar[str]
    #: Parameters under which short streams of values from -60 to 60 at about 1 Hz have something to be found.
    cases: ClassVar[tuple[Mapping[str, Any], ...]]

    def __init__(self, slots: list[int], params: Any) -> None:
        self.slots, self.p = slots, params
        self.onset, self.grade = 0, 0
        self.start()

    @staticmethod
    def eventful(rows: list[Row]) -> list[Row]:
        """A stream with something to be found, made of one in which all sensors read the same."""
        return rows

    def start(self) -> None: ...

    def find(self, rows: list[tuple[int, int, float]], end: int) -> Iterator[Mark]:
        """Marks of rows (slot, ts, value) in any order, once time has come to `end`."""
        step = round(self.p.step * NS)
        steps: dict[int, dict[int, dict[int, float]]] = {}
        for slot, ts, x in rows:
            if math.isfinite(x) and abs(x) <= 1e150:
                steps.setdefault(ts // step, {}).setdefault(slot, {}).setdefault(ts, x)
        for at, readings in sorted(steps.items()):
            if (at + 1) * step <= end:
                means = {
                    slot: sum(by_time[ts] for ts in sorted(by_time)) / len(by_time)
                    for slot, by_time in readings.items()
                }
                yield from self.step(at * step, step, means)

    def step(self, at: int, step: int, means: dict[int, float]) -> Iterator[Mark]:
        raise NotImplementedError


class RecursivePca(GroupOracle):
    name = "recursive_pca"
    cases = (
        {"index": [3.0], "horizon": 3, "warm_up": 8, "memory": 20},
        {
            "index": [2.0, 5.0],
            "horizon": 2,
            "warm_up": 6,
            "memory": 10,
            "smoothing": 0.4,
            "relearn": "9 s",
            "share": 0.6,
        },
        {"index": [2.5], "horizon": 4, "warm_up": 10, "step": "2 s", "guard": 2.5, "floor": 0.5, "release": 0.9},
    )
    rates = (0.5, 0.2, 0.08, 0.03, 0.01, 0.003, 0.001)

    def start(self) -> None:
        self.sensors = [_Forecast(self.p) for _ in self.slots]
        p = len(self.slots)
        self.related, self.axes, self.weight, self.kept = np.eye(p), np.eye(p), np.ones(p), p
        self.learned = self.steps = 0

    def step(self, at, step, means):
        p = len(self.slots)
        deviations, readings, bases = np.zeros(p), np.zeros(p), np.zeros(p)
        calm, ripe = True, False
        for c, slot in enumerate(self.slots):
            sensor = self.sensors[c]
            readings[c], bases[c] = sensor.smooth, sensor.base[sensor.best]
            if slot not in means:
                continue
            readings[c] = means[slot]
            deviations[c], bases[c] = sensor.judge(means[slot])
            if sensor.learned >= self.p.warm_up:
                ripe = True
                if abs(deviations[c]) > self.p.guard:
                    calm = False
                    if sensor.since is None:
                        sensor.since = at
                    if at - sensor.since < self.p.relearn * NS:
                        continue
                    sensor.restart(sensor.smooth)
            sensor.since = None
            sensor.learn(means[slot])
        weight = self.weight.copy()
        weight[self.kept :] = max(weight[self.kept :].mean(), self.p.floor) if self.kept < p else 0.0
        metric = self.axes @ np.diag(1 / weight) @ self.axes.T
        parts = deviations * (metric @ deviations)
        inside = sum((self.axes[:, j] @ deviations) ** 2 / weight[j] for j in range(self.kept))
        index = math.sqrt(max(parts.sum(), 0.0)) if ripe else 0.0
        if calm:
            self.learned += 1
            a = max(1 / self.p.memory, 1 / (self.learned + 50))
            self.related = self.related + a * (np.outer(deviations, deviations) - self.related)
        self.steps += 1
        if self.steps % self.p.horizon == 0:
            values, vectors = np.linalg.eigh(self.related)
            self.weight, self.axes = np.maximum(values[::-1], self.p.floor), vectors[:, ::-1]
            sums = np.cumsum(self.weight)
            self.kept = int(np.argmax(sums >= self.p.share * sums[-1])) + 1

        bounds = self.p.index
        grade = 0
        for k, bound in enumerate(bounds):
            if index > bound or (k < self.grade and index > self.p.release * bound):
                grade = k + 1
        if grade != self.grade:
            if self.grade == 0:
                self.onset, self.top = at, int(np.argmax(parts >= parts.max() * (1 - 1e-9)))
                self.reason = Reason.RELATION if parts.sum() - inside > inside else Reason.MAGNITUDE
            phase = ONSET if self.grade == 0 else END if grade == 0 else CHANGE
            self.grade = grade
            bound = bounds[grade - 1] if grade else self.p.release * bounds[0]
            yield Mark(
                self.slots[self.top],
                phase,
                grade,
                int(self.reason),
                at + step,
                self.onset,
                index,
                bound,
                readings[self.top],
                bases[self.top],
            )


class _Forecast:
    def __init__(self, params: Any) -> None:
        self.p = params
        self.smooth, self.seen, self.learned = 0.0, 0, 0
        self.since: int | None = None
        self.level, self.before, self.base, self.error = (np.zeros(len(RecursivePca.rates)) for _ in range(4))

    @property
    def best(self) -> int:
        best = 0
        for g, error in enumerate(self.error):
            if error < self.error[best] * (1 - 1e-6):
                best = g
        return best

    def restart(self, x: float) -> None:
        self.level[:] = self.before[:] = self.base[:] = x

    def judge(self, x: float) -> tuple[float, float]:
        self.seen += 1
        if self.seen == 1:
            self.smooth = x
            self.restart(x)
        self.smooth += max(self.p.smoothing, 1 / self.seen) * (x - self.smooth)
        error, base = self.error[self.best], self.base[self.best]
        u = (self.smooth - base) / math.sqrt(error) if error > 0 else 0.0
        return min(max(u, -50.0), 50.0), base

    def learn(self, x: float) -> None:
        self.learned += 1
        n, horizon = self.learned, self.p.horizon
        if n > 2 * horizon:
            self.error += max(1 / self.p.memory, 1 / (n - 2 * horizon)) * ((self.smooth - self.base) ** 2 - self.error)
        self.level += np.maximum(RecursivePca.rates, 1 / n) * (x - self.level)
        if n % horizon == 0:
            self.base, self.before = self.before.copy(), self.level.copy()
