"""River's online models, on aggregates: one model a sensor, fed once a period."""

from __future__ import annotations

import importlib
import inspect
import math
import pickle
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator
from river import base, preprocessing

from detectors.contract import END, ONSET, Detector, Lane, Marks, Params, Reason
from detectors.kernels import nanoseconds
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["RiverModel", "RiverModelParams"]

#: Readings beyond it are passed over, as NaN is: models add up squares of differences.
LIMIT: Final = 1e100

_PERIOD: Final = np.dtype(
    [
        ("slot", np.int32),
        ("start", np.int64),
        ("mean", np.float64),
        ("low", np.float64),
        ("high", np.float64),
    ],
    align=True,
)


@njit(nogil=True, cache=True)
def _close(cell: Any, slot: int, out: Any, n: int) -> int:
    row = out[n]
    row.slot, row.start, row.mean, row.low, row.high = slot, cell.start, cell.sum / cell.count, cell.low, cell.high
    cell.count = 0
    return n + 1


@njit(nogil=True, cache=True)
def _gather(state: Any, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Any, period: int) -> int:
    """Add rows to the open periods; write those that a row closes."""
    n = 0
    for i in range(len(ts)):
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        cell = state[slot]
        t, x = ts[i], value[i]
        if t <= cell.last or not abs(x) <= LIMIT:
            continue
        cell.last = t
        start = t - t % period
        if cell.count and start > cell.start:
            n = _close(cell, slot, out, n)
        if cell.count == 0:
            cell.start, cell.sum, cell.low, cell.high = start, 0.0, x, x
        cell.count += 1
        cell.sum += x
        cell.low, cell.high = min(cell.low, x), max(cell.high, x)
    return n


@njit(nogil=True, cache=True)
def _due(state: Any, now: int, out: Any, period: int) -> int:
    """Write the open periods that have ended by `now`."""
    n = 0
    for slot in range(len(state)):
        cell = state[slot]
        if cell.count and cell.start + period <= now:
            n = _close(cell, slot, out, n)
    return n


