"""River's models fed by hand: whole lists of readings, cut into periods."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from river import anomaly, drift, preprocessing

from detectors.contract import Reason
from tests.detectors.naive import NS, Mark, Oracle


class RiverModel(Oracle):
    name = "river_model"
    limit = 1e100
    cases = (
        {
            "model": "anomaly.HalfSpaceTrees",
            "options": {"n_trees": 3, "height": 3, "window_size": 4},
            "period": "3 s",
            "warm_up": 4,
            "threshold": 0.75,
        },
        {
            "model": "drift.ADWIN",
            "options": {"clock": 1, "grace_period": 2, "min_window_length": 2, "delta": 0.5},
            "period": "2 s",
            "warm_up": 0,
        },
    )

    def start(self) -> None:
        options: dict[str, Any] = {name: v if v % 1 else round(v) for name, v in self.p.options.items()}
        self.forest: Any = None
        self.window: Any = None
        if self.p.model == "drift.ADWIN":
            self.window = drift.ADWIN(**options)
        else:
            self.scaler, self.forest = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1, **options)
        self.open: list[float] = []
        self.begun = 0
        self.means: list[float] = []

    def reading(self, ts: int, x: float) -> Iterator[Mark]:
        yield from self.time(ts)
        if not self.open:
            length = round(self.p.period * NS)
            self.begun = ts // length * length
        self.open.append(x)

    def time(self, now: int) -> Iterator[Mark]:
        end = self.begun + round(self.p.period * NS)
        if not self.open or now < end:
            return
        values, self.open = self.open, []
        mean = statistics.fmean(values)
        self.means.append(mean)
        if self.forest is None:
            self.window.update(mean)
            score, bound = float(self.window.drift_detected), 1.0
        else:
            x = {"mean": mean, "low": min(values), "high": max(values)}
            score, bound = self.forest.score_one(self.scaler.transform_one(x)), self.p.threshold
            self.scaler.learn_one(x)
            self.forest.learn_one(self.scaler.transform_one(x))
        grade = int(score >= bound and len(self.means) > self.p.warm_up)
        yield from self.turn(
            grade, Reason.MODEL, end, self.begun, score, bound, mean, self.means[-2] if self.means[1:] else mean
        )
