"""Oracles of the detectors that compare a sensor with its own past."""

from __future__ import annotations

import math
import statistics

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Novelty(Oracle):
    name = "novelty"
    cases = (
        {"warm_up": 10, "half_life": 3.0},
        {"warm_up": 12, "ratio": [1.0, 2.0, 4.0], "width": 3, "memory": 64, "half_life": 2.0, "quantile": 0.7},
        {"warm_up": 10, "min_distance": "2 u", "floor": 0.2, "release": 0.9, "half_life": 1.5},
    )

    def start(self) -> None:
        self.values: list[float] = []
        self.distances: tuple[list[float], list[float]] = ([], [])
        self.peak = 0.0

    def ratio(self, distances: list[float], distance: float) -> float:
        least = self.p.min_distance.value if self.p.min_distance else 0.0
        ratio = 0.0
        if len(distances) >= self.p.warm_up and distance > least:
            bins = [0 if d <= 0 else min(max(math.floor(math.log2(d) * 8) + 256, 1), 511) for d in distances]
            above = (1 - self.p.quantile) * len(bins)
            edge = max((k for k in set(bins) if sum(b >= k for b in bins) > above), default=0)
            usual = max((2.0 ** ((edge - 255) / 8) if edge else 0.0) + self.p.floor * max(distances), least)
            ratio = min(distance / usual, 1e6) if usual * 1e6 > distance else 1e6
        distances.append(distance)
        return ratio

    def reading(self, ts, x):
        width = self.p.width
        self.values.append(x)
        v, c = self.values, len(self.values) - 1
        kept = range(c - 1, max(c - self.p.memory, -1), -1)
        ratio = 0.0
        near = min(kept, key=lambda j: abs(x - v[j]), default=None)
        if near is not None:
            ratio = self.ratio(self.distances[0], abs(x - v[near]))
        ends = [j for j in kept if c >= 2 * width and j <= c - width and j - width + 1 in kept]
        runs = [sum(abs(v[c - q] - v[j - q]) for q in range(width)) for j in ends]
        if runs:
            ratio = max(ratio, self.ratio(self.distances[1], min(runs) / width))
        self.peak = max(self.peak * 0.5 ** (1 / self.p.half_life), ratio)
        bounds = self.p.ratio
        grade = 0
        for k, bound in enumerate(bounds):
            if self.peak > bound or (k < self.grade and self.peak > self.p.release * bound):
                grade = k + 1
        bound = bounds[grade - 1] if grade else self.p.release * bounds[0]
        base = x if near is None else v[near]
        reason = Reason.RISE if x >= base else Reason.FALL
        yield from self.turn(grade, reason, ts, ts, self.peak, bound, x, base)


class RobustMad(Oracle):
    name = "robust_mad"
    cases = (
        {"z": [3.0], "warm_up": 5, "window": 8},
        {"z": [2.0, 4.0, 9.0], "warm_up": 10, "window": 13, "min_sigma": "1.5 u"},
        {"z": [5.0], "release": 1.0},
    )

    def start(self) -> None:
        self.values: list[float] = []

    def reading(self, ts, x):
        if len(self.values) >= self.p.warm_up:
            window = self.values[-self.p.window :]
            median = statistics.median(window)
            floor = self.p.min_sigma.value if self.p.min_sigma else 0.0
            sigma = max(
                statistics.median(abs(v - median) for v in window) / statistics.NormalDist().inv_cdf(0.75), floor
            )
            z = abs(x - median) / sigma if sigma > 0 else 0.0
            grade = 0
            for k, bound in enumerate(self.p.z):
                if z > bound or (k < self.grade and z > self.p.release * bound):
                    grade = k + 1
            bound = self.p.z[grade - 1] if grade else self.p.release * self.p.z[0]
            reason = Reason.RISE if x >= median else Reason.FALL
            yield from self.turn(grade, reason, ts, ts, z, bound, x, median)
        self.values.append(x)


class SeasonalEwma(Oracle):
    name = "seasonal_ewma"
    cases = (
        {"z": [2.0], "season": "5 s", "seasons": 2},
        {"z": [1.5, 3.0], "season": "7 s", "seasons": 3, "half_life": 1.5, "min_sigma": "0.5 u", "release": 0.8},
    )

    def start(self) -> None:
        self.parts: dict[int, list[float]] = {}
        self.seasons: dict[int, set[int]] = {}

    def reading(self, ts, x):
        season = round(self.p.season * NS)
        now, into = divmod(ts, season)
        h = min(into // (season // 168), 167)
        learned, seasons = self.parts.setdefault(h, []), self.seasons.setdefault(h, set())
        alpha = 1 - 0.5 ** (1 / (self.p.half_life * max(self.p.season / 168 * self.rate, 1.0)))
        mean = var = 0.0
        for count, y in enumerate(learned, start=1):
            a = max(alpha, 1 / count)
            var = (1 - a) * (var + a * (y - mean) ** 2)
            mean += a * (y - mean)
        z = 0.0
        if len(seasons - {now}) >= self.p.seasons:
            sigma = max(math.sqrt(var), self.p.min_sigma.value if self.p.min_sigma else 0.0)
            z = abs(x - mean) / sigma if sigma > 0 else 0.0
            grade = 0
            for k, bound in enumerate(self.p.z):
                if z > bound or (k < self.grade and z > self.p.release * bound):
                    grade = k + 1
            bound = self.p.z[grade - 1] if grade else self.p.release * self.p.z[0]
            reason = Reason.RISE if x >= mean else Reason.FALL
            yield from self.turn(grade, reason, ts, ts, z, bound, x, mean)
        seasons.add(now)
        learned.append(mean + (x - mean) * self.p.z[0] / z if z > self.p.z[0] else x)
