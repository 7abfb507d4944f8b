"""Oracles of the detectors for loads and what they do: fatigue, cracks, overload, frequency, impact."""

from __future__ import annotations

import cmath
import math
import statistics
from itertools import combinations

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Rainflow(Oracle):
    name = "rainflow"
    cases = (
        {"category": "40.123 u", "damage": [0.0123, 0.456], "window": "30 s", "cycles": 5.0, "knee": 11.0},
        {
            "category": "3.1 u",
            "damage": [1.2345, 4.567, 90.12],
            "window": "10 s",
            "cycles": 2.0,
            "slope": 1.5,
            "ignore": "1.2 u",
        },
    )

    def start(self) -> None:
        self.readings: list[tuple[int, float]] = []
        self.counted: list[tuple[int, float, float]] = []  # when, range, weight

    def reading(self, ts, x):
        p = self.p
        self.readings.append((ts, x))
        cycles = rainflow(turning_points([v for _, v in self.readings], p.ignore.value if p.ignore else 0.0))
        self.counted += [(ts, *cycle) for cycle in cycles[len(self.counted) :]]
        length = round(p.window * NS)
        window = [0.0, 0.0]  # damage of this one and of the one before
        total = 0.0
        for when, size, weight in self.counted:
            life = p.cycles * (p.category.value / size) ** p.slope
            if life > p.knee:
                bend = p.category.value * (p.cycles / p.knee) ** (1 / p.slope)
                life = p.knee * (bend / size) ** (2 * p.slope - 1)
            total += weight / life
            ago = (ts - self.readings[0][0]) // length - (when - self.readings[0][0]) // length
            if ago < 2:
                window[ago] += weight / life
        worst = max(window)
        grade = sum(worst >= bound for bound in p.damage)
        size = self.counted[-1][1] if self.counted else 0.0
        yield from self.turn(grade, Reason.FATIGUE, ts, ts, worst, p.damage[max(grade, 1) - 1], size, total)


def turning_points(values, ignore):
    """The first value, and every extreme that was left by `ignore` or more."""
    points, turn, way = [values[0]], values[0], 0
    for x in values:
        far = abs(x - turn) >= ignore and x != turn
        if way == 0 and far:
            way, turn = (1 if x > turn else -1), x
        elif (way > 0 and x >= turn) or (way < 0 and x <= turn):
            turn = x
        elif way and far:
            points.append(turn)
            way, turn = -way, x
    return points


def rainflow(points):
    """(range, cycles) in the order in which they are counted; the residue is left out."""
    stack: list[float] = []
    cycles: list[tuple[float, float]] = []
    for point in points:
        if len(stack) == 32:
            cycles.append((abs(stack[1] - stack[0]), 0.5))
            stack = stack[1:]
        stack.append(point)
        while len(stack) >= 3 and abs(stack[-1] - stack[-2]) >= abs(stack[-2] - stack[-3]):
            size = abs(stack[-2] - stack[-3])
            if len(stack) == 3:
                cycles.append((size, 0.5))
                stack = stack[1:]
            else:
                cycles.append((size, 1.0))
                stack = [*stack[:-3], stack[-1]]
    return cycles


