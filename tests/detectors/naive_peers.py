"""Oracle of the faults that a sensor's neighbours give away: offset, gain, clock."""

from __future__ import annotations

import math

import numpy as np

from detectors.contract import END, ONSET, Reason
from tests.detectors.naive import NS, Mark
from tests.detectors.naive_groups import GroupOracle, Row


class Calibration(GroupOracle):
    name = "calibration"
    cases = (
        {"step": "2 s", "window": "6 s", "learn": "16 s", "memory": "20 s", "patience": "2 s", "relearn": "15 s"}
        | {"times": 2.0, "alone": 1.5, "explained": 0.0, "peers": 0},
        {"step": "1 s", "window": "3 s", "learn": "8 s", "memory": "60 s", "patience": "4 s", "relearn": "25 s"}
        | {"times": 1.5, "alone": 1.2, "explained": 0.0, "peers": 0, "floor": 0.3, "gain": 0.4, "release": 0.9},
    )

    @staticmethod
    def eventful(rows: list[Row]) -> list[Row]:
        """One sensor reads 9 more for a quarter of the time."""
        return [(sensor, ts, x + 9 * (sensor == 3 and k % 200 >= 150)) for k, (sensor, ts, x) in enumerate(rows)]

    def start(self) -> None:
        self.p_ = len(self.slots)
        self.steps: list[np.ndarray] = []  # learned ones
        self.calm_squares: list[np.ndarray] = []
        self.suspect: tuple[int, int] | None = None  # place, and since when
        self.upset: int | None = None
        self.precision = np.eye(self.p_)
        self.begin()

    def begin(self) -> None:
        p = self.p_
        self.steps, self.calm_squares = [], []
        self.mean, self.moments = np.zeros(p), np.zeros((p, p))
        self.usual, self.energy = np.zeros(p), np.zeros(p)
        self.suspect, self.upset = None, None

    def learn(self, x: np.ndarray, z: np.ndarray) -> None:
        p, p_ = self.p, self.p_
        spread = np.sqrt(np.diag(self.moments))
        x = np.where(np.isnan(x), self.mean + z * spread, x)
        self.steps.append(x)
        n = len(self.steps)
        w = max(1 / n, 1 - math.exp(-p.step / p.memory))
        away = x - self.mean
        self.moments = (1 - w) * (self.moments + w * np.outer(away, away))
        self.mean = self.mean + w * away
        if n % max(round(p.learn / p.step) // 8, 1) == 0:
            spread = np.sqrt(np.diag(self.moments))
            size = np.outer(spread, spread)
            related = np.divide(self.moments, size, out=np.zeros((p_, p_)), where=size > 0)
            related[np.diag_indices(p_)] = 1 + p.floor**2
            self.precision = np.linalg.inv(related)

    def step(self, at, step, means):
        p, p_ = self.p, self.p_
        x = np.array([means.get(slot, math.nan) for slot in self.slots])
        silent = np.isnan(x)
        spread = np.sqrt(np.diag(self.moments))
        z = np.divide(x - self.mean, spread, out=np.zeros(p_), where=(spread > 0) & ~silent)
        for _ in range(4):
            for k in np.flatnonzero(silent):
                z[k] -= self.precision[k] @ z / self.precision[k, k]
        learn = max(round(p.learn / p.step), 2)
        if len(self.steps) < learn // 2:
            self.learn(x, z)
            return
        ripe = len(self.steps) >= learn
        u = self.precision @ z
        own = np.diag(self.precision)
        scores = u / np.sqrt(own)
        largest = np.abs(scores).max()
        scale = min(2 * p.times / largest, 1) if largest > 0 else 1.0
        scores = scores * scale
        a = 1 - math.exp(-p.step / p.window)
        self.energy = np.where(silent, self.energy, self.energy + a * (scores**2 - self.energy))
        usual = np.maximum(self.usual, 1)
        calm = not ripe or not (~silent & (self.energy > 0.25 * p.times**2 * usual)).any()
        top = self.top(silent)
        if self.grade:
            assert self.suspect
            top = self.suspect[0]
        score = math.sqrt(self.energy[top] / usual[top])
        grade = 0
        onset = at
        if ripe and (self.grade or not calm):
            self.upset = self.upset or at
            if self.suspect is None or top != self.suspect[0]:
                self.suspect = top, at
                self.rest, self.history = np.zeros(p_), []
            onset = self.suspect[1]
            if silent[top]:
                grade = self.grade
            else:
                r = u[top] / own[top]
                self.history.append((at, r, z[top] - r))
                left = (u - self.precision[:, top] * r) * scale / np.sqrt(own)
                left[top] = 0
                self.rest += max(1 / len(self.history), a) * (left**2 - self.rest)
                if self.grade:
                    grade = int(score > p.release * p.times)
                else:
                    worst = max(1, (self.rest / usual).max())
                    clear = score > p.times and score**2 >= p.alone**2 * worst
                    if clear and (~silent).sum() > p.peers and (1 - p.explained) * (1 + p.floor**2) * own[top] >= 1:
                        found = self.verdict(top, at - onset, usual[top])
                        if found is not None:
                            self.reason, grade = found, 1
        else:
            self.suspect, self.upset = None, None
        over = bool(self.upset) and at - self.upset >= p.relearn * NS
        grade = 0 if over else grade
        if grade != self.grade:
            value = self.mean[top] + z[top] * spread[top]
            expected = value - u[top] / own[top] * spread[top]
            if grade:
                self.onset = onset
            bound = p.times if grade else p.release * p.times
            phase = ONSET if grade else END
            fixed = int(self.reason), at + step, self.onset
            yield Mark(self.slots[top], phase, grade, *fixed, score, bound, value, expected)
            self.grade = grade
        if over:
            self.begin()
        elif calm and not grade and (scale >= 1 or not ripe):
            self.calm_squares.append(scores**2)
            w = max(1 / len(self.calm_squares), 1 - math.exp(-p.step / p.memory))
            self.usual = np.where(silent, self.usual, self.usual + w * (scores**2 - self.usual))
            self.learn(x, z)

    def top(self, silent):
        best = 0
        for k in range(self.p_):
            if not silent[k] and self.energy[k] > self.energy[best] * (1 + 1e-9):
                best = k
        return best

    def verdict(self, c, waited, usual):
        p = self.p
        times, (r, e) = [t for t, *_ in self.history], np.array([pair for _, *pair in self.history]).T
        own = self.precision[c, c]
        if p.peers > 1:
            related = self.precision[c] ** 2 / (own * np.diag(self.precision))
            related[c] = 0
            if (r**2).mean() * own * (1 - related.max()) <= p.times**2 * usual:
                return None
        moved = (e**2).mean() - e.mean() ** 2
        still = moved < 0.25 * (1 - 1 / own)
        compared = [  # steps with 24 before them in a row
            i for i in range(24, len(r)) if times[i] - times[i - 24] == 24 * round(p.step * NS)
        ]
        if (still or len(compared) < 12) and waited < p.patience * NS:
            return None
        about = (r**2).mean() - r.mean() ** 2
        gain = ((r * e).mean() - r.mean() * e.mean()) / moved if moved > 1e-9 else 0.0
        by_gain = gain**2 * moved if abs(gain) >= p.gain else 0.0
        if len(compared) >= 12 and not still:
            z, at_ = r + e, np.array(compared)
            late = min(((z[at_] - e[at_ - lag]) ** 2).mean() for lag in range(1, 25))
            early = min(((z[at_ - lag] - e[at_]) ** 2).mean() for lag in range(1, 25))
            if min(late, early) <= 0.2 * (about - by_gain):
                return Reason.CLOCK
        if by_gain >= 0.5 * max(about, usual / own):
            return Reason.GAIN
        return Reason.OFFSET if about <= 0.5 * (r**2).mean() else None
