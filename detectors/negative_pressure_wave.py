"""Arrivals of the pressure wave that a burst sends through a pipe."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from pydantic import Field

from detectors.contract import Detector, Lane, Marks, Params
from detectors.kernels import FALL, LIMIT, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import QuantityField, Seconds

__all__ = ["NegativePressureWave", "NegativePressureWaveParams"]


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    alpha: float,
    warm_up: int,
    floor: float,
    drift: float,
    limit: float,
    clip: float,
    depth: float,
    front: int,
    hold: int,
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
        if cell.grade:
            if t - cell.onset < hold:
                continue
            n = settle(out, n, cell, slot, 0, FALL, t, t, 0.0, limit, x, cell.mean)
            cell.count, cell.variance, cell.sum = 0, 0.0, 0.0
        d = x - cell.mean
        if cell.count < warm_up:  # readings weigh alike
            cell.count += 1
            weight = 1.0 / cell.count
            cell.mean += weight * d
            cell.variance = (1.0 - weight) * (cell.variance + weight * d * d)
            continue
        sigma = max(floor, math.sqrt(cell.variance))
        if sigma > 0.0:
            if cell.sum == 0.0:
                cell.since, cell.readings, cell.fallen = t, 0, 0.0
            cell.readings += 1
            cell.fallen -= d
            cell.sum = max(cell.sum - min(max(d / sigma, -clip), clip) - drift, 0.0)
            if cell.sum > limit:
                if t - cell.since > front:  # it falls, but not as a wave does
                    cell.count, cell.variance, cell.sum = 0, 0.0, 0.0
                    continue
                if cell.fallen >= depth * cell.readings:
                    n = settle(out, n, cell, slot, 1, FALL, t, cell.since, cell.sum, limit, x, cell.mean)
                    continue
        if cell.sum < 0.5 * limit:
            cell.mean += alpha * d
            cell.variance = (1.0 - alpha) * (cell.variance + alpha * d * d)
    return n


class NegativePressureWaveParams(Params):
    """The defaults suit 100 to 1,000 readings a second."""

    depth: QuantityField = Field(description="Least mean fall since the arrival that counts as a wave.")
    limit: float = Field(20.0, gt=0, description="Sum at which a fall counts, in standard deviations.")
    drift: float = Field(1.0, gt=0, description="Half the smallest fall worth finding, in standard deviations.")
    clip: float = Field(8.0, gt=1, description="One reading counts as at most so many standard deviations.")
    half_life: float = Field(500.0, ge=1, description="Readings after which a reading's weight has halved.")
    warm_up: int = Field(200, ge=2, description="Readings from which level and noise are learned.")
    front: Seconds = Field(0.5, gt=0, description="A fall that takes longer to be found than this is no wave.")
    hold: Seconds = Field(
        30.0,
        gt=0,
        description="Event time after the arrival in which echoes are passed over.",
    )
    min_sigma: QuantityField | None = Field(
        None, description="The standard deviation is taken to be at least this: about the sensor's resolution."
    )


class NegativePressureWave(Detector):
    """Finds the arrival of a burst's pressure wave at a sensor of high rate, to a sample.

    The level and the noise are exponential means of the readings. Readings below the level go into a cumulative sum;
    when it passes `limit` within `front`, and the mean fall since it left 0 is at least `depth`, a wave has arrived:
    the onset is the reading at which the sum left 0. The event lasts `hold`, in which echoes are passed over. The
    arrivals at several sensors tell where the pipe has burst: `detectors.locate.burst_place`.

    Misses waves of less than about two standard deviations, and those that come within `hold` of another or while
    the level is learned. A pump that stops sends such a wave, too: the place tells. Needs `warm_up` readings, then a
    few samples. State: 72 bytes a sensor. Marks: score is the sum, threshold its limit, baseline the level before.

    Method: Page, Continuous Inspection Schemes, Biometrika 41 (1954), as used for bursts by Misiunas et al., Pipeline
    Break Detection Using Pressure Transient Monitoring, J. Water Resources Planning and Management 131 (2005).
    """

    name = "negative_pressure_wave"
    lane = Lane.FAST
    Params = NegativePressureWaveParams
    STATE = np.dtype(
        [
            ("last", np.int64),
            ("onset", np.int64),
            ("since", np.int64),  # when the sum left 0
            ("mean", np.float64),
            ("variance", np.float64),
            ("sum", np.float64),
            ("fallen", np.float64),  # below the level, summed since then
            ("readings", np.int64),
            ("count", np.int32),
            ("grade", np.uint8),
        ],
        align=True,
    )

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
                -math.expm1(-math.log(2.0) / p.half_life),
                p.warm_up,
                float(p.min_sigma.value) if p.min_sigma else 0.0,
                p.drift,
                p.limit,
                p.clip,
                p.depth.value,
                nanoseconds(p.front),
                nanoseconds(p.hold),
            )
        )
