"""Single readings that jump away and come straight back."""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numba import njit
from pydantic import Field, model_validator

from detectors.contract import Detector, Lane, Marks, Params, Reason
from detectors.kernels import LIMIT, nanoseconds, settle
from domain.findings import Verdict
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["Spike", "SpikeParams"]

_SPIKE: Final = int(Reason.SPIKE)


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    size: float,
    times: float,
    returned: float,
    warm_up: int,
    alpha: float,
    quiet: int,
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
        bound = max(size, times * cell.noise)
        if cell.grade | cell.pending:  # rarely: one branch for both
            if cell.grade and t - cell.found >= quiet:
                n = settle(out, n, cell, slot, 0, _SPIKE, t, t, 0.0, bound, x, cell.level)
            if cell.pending:
                cell.pending = 0
                away = cell.peak - cell.level
                back = cell.peak - x
                if away * back > 0.0 and abs(back) > bound and abs(x - cell.level) <= (1.0 - returned) * abs(away):
                    middle = 0.5 * (cell.level + x)
                    score = min(abs(away), abs(back))
                    n = settle(out, n, cell, slot, 1, _SPIKE, t, cell.peak_ts, score, bound, cell.peak, middle)
                    cell.found = t
                    cell.level = x
                    continue
                # It stayed away: a step. As an example of noise it counts no more than the bound.
                cell.noise += alpha * (bound - cell.noise)
                cell.level = cell.peak
                bound = max(size, times * cell.noise)
        step = abs(x - cell.level)
        if cell.count > warm_up:
            if step > bound:
                cell.pending = 1
                cell.peak, cell.peak_ts = x, t
                continue
            cell.noise += alpha * (step - cell.noise)
        else:
            if cell.count:
                cell.noise += (step - cell.noise) / cell.count  # a plain mean at first
            cell.count += 1
        cell.level = x
    return n


class SpikeParams(Params):
    """The larger of `size` and `times` typical steps is what counts."""

    size: QuantityField = Field(
        description="Smallest jump that counts, above 0: several times the sensors' resolution."
    )
    times: float = Field(
        8.0,
        ge=1,
        description="Smallest jump as a multiple of the typical step between readings (1.13 sigma for white noise).",
    )
    returned: float = Field(
        0.5, gt=0, le=1, description="Part of the jump that the next reading must take back (no unit)."
    )
    warm_up: int = Field(20, ge=2, description="Steps between readings that are learned before the first is judged.")
    half_life: float = Field(
        100.0, ge=1, description="Readings after which the weight of a step in the typical one has halved."
    )
    quiet: Seconds = Field(
        60.0,
        ge=0,
        description="Event time without a further spike after which the fault ends; 0 ends it at the next reading.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.size.value <= 0:
            raise ValueError(f"expected a `size` above 0, got {self.size}")
        return self


class Spike(Detector):
    """Finds single readings that jump away from their neighbours and come straight back, as loose contacts make them.

    A reading that steps away from the one before it is suspended; the next one decides: if it takes back at least the
    part `returned` of the jump, and jumps by as much itself, the reading was a spike, else a step. Spikes closer than
    `quiet` are one fault. The typical step is an exponentially weighted mean of |difference|, in which a step counts
    for at most the bound.

    Misses spikes of two readings and more, and those in the warm-up. The mark is written when the next reading comes;
    its onset is the spike. State: 64 bytes a sensor. Marks: score is the smaller of the two jumps, value the spike,
    baseline the mean of its neighbours.

    Method: the spike test of QARTOD, Manual for Real-Time Quality Control of In-situ Temperature and Salinity Data,
    IOOS (test 6), with a bound that follows the noise.
    """

    name = "spike"
    lane = Lane.FAST
    verdict = Verdict.FAULT
    Params = SpikeParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("found", np.int64),
            ("level", np.float64),  # the last reading that is not suspended
            ("peak", np.float64),
            ("peak_ts", np.int64),
            ("noise", np.float64),
            ("count", np.int32),
            ("pending", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: SpikeParams, low: Floats, high: Floats, rate: Floats) -> None:
        super().__init__(params, low, high, rate)
        self._size = float(params.size.value)
        self._alpha = float(-np.expm1(-np.log(2.0) / params.half_life))
        self._quiet = nanoseconds(params.quiet)

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
                self._size,
                p.times,
                p.returned,
                p.warm_up,
                self._alpha,
                self._quiet,
            )
        )
