"""Oracle of the detector for acoustic loggers."""

from __future__ import annotations

import statistics

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class LeakNoise(Oracle):
    name = "leak_noise"
    cases = (
        {
            "rise": "3.01 u",
            "times": 1.01,
            "nights": 2,
            "learn": 3,
            "day": "3 s",
            "night_from": "0 s",
            "night_to": "2 s",
        },
        {
            "rise": "1.03 u",
            "times": 0.0,
            "nights": 1,
            "learn": 2,
            "day": "2 s",
            "night_from": "0 s",
            "night_to": "1500 ms",
            "utc_offset": "1 s",
            "accept": "9 s",
        },
    )

    def start(self) -> None:
        self.quiet: list[float] = []
        self.tonight: list[tuple[int, float]] = []
        self.noisy: list[int] = []  # first readings of the noisy nights in a row
        self.day = 0

    def reading(self, ts, x):
        p = self.p
        today, at = divmod(ts + round(p.utc_offset * NS), round(p.day * NS))
        if self.tonight and (today != self.day or at >= p.night_to * NS):
            yield from self.judge(ts, min(value for _, value in self.tonight))
            self.tonight = []
        if p.night_from * NS <= at < p.night_to * NS:
            self.day = today
            self.tonight.append((ts, x))

    def judge(self, ts, x):
        p, base, spread = self.p, 0.0, 0.0
        if self.quiet:
            base = statistics.median(self.quiet[-28:])
            spread = 1.4826 * statistics.median(abs(y - base) for y in self.quiet[-28:])
        limit, above = max(p.rise.value, p.times * spread), x - base
        if self.grade and ts - self.onset >= p.accept * NS:
            yield from self.turn(0, Reason.RISE, ts, ts, above, limit, x, base)
            self.quiet, self.noisy = [], []
        if len(self.quiet) >= p.learn:
            if above > limit:
                self.noisy.append(self.tonight[0][0])
                if len(self.noisy) >= p.nights:
                    yield from self.turn(1, Reason.RISE, ts, self.noisy[0], above, limit, x, base)
                return
            if self.grade and above > limit / 2:
                return
            yield from self.turn(0, Reason.RISE, ts, ts, above, limit / 2, x, base)
        self.noisy = []
        self.quiet.append(x)