class RiverModelParams(Params):
    """`model` and `options` are River's own names; `period` decides the cost."""

    model: str = Field("anomaly.HalfSpaceTrees", description="A class of River: of `river.anomaly` or `river.drift`.")
    options: dict[str, float] = Field(
        {}, description="Its options; those left out have River's defaults (but `seed` is 1)."
    )
    period: Seconds = Field(60.0, ge=0.001, description="Length of the periods whose aggregates it is fed.")
    threshold: float = Field(0.95, description="Score from which a period is abnormal; a drift has no score.")
    warm_up: int = Field(250, ge=0, description="Periods that are learned before any is called abnormal.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.build()
        return self

    def build(self) -> Any:
        """A new model; raises ValueError."""
        module, _, name = self.model.rpartition(".")
        kind = (
            getattr(importlib.import_module(f"river.{module}"), name, None) if module in ("anomaly", "drift") else None
        )
        supported = inspect.isclass(kind) and issubclass(kind, base.AnomalyDetector | base.DriftDetector)
        if not supported or kind is None:
            raise ValueError(
                "expected a `model` such as 'anomaly.HalfSpaceTrees' or 'drift.ADWIN', that needs no label, got "
                f"{self.model!r}"
            )
        options: dict[str, Any] = {name: int(v) if v.is_integer() else v for name, v in self.options.items()}
        if "seed" in inspect.signature(kind).parameters:
            options.setdefault("seed", 1)
        try:
            model = kind(**options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected `options` of {self.model}: {error}") from None
        return model if issubclass(kind, base.DriftDetector) else preprocessing.MinMaxScaler() | model


class RiverModel(Detector):
    """Runs any of River's anomaly or drift detectors over each sensor's aggregates.

    An anomaly model (`anomaly.HalfSpaceTrees`, `anomaly.LocalOutlierFactor`, ...) is fed mean, least and greatest
    reading of each period, scaled to 0..1 by what was seen before, scores it, then learns it. A drift detector
    (`drift.ADWIN`, `drift.KSWIN`, ...) is fed the mean; a drift is a moment, closed by the next period without one.
    Periods are whole multiples of `period` since 1970; one without readings is passed over.

    Misses what is short beside the period, and what the model takes for normal: River's models learn everything,
    also an anomaly that lasts. Being Python objects, models cost 10 to 100 us a period and sensor, and up to hundreds
    of kB of memory: they are for tens or hundreds of sensors at periods of seconds and more.
    State: 64 bytes a sensor, and the model. Marks: score is the model's (1 at a drift), value the period's mean,
    baseline the mean of the period before.

    Method: Montiel et al., River: machine learning for streaming data in Python, JMLR 22 (2021); Tan, Ting and Liu,
    Fast Anomaly Detection for Streaming Data, IJCAI 2011 (half-space trees); Bifet and Gavalda, Learning from
    Time-Changing Data with Adaptive Windowing, SDM 2007 (ADWIN).
    """

    name = "river_model"
    lane = Lane.PANE
    Params = RiverModelParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("start", np.int64),  # of the open period
            ("sum", np.float64),
            ("low", np.float64),
            ("high", np.float64),
            ("before", np.float64),  # mean of the period before
            ("onset", np.int64),
            ("count", np.int32),  # readings in the open period
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: RiverModelParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._period = nanoseconds(params.period)
        self._models = [params.build() for _ in low]
        self._fed = [0] * len(low)
        self._features = ("mean", "low", "high")
        self._drift = isinstance(self._models[0], base.DriftDetector) if self._models else False
        self._periods: npt.NDArray[np.void] = np.empty(0, _PERIOD)

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        if len(self._periods) < len(ts):
            self._periods = np.empty(len(ts), _PERIOD)
        count = _gather(self.state, slot_of, sensor, ts, value, self._periods, self._period)
        return self._feed(count, out)

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        if len(self._periods) < len(self.state):
            self._periods = np.empty(len(self.state), _PERIOD)
        return self._feed(_due(self.state, now, self._periods, self._period), out)

    def _feed(self, count: int, out: Marks) -> int:
        """Give closed periods to their models, in order; write what they find."""
        n = 0
        for slot, start, mean, low, high in self._periods[:count].tolist():
            score = self._score(slot, mean, low, high)
            bound = 1.0 if self._drift else self.params.threshold
            self._fed[slot] += 1
            cell = self.state[slot]
            before = float(cell["before"]) if self._fed[slot] > 1 else mean
            cell["before"] = mean
            if not math.isfinite(score):
                continue
            grade = int(score >= bound and self._fed[slot] > self.params.warm_up)
            if grade == cell["grade"]:
                continue
            if grade:
                cell["onset"] = start
            cell["grade"] = grade
            end = start + self._period
            phase = ONSET if grade else END
            out[n] = (slot, phase, grade, Reason.MODEL, end, cell["onset"], score, bound, mean, before)
            n += 1
        return n

    def _score(self, slot: int, mean: float, low: float, high: float) -> float:
        model = self._models[slot]
        if self._drift:
            model.update(mean)
            return float(model.drift_detected)
        features = dict(zip(self._features, (mean, low, high), strict=True))
        score = float(model.score_one(features))
        model.learn_one(features)
        return score

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state, the models pickled."""
        # With the very names that the models hold as keys: equal models are then equal bytes, resumed or not.
        models = pickle.dumps((self._models, self._fed, self._features), pickle.HIGHEST_PROTOCOL)
        return {**super().snapshot(), "models": models}

    def restore(self, snapshot: dict[str, Any], origin: Int64s | None = None) -> None:
        """Take up a snapshot of the same detector and version; raises StateError otherwise."""
        super().restore(snapshot, origin)
        # The snapshot is this class's own, from the recovery store of the engine.
        models, fed, self._features = pickle.loads(snapshot["models"])
        if origin is None:
            self._models, self._fed = models, fed
            return
        for slot, at in enumerate(origin.tolist()):
            if at >= 0:
                self._models[slot], self._fed[slot] = models[at], fed[at]
