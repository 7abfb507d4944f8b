"""Oracles of the detectors of water networks."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

from detectors.contract import CHANGE, END, ONSET, Reason
from tests.detectors.naive import NS, Mark, Oracle
from tests.detectors.naive_groups import GroupOracle


class WeeklyCusum(Oracle):
    name = "weekly_cusum"
    # 168 bins of a tenth of a second to a fifth: readings are about ten bins apart.
    cases = (
        {"period": "8400 ms", "limit": 3.01, "drift": 0.5, "min_sigma": "0.5 u", "settling": 4},
        {"period": "16800 ms", "limit": 2.01, "drift": 0.25, "clip": 3.0, "settling": 20, "accept": "30 s"},
        {"period": "5 s", "limit": 1.51, "drift": 0.1, "min_sigma": "2 u", "settling": 1, "accept": "9 s"},
    )

    def start(self) -> None:
        self.season: dict[int, float] = {}
        self.readings: list[float] = []
        self.bin = self.first = self.at = self.until = self.since = 0
        self.level = self.trend = self.variance = self.up = self.down = self.raised = self.highest = 0.0
        self.gaps: list[float] = []
        self.after: list[float] = []

    def reading(self, ts, x):
        now = ts // (round(self.p.period * NS) // 168)
        if now != self.bin:
            if self.readings:
                yield from self.close(ts, sum(self.readings) / len(self.readings))
            else:
                self.first = now
            self.bin, self.readings = now, []
        self.readings.append(x)

    def close(self, ts, x):
        p, now, j = self.p, self.bin, self.bin % 168
        if j not in self.season:
            self.season[j] = x - self.level
            return
        if now - self.first < 336 or len(self.gaps) < 2:
            e = x - self.season[j] - self.level
            self.season[j] += e / 2
            self.gaps.append(e)
            if now - self.first >= 335 and len(self.gaps) >= 2:
                self.variance = statistics.variance(self.gaps) / 2
                self.level, self.at = self.level + statistics.fmean(self.gaps) / 2, now
            return
        sigma = max(p.min_sigma.value if p.min_sigma else 0.0, math.sqrt(self.variance))
        if sigma == 0:
            return
        self.level += self.trend * (now - self.at)
        self.at = now
        e = x - self.season[j] - self.level
        if self.until:
            self.after.append(e)
            if now >= self.until:
                height = statistics.fmean(self.after)
                self.until, self.up, self.down = 0, 0.0, 0.0
                self.level += height
                if self.grade:
                    self.raised += height
                    gone = self.raised < self.highest / 2
                    self.highest = max(self.highest, self.raised)
                    grade = 0 if gone else self.grade
                    yield from self.turn(grade, Reason.RISE, ts, ts, self.raised / sigma, p.limit, x, x - e)
            return
        if self.grade and (ts - self.onset) / NS >= p.accept:
            yield from self.turn(0, Reason.RISE, ts, ts, self.raised / sigma, p.limit, x, x - e)
        z = min(max(e / sigma, -p.clip), p.clip)
        if self.up == 0:
            self.since = now
        self.up, self.down = max(self.up + z - p.drift, 0.0), max(self.down - z - p.drift, 0.0)
        if max(self.up, self.down) > p.limit:
            self.until, self.after = now + p.settling, []
            if self.up > p.limit:
                if not self.grade:
                    self.raised = self.highest = 0.0
                onset = self.since * (round(p.period * NS) // 168)
                yield from self.turn(min(self.grade + 1, 9), Reason.RISE, ts, onset, self.up, p.limit, x, x - e)
            return
        self.level += e / 168
        self.trend += e / 168**2 / 4
        if abs(z) < p.clip:
            self.season[j] += e / 5
            self.variance += (e * e - self.variance) / 336


class NightFlow(Oracle):
    name = "night_flow"
    cases = (
        {"day": "3 s", "night_from": "0 s", "night_to": "1500 ms", "report": "2 s", "learn": 9, "z": 1.01},
        {
            "day": "2 s",
            "night_from": "0 s",
            "night_to": "1900 ms",
            "report": "1900 ms",
            "learn": 9,
            "z": 0.51,
            "part": 0.0,
            "min_sigma": "2 u",
            "accept": "11 s",
            "utc_offset": "1 s",
        },
    )

    def start(self) -> None:
        self.nights: dict[int, float] = {}  # by day modulo 28
        self.tonight: list[tuple[int, float]] = []
        self.rises: list[float] = []
        self.day = 0

    def reading(self, ts, x):
        day = round(self.p.day * NS)
        today, at = divmod(ts + round(self.p.utc_offset * NS), day)
        if self.tonight and (today != self.day or at >= round(self.p.report * NS)):
            yield from self.judge(ts)
            self.tonight = []
        if round(self.p.night_from * NS) <= at < round(self.p.night_to * NS):
            if not self.tonight:
                self.day = today
                if not self.grade:
                    self.nights.pop(today % 28, None)
            self.tonight.append((ts, x))

    def judge(self, ts):
        p, x = self.p, statistics.fmean(value for _, value in self.tonight)
        same = [value for k, value in self.nights.items() if k % 7 == self.day % 7]
        gaps = [abs(v - self.nights[(k - 7) % 28]) for k, v in self.nights.items() if (k - 7) % 28 in self.nights]
        known, base, sigma = 0, 0.0, 0.0
        if len(same) >= 2 and len(gaps) >= 7:
            known, base = len(self.nights), statistics.median(same)
            sigma = 1.4826 * statistics.median(gaps) / math.sqrt(2)
        sigma = max(sigma, p.min_sigma.value if p.min_sigma else 0.0)
        limit, rise = max(p.z * sigma, p.part * abs(base)), x - base
        if self.grade and (ts - self.onset) / NS >= p.accept:
            yield from self.turn(0, Reason.RISE, ts, ts, rise, limit, x, base)
            self.nights, known = {}, 0
        if known < p.learn or limit == 0 or (not self.grade and rise <= limit):
            self.nights[self.day % 28] = x
            return
        if self.grade:
            bound = max(limit, statistics.fmean(self.rises)) / 2
            if rise < bound:
                yield from self.turn(0, Reason.RISE, ts, ts, rise, bound, x, base)
                self.nights[self.day % 28] = x
                return
        else:
            self.rises = []
            yield from self.turn(1, Reason.RISE, ts, self.tonight[0][0], rise, limit, x, base)
        self.rises.append(rise)


class PressureResidual(GroupOracle):
    name = "pressure_residual"
    cases = (
        {"flows": 0, "interval": "1 s", "learn": "9 s", "memory": "2 s", "forget": "40 s", "settling": "4 s"}
        | {"times": 2.01, "resolution": 0.5},
        {"flows": 0, "interval": "2 s", "learn": "10 s", "memory": "3 s", "forget": "20 s", "settling": "2 s"}
        | {"times": 1.51, "resolution": 1.0},
    )

    def start(self) -> None:
        p = self.p
        size = len(self.slots)
        self.learned: list[np.ndarray] = []
        self.origin: Any = 0.0
        self.lower: Any = None
        self.fast: Any
        self.short: Any
        self.fast, self.short, self.ref, self.base = (np.zeros(size) for _ in range(4))
        self.means: Any = np.zeros(size)
        self.after: list[np.ndarray] = []
        self.first = self.until = self.since = 0
        self.still = self.wander = self.peak = 0.0
        self.lead, self.reason = 0, Reason.NONE

        def weight(seconds):
            return 1 - math.exp(-p.interval / seconds)

        self.weights = [weight(t) for t in (p.memory, p.memory / 8, p.forget, 2 * p.forget)]

    def find(self, rows, end):
        interval = round(self.p.interval * NS)
        bins: dict[int, dict[int, list[float]]] = {}
        for slot, ts, x in sorted(rows, key=lambda row: row[1]):
            if math.isfinite(x) and abs(x) <= 1e150:
                bins.setdefault(ts // interval, {}).setdefault(slot, []).append(x)
        for at, readings in sorted(bins.items()):
            if (at + 1) * interval <= end:
                yield from self.close((at + 1) * interval, {s: sum(v) / len(v) for s, v in readings.items()})

    def close(self, t, means):
        p = self.p
        size = len(self.slots)
        here = np.array([slot in means for slot in self.slots])
        x = np.array([min(max(means.get(slot, 0.0), -1e30), 1e30) for slot in self.slots])
        for i, slot in enumerate(self.slots):
            self.means[i] = means.get(slot, self.means[i])
        if self.lower is None:
            if not self.learned:
                # The origin is that of the last interval that began to be learned: each sensor's first in it.
                self.origin = np.where(here, x, self.origin)
            if here.all():
                self.first = self.first or t
                self.learned.append(np.concatenate([[1.0], x - self.origin]))
                if t - self.first >= round(p.learn * NS) and len(self.learned) > 2 * (size + 1):
                    moments: Any = sum(np.outer(u, u) for u in self.learned) / len(self.learned)
                    moments[1:, 1:] += p.resolution**2 * np.eye(size)
                    self.lower = np.linalg.cholesky(moments)
                    self.still = math.sqrt(size * self.weights[0] / (2 - self.weights[0]))
            return
        u = [1.0 / self.lower[0, 0]]
        for i in range(size):
            row = self.lower[i + 1]
            z = (x[i] - self.origin[i] - np.dot(row[: i + 1], u)) / row[i + 1]
            u.append(min(max(z, -1e30), 1e30) if here[i] else self.fast[i])
        z = np.array(u[1:])
        self.fast = self.fast + self.weights[0] * (z - self.fast)
        self.short = self.short + self.weights[1] * (z - self.short)
        before = self.grade
        grade, score = self.judge(t, z, size)
        if grade == 0 and score < 1:
            self.since = t
        if grade == before:
            return
        residual = self.lower[1:, 1:] @ (self.fast - self.ref)
        spread = np.sqrt((self.lower[1:, 1:] ** 2).sum(axis=1))
        if before == 0:
            squares = (residual / spread) ** 2
            self.lead = next((i for i in range(size) if squares[i] * 1.000001 >= max(squares)), 0)
            self.onset = self.since or t - round(p.interval * NS)
            self.reason = Reason.FALL if residual[self.lead] < 0 else Reason.RISE
        phase = ONSET if before == 0 else END if grade == 0 else CHANGE
        self.grade = grade
        value = float(self.means[self.lead])
        yield Mark(
            self.slots[self.lead],
            phase,
            grade,
            int(self.reason),
            t,
            self.onset,
            score,
            p.times,
            value,
            value - float(residual[self.lead]),
        )

    def judge(self, t, z, size):
        p, (fast, _, slow, noise) = self.p, self.weights
        least = 0.75 * math.sqrt(size * fast / (2 - fast))
        away = float(np.linalg.norm(self.fast - self.ref))
        score = away / max(self.still, least)
        if self.until:
            self.peak = max(self.peak, away)
            self.after.append(z)
            if t < self.until:
                return self.grade, score
            self.until = 0
            self.base = self.fast = np.mean(self.after, axis=0)
            left = float(np.linalg.norm(self.base - self.ref))
            gone = self.grade > 0 and left < 0.1 * self.peak
            if gone or self.grade == 0:
                self.ref = self.base
            self.peak, self.wander = left, self.still
            return (0 if gone else self.grade), score
        grade = self.grade
        if grade == 0:
            if score <= p.times:
                self.ref = self.base = self.ref + slow * (z - self.ref)
                self.still += noise * (away - self.still)
                return 0, score
            grade, self.peak = 1, away
        else:
            self.peak = max(self.peak, away)
            step, level = (float(np.linalg.norm(self.base - other)) for other in (self.fast, self.ref))
            usual = max(self.wander, least)
            if score < p.times / 2:
                grade = 0
            elif np.linalg.norm(self.short - self.ref) < self.peak / 4:
                grade -= 1
            elif step > max(p.times * usual, 0.3 * level):
                score = step / usual
                back = float(np.dot(self.fast - self.base, self.ref - self.base)) / (step * level) if level else 0.0
                grade = max(grade - 1, 1) if back > 0.9 else min(grade + 1, 9)
            else:
                self.base = self.base + slow * (z - self.base)
                self.wander += noise * (step - self.wander)
                return grade, score
        self.until, self.after = t + round(p.settling * NS), []
        return grade, score


class NegativePressureWave(Oracle):
    name = "negative_pressure_wave"
    cases = (
        {"depth": "1.01 u", "limit": 2.01, "drift": 0.5, "half_life": 6.0, "warm_up": 5, "front": "9 s", "hold": "4 s"},
        {"depth": "0.51 u", "limit": 3.01, "warm_up": 3, "min_sigma": "1 u", "front": "2 s", "hold": "10 s"},
    )

    def start(self) -> None:
        self.again()
        self.mean = 0.0

    def again(self) -> None:
        self.learned: list[float] = []
        self.below: list[float] = []
        self.sum, self.since, self.variance = 0.0, 0, 0.0

    def reading(self, ts, x):
        p = self.p
        if self.grade:
            if (ts - self.onset) / NS < p.hold:
                return
            yield from self.turn(0, Reason.FALL, ts, ts, 0.0, p.limit, x, self.mean)
            self.again()
        if len(self.learned) < p.warm_up:
            self.learned.append(x)
            self.mean, self.variance = statistics.fmean(self.learned), statistics.pvariance(self.learned)
            return
        d = x - self.mean
        sigma = max(p.min_sigma.value if p.min_sigma else 0.0, math.sqrt(self.variance))
        if sigma > 0:
            if self.sum == 0:
                self.since, self.below = ts, []
            self.below.append(-d)
            self.sum = max(self.sum - min(max(d / sigma, -p.clip), p.clip) - p.drift, 0.0)
            if self.sum > p.limit:
                if (ts - self.since) / NS > p.front:
                    self.again()
                    return
                if statistics.fmean(self.below) >= p.depth.value:
                    yield from self.turn(1, Reason.FALL, ts, self.since, self.sum, p.limit, x, self.mean)
                    return
        if self.sum < p.limit / 2:
            alpha = 1 - 0.5 ** (1 / p.half_life)
            before = self.mean
            self.mean = (1 - alpha) * before + alpha * x
            # Second moment about the new mean.
            self.variance = (1 - alpha) * (self.variance + (before - self.mean) ** 2) + alpha * (x - self.mean) ** 2
