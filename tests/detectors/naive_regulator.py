"""Oracle of the detector for pressure regulators."""

from __future__ import annotations

import math

from detectors.contract import Reason
from tests.detectors.naive import NS, Oracle


class Regulator(Oracle):
    name = "regulator"
    cases = (
        {"low": "-5.03 u", "high": "6.01 u", "hysteresis": "1.01 u", "hold": "2 s"},
        {"drift": "2.03 u", "short": "5 s", "long": "60 s", "learn": "4 s", "accept": "15 s", "high": "70 u"},
        {"low": "-20 u", "drift": "1.07 u", "short": "2 s", "long": "20 s", "learn": "0 s", "hold": "0 s"},
    )

    def start(self) -> None:
        self.inside: list[tuple[int, float]] = []
        self.short = self.long = 0.0
        self.side, self.since = 0, 0
        self.drift: int | None = None
        self.why = Reason.NONE

    def reading(self, ts, x):
        p = self.p
        low, high = p.low.value if p.low else -math.inf, p.high.value if p.high else math.inf
        band, drift = p.hysteresis.value if p.hysteresis else 0.0, p.drift.value if p.drift else math.inf
        above = x > (high - band if self.side == 1 else high)
        below = x < (low + band if self.side == -1 else low)
        side = 1 if above else -1 if below else 0
        if side != self.side:
            self.side, self.since = side, ts
        outside = bool(side) and ts - self.since >= p.hold * NS
        if not side:
            self.learn(ts, x)
        base = self.long if self.inside else x
        if not side:
            away = abs(self.short - self.long)
            if self.drift is not None:
                if ts - self.drift >= p.accept * NS:
                    self.drift, self.long = None, self.short
                elif away < p.release * drift:
                    self.drift = None
            elif away >= drift and ts - self.inside[0][0] >= p.learn * NS:
                self.drift = ts
        grade = 2 if outside else int(self.drift is not None)
        if grade:
            self.why = Reason.DRIFT if grade == 1 else Reason.RISE if side > 0 else Reason.FALL
        score, bound = {
            Reason.DRIFT: (abs(self.short - base), drift if grade else p.release * drift),
            Reason.RISE: (x, high if grade else high - band),
            Reason.FALL: (x, low if grade else low + band),
            Reason.NONE: (0.0, 0.0),
        }[self.why]
        yield from self.turn(grade, self.why, ts, self.since if outside else ts, score, bound, x, base)

    def learn(self, ts, x):
        if not self.inside:
            self.short = self.long = x
        else:
            dt = min((ts - self.inside[-1][0]) / NS, self.p.short / 10)
            self.short += (1 - math.exp(-dt / self.p.short)) * (x - self.short)
            if self.drift is None:
                a = max(1 - math.exp(-dt / self.p.long), 1 / (len(self.inside) + 1))
                self.long += a * (x - self.long)
        self.inside.append((ts, x))
