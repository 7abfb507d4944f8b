"""Gas pressure regulators: an outlet pressure out of its band, or creeping away within it."""

from __future__ import annotations

import math
from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import FALL, LIMIT, RISE, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Regulator", "RegulatorParams"]

_DRIFT: Final = int(Reason.DRIFT)


@njit(nogil=True, cache=True)
def _learn(cell: Any, t: int, x: float, short: float, long: float) -> None:
    """Let the two means take a reading inside the band; a gap counts as a tenth of `short` at most."""
    cell.n += 1
    if cell.n == 1:
        cell.began, cell.short, cell.long = t, x, x
    dt = min(t - cell.taken, 0.1 * short)
    cell.taken = t
    cell.short -= math.expm1(-dt / short) * (x - cell.short)
    if not cell.drifts:
        cell.long += max(-math.expm1(-dt / long), 1.0 / cell.n) * (x - cell.long)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    low: float,
    high: float,
    band: float,
    hold: int,
    drift: float,
    short: float,
    long: float,
    learn: int,
    accept: int,
    release: float,
) -> int:
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
        side = 0
        if x > high or (cell.side > 0 and x > high - band):
            side = 1
        elif x < low or (cell.side < 0 and x < low + band):
            side = -1
        if side != cell.side:
            cell.side, cell.since = side, t
        outside = side != 0 and t - cell.since >= hold

        base = cell.long if cell.n else x
        if side == 0:
            _learn(cell, t, x, short, long)
            base = cell.long
            away = abs(cell.short - cell.long)
            if cell.drifts:
                if t - cell.drift_since >= accept:
                    cell.drifts, cell.long = 0, cell.short
                elif away < release * drift:
                    cell.drifts = 0
            elif away >= drift and t - cell.began >= learn:
                cell.drifts, cell.drift_since = 1, t
        away = abs(cell.short - base) if cell.n else 0.0

        grade = 2 if outside else 1 if cell.drifts else 0
        if grade == cell.grade:
            continue
        if grade == 2:
            cell.reason = RISE if side > 0 else FALL
        elif grade == 1:
            cell.reason = _DRIFT
        if cell.reason == _DRIFT:
            score, bound = away, drift if grade else release * drift
        elif cell.reason == RISE:
            score, bound = x, high if grade else high - band
        else:
            score, bound = x, low if grade else low + band
        onset = cell.since if outside else t
        n = settle(out, n, cell, slot, grade, cell.reason, t, onset, score, bound, x, base)
    return n


class RegulatorParams(Params):
    """At least one of `low`, `high` and `drift`."""

    low: QuantityField | None = Field(None, description="Lower end of the band; none if not given.")
    high: QuantityField | None = Field(None, description="Upper end of the band; none if not given.")
    hysteresis: QuantityField | None = Field(
        None, description="The pressure is back in the band only this far inside its end; 0 if not given."
    )
    hold: Seconds = Field(60.0, ge=0, description="Event time for which the pressure must stay outside the band.")
    drift: QuantityField | None = Field(
        None,
        description="Distance of the short mean from the long one that is a drift, above 0; not sought if not given.",
    )
    short: Seconds = Field(
        3600.0, gt=0, description="Time constant of the short mean: ten intervals of the sensor or more."
    )
    long: Seconds = Field(604_800.0, gt=0, description="Time constant of the long mean, above `short`.")
    learn: Seconds = Field(86_400.0, ge=0, description="Event time that is learned before drift is judged.")
    accept: Seconds = Field(2_592_000.0, gt=0, description="Event time after which a drift is taken for normal.")
    release: float = Field(0.5, gt=0, le=1, description="The drift is over below this part of it (no unit).")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low and not self.high and not self.drift:
            raise ValueError("expected a `low`, a `high`, a `drift`, or several of them")
        band = self.hysteresis.value if self.hysteresis else 0.0
        if band < 0:
            raise ValueError(f"expected a `hysteresis` of 0 or more, got {self.hysteresis}")
        if self.low and self.high and self.low.value + band >= self.high.value - band:
            raise ValueError("expected a band from `low` to `high` that is wider than twice the `hysteresis`")
        if self.drift and self.drift.value <= 0:
            raise ValueError(f"expected a `drift` above 0, got {self.drift}")
        if self.short >= self.long:
            raise ValueError("expected `long` to be longer than `short`")
        return self


class Regulator(Detector):
    """Finds regulators whose outlet pressure leaves its band, or creeps away within it.

    Outside the band for `hold` is of grade 2 (reason "rise" or "fall"); it ends once the pressure is inside by
    `hysteresis`. Readings inside the band go into two exponential means. When the short one is `drift` away from the
    long one, the regulator creeps (grade 1, reason "drift"): a worn seat, a tired spring, a clogged filter. While it
    does, the long mean stands still; after `accept` the new pressure is taken for normal. A gap counts as a tenth of
    `short` at most, so that the first reading after it does not move the means far.

    Misses lock-up tests and other short excursions below `hold`, and creep so slow that the long mean follows: less
    than `drift` in a `long`. Takes a new set point for drift. Does not look for gas beside it: a monitor of its own
    does. Needs one reading and `hold` for the band, `learn` for drift. State: 80 bytes a sensor. Marks: score is
    the pressure, or the distance of the means; baseline is the long mean.

    Method: set points with deadband and on-delay as in IEC 62682 (ISA-18.2); difference of two exponentially weighted
    means (Roberts, Control Chart Tests Based on Geometric Moving Averages, Technometrics 1, 1959).
    """

    name = "regulator"
    lane = Lane.PANE
    Params = RegulatorParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # when the pressure came to its side
            ("began", np.int64),  # first reading inside the band
            ("taken", np.int64),  # latest reading inside the band
            ("drift_since", np.int64),
            ("n", np.int64),  # readings inside the band
            ("short", np.float64),
            ("long", np.float64),
            ("side", np.int8),
            ("drifts", np.uint8),
            ("reason", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: RegulatorParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        p = params
        self._band = (
            float(p.low.value) if p.low else -math.inf,
            float(p.high.value) if p.high else math.inf,
            float(p.hysteresis.value) if p.hysteresis else 0.0,
        )
        self._drift = float(p.drift.value) if p.drift else math.inf

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        p = self.params
        return int(
            _rows(
                self.state,
                slot_of,
                sensor,
                ts,
                value,
                out,
                *self._band,
                nanoseconds(p.hold),
                self._drift,
                1e9 * p.short,
                1e9 * p.long,
                nanoseconds(p.learn),
                nanoseconds(p.accept),
                p.release,
            )
        )