class CrackGrowth(Oracle):
    name = "crack_growth"
    cases = (
        {"width": ["2.0123 u", "9.123 u"], "growth": ["0.6123 u/s", "1.4567 u/s"], "day": "6 s"},
        {"growth": ["0.1123 u/s"], "day": "6 s", "release": 0.9123},
        {"width": ["1.0123 u"], "day": "8 s"},
    )

    def start(self) -> None:
        self.day: list[tuple[int, float]] = []
        self.widths: dict[int, float] = {}
        self.wide = self.fast = 0

    def reading(self, ts, x):
        length = round(self.p.day * NS)
        if self.day and self.day[0][0] // length != ts // length:
            parts: dict[int, list[float]] = {}
            for t, v in self.day:
                parts.setdefault(t % length * 12 // length, []).append(v)
            if len(parts) >= 6:
                width = statistics.median(sum(part) / len(part) for part in parts.values())
                yield from self.judge(ts, self.day[0][0] // length, width)
            self.day = []
        self.day.append((ts, x))

    def judge(self, ts, day, width):
        p = self.p
        self.widths[day] = width
        latest = {d: w for d, w in self.widths.items() if day - d < 14}
        speed = 0.0
        if len(latest) >= 7:
            pairs = combinations(latest.items(), 2)
            speed = statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs) / p.day
        wide, fast = [q.value for q in p.width], [r.value for r in p.growth]
        self.wide = self.passed(width, wide, self.wide)
        self.fast = self.passed(speed, fast, self.fast)
        grade = max(self.wide, self.fast)
        by_width = bool(wide) and self.wide >= self.fast
        bounds = wide if by_width else fast
        reason, score = (Reason.WIDTH, width) if by_width else (Reason.RISE, speed)
        bound = bounds[grade - 1] if grade else p.release * bounds[0]
        yield from self.turn(grade, reason, ts, self.day[0][0], score, bound, width, latest[min(latest)])

    def passed(self, x, bounds, now):
        held = [k + 1 for k, b in enumerate(bounds) if x >= b * (self.p.release if k < now else 1)]
        return max(held, default=0)


class Overload(Oracle):
    name = "overload"
    cases = (
        {"peak": ["8.123 u", "22.2 u"], "longest": "4 s", "half_life": "12 s", "quiet": "5 s"},
        {"peak": ["1.5123 u", "2.2 u"], "longest": "3 s", "half_life": "7 s", "quiet": "500 ms", "start": 0.8123},
    )

    def start(self) -> None:
        self.learned: list[tuple[int, float]] = []
        self.passage: list[tuple[int, float]] = []  # when, how far away
        self.base = self.most = 0.0
        self.found = 0

    def reading(self, ts, x):
        p, peaks = self.p, [q.value for q in self.p.peak]
        away = x - self.base
        if self.grade and ts - self.found >= p.quiet * NS:
            reason = Reason.RISE if self.most > 0 else Reason.FALL
            yield from self.turn(0, reason, ts, ts, abs(away), peaks[0], x, self.base)
        if ts - self.last > p.half_life * NS:
            self.learned, self.passage = [], []
        if not self.learned or ts - self.learned[0][0] < p.half_life * NS:
            self.learned.append((ts, x))
            self.base = sum(v for _, v in self.learned) / len(self.learned)
            return
        start = p.start * peaks[0]
        if abs(away) >= start:
            self.passage.append((ts, away))
            self.most = max((a for _, a in self.passage), key=abs)
        elif self.passage and ts - self.passage[0][0] <= p.longest * NS:
            yield from self.over(ts, peaks)
            self.passage = []
        else:
            self.passage = []
        if not self.passage or ts - self.passage[0][0] > p.longest * NS:
            tau, step = p.half_life * NS / math.log(2), ts - self.last
            self.base += step / (tau + step) * math.copysign(min(abs(away), start), away)

    def over(self, ts, peaks):
        grade = sum(abs(self.most) >= peak for peak in peaks)
        self.found = ts if grade else self.found
        reason = Reason.RISE if self.most > 0 else Reason.FALL
        turn = (reason, ts, self.passage[0][0], abs(self.most), peaks[grade - 1], self.base + self.most, self.base)
        yield from self.turn(max(grade, self.grade), *turn)


class Frequency(Oracle):
    name = "frequency"
    cases = (
        {"expected": 0.2345, "shift": [1.0123, 9.123], "cycles": 1, "window": "9 s", "coherence": 0.0, "learn": 1},
        {"expected": 0.2456, "shift": [10.123], "cycles": 1, "window": "12 s", "coherence": 0.2345, "learn": 2},
    )

    def start(self) -> None:
        self.block: list[tuple[int, float]] = []
        self.mean: float | None = None
        self.amplitudes: dict[int, complex] = {}
        self.found: list[float] = []

    def reading(self, ts, x):
        p = self.p
        length = round(p.cycles / p.expected * NS)
        blocks = max(round(p.window * NS) // length, 2)
        number = self.block[0][0] // length if self.block else 0
        if self.block and ts // length != number:
            values = [v for _, v in self.block]
            if self.mean is not None and len(values) >= 4 * p.cycles:
                turns = [p.cycles * (t % length) / length for t, _ in self.block]
                waves = [cmath.exp(-2j * math.pi * turn) for turn in turns]
                amplitude = sum((v - self.mean) * wave for v, wave in zip(values, waves, strict=True)) / len(values)
                self.amplitudes[number] = amplitude
            self.mean = sum(values) / len(values)
            self.block = []
            if ts // length // blocks != number // blocks:
                yield from self.judge(ts, number // blocks, blocks, NS * p.cycles / length)
        self.block.append((ts, x))

    def judge(self, ts, window, blocks, expected):
        p, z = self.p, self.amplitudes
        pairs = [(z[k], z[k - 1]) for k in range(window * blocks, (window + 1) * blocks) if k in z and k - 1 in z]
        turn = sum(a * b.conjugate() for a, b in pairs)
        power = sum(abs(a) ** 2 + abs(b) ** 2 for a, b in pairs) / 2
        if 2 * len(pairs) < blocks or power == 0 or abs(turn) < p.coherence * power:
            return
        self.found.append(expected * (1 + cmath.phase(turn) / (2 * math.pi * p.cycles)))
        if len(self.found) <= p.learn:
            return
        usual = statistics.median(self.found[: p.learn])
        latest = statistics.median([usual, usual, *self.found[p.learn :]][-3:])
        away = 100 * (latest / usual - 1)
        bounds = [b * (p.release if k < self.grade else 1) for k, b in enumerate(p.shift)]
        grade = max((k + 1 for k, b in enumerate(bounds) if abs(away) >= b), default=0)
        bound = p.shift[grade - 1] if grade else p.release * p.shift[0]
        reason = Reason.RISE if away > 0 else Reason.FALL
        yield from self.turn(grade, reason, ts, ts, abs(away), bound, latest, usual)


class Impact(Oracle):
    name = "impact"
    cases = (
        {
            "peak": ["8.123 u", "30.123 u"],
            "times": 2.0,
            "warm_up": 5,
            "half_life": 30.0,
            "quiet": "5 s",
            "calm": "900 ms",
        },
        {"peak": ["2.0123 u"], "times": 1.2, "warm_up": 3, "half_life": 4.0, "quiet": "500 ms", "release": 0.9123},
    )

    def start(self) -> None:
        self.learned: list[float] = []
        self.distances: list[float] = []
        self.level = self.noise = self.bound = 0.0
        self.blow: list[tuple[int, float]] = []  # readings of the blow: when, how far away
        self.found = 0

    def reading(self, ts, x):
        p = self.p
        first = p.peak[0].value
        away = x - self.level
        if self.grade and ts - self.found >= p.quiet * NS:
            yield from self.turn(0, Reason.IMPACT, ts, ts, abs(away), self.bound, x, self.level)
        if len(self.learned) < p.warm_up:
            self.distances += [abs(away)] if self.learned else []
            self.learned.append(x)
            self.level = sum(self.learned) / len(self.learned)
            self.noise = sum(self.distances) / max(len(self.distances), 1)
            return
        if not self.blow:
            self.bound = max(first, p.times * self.noise)
        if abs(away) >= p.release * self.bound:
            self.blow.append((ts, away))
        elif self.blow and ts - self.blow[-1][0] >= p.calm * NS:
            lasted = self.blow[-1][0] - self.blow[0][0]
            most = max((a for _, a in self.blow), key=abs)
            if lasted <= p.longest * NS and abs(most) >= self.bound:
                bounds = [max(peak.value, self.bound) for peak in p.peak]
                grade = max(k + 1 for k, bound in enumerate(bounds) if abs(most) >= bound)
                self.found = ts
                turn = (ts, self.blow[0][0], abs(most), bounds[grade - 1], self.level + most, self.level)
                yield from self.turn(max(grade, self.grade), Reason.IMPACT, *turn)
            self.blow = []
        weight = 0.5 ** (1 / p.half_life)
        step = min(abs(away), 3 * max(self.noise, (1 - weight) * first))
        self.level += (1 - weight) * math.copysign(step, away)
        self.noise = weight * self.noise + (1 - weight) * step
