"""A water main that bursts: pressures that drop at once, and the flow that rises with them."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit
from pydantic import Field

from detectors.contract import GroupDetector, Marks, Params
from detectors.kernels import FALL, LIMIT, nanoseconds, settle
from domain.records import Floats, Int32s, Int64s
from domain.units import Seconds

__all__ = ["Burst", "BurstParams"]

_WIDTH: Final = 16
_RING: Final = 15  # steps of which the median is the baseline
_MOST: Final = 1e100  # multiples of a bound are cut off here


class _Settings(NamedTuple):
    step: int  # ns
    flows: int
    drop: float
    flow_step: float
    times: float
    alpha: float
    hold: int
    agree: int  # ns
    accept: int  # ns
    release: float


@njit(nogil=True, cache=True)
def _restart(cell: Any, c: int) -> None:
    cell.filled[c] = cell.run[c] = cell.held[c] = 0
    cell.depth[c] = 0.0


@njit(nogil=True, cache=True)
def _sensor(cell: Any, c: int, s: _Settings) -> None:
    """Hold the sensor's mean of the step against the median of those before; learn it unless it is away."""
    x = cell.sum[c] / cell.readings[c]
    if cell.filled[c] and cell.tick - cell.seen[c] > _RING * s.step:
        _restart(cell, c)  # what was usual before a silence tells nothing
    cell.seen[c] = cell.tick
    if cell.held[c] and cell.tick - cell.since[c] >= s.accept:
        _restart(cell, c)
    cell.now[c] = x
    if cell.filled[c] < _RING:
        cell.ring[c, cell.filled[c]] = x
        cell.filled[c] += 1
        cell.base[c] = x
        return
    if cell.run[c] == 0 and not cell.held[c]:
        cell.base[c] = np.median(cell.ring[c])
    away = x - cell.base[c] if c < s.flows else cell.base[c] - x
    least = s.flow_step if c < s.flows else s.drop
    bound = max(least, s.times * cell.noise[c])
    cell.bound[c] = bound
    cell.depth[c] = min(max(away / bound, 0.0), _MOST)
    if cell.held[c]:
        if cell.depth[c] >= s.release:
            return
        _restart(cell, c)
        cell.ring[c, 0] = x
        cell.filled[c] = 1
        return
    if cell.depth[c] >= 1.0:
        if cell.noise_n[c] < _RING:  # nothing is known about its noise yet
            cell.depth[c] = 0.0
        else:
            if cell.run[c] == 0:
                cell.since[c] = cell.tick
            cell.run[c] += 1
            if cell.run[c] >= s.hold:
                cell.held[c] = 1
            return
    cell.run[c] = 0
    cell.noise_n[c] += 1
    cell.noise[c] += max(s.alpha, 1.0 / cell.noise_n[c]) * (min(abs(away), bound) - cell.noise[c])
    for k in range(_RING - 1):
        cell.ring[c, k] = cell.ring[c, k + 1]
    cell.ring[c, _RING - 1] = x


@njit(nogil=True, cache=True)
def _agreement(cell: Any, p: int, s: _Settings) -> tuple[int, int]:
    """The grade, and the pressure with whose drop most others agree; of equals the first."""
    best, first = 0, -1
    for a in range(s.flows, p):
        if not cell.held[a]:
            continue
        pressures, flow = 0, 0
        for b in range(p):
            apart = cell.since[b] - cell.since[a]
            if cell.held[b] and b >= s.flows and 0 <= apart <= s.agree:
                pressures += 1
            elif cell.held[b] and b < s.flows and abs(apart) <= s.agree:
                flow = 1
        grade = min(pressures, 3) + flow
        if grade > best:
            best, first = grade, a
    return best, first


@njit(nogil=True, cache=True)
def _tick(cell: Any, p: int, members: Any, s: _Settings, out: Marks, n: int, shares: Floats) -> int:
    for c in range(p):
        if cell.readings[c]:
            _sensor(cell, c, s)
    cell.score = 0.0
    for c in range(s.flows, p):
        cell.score = max(cell.score, cell.depth[c])
    grade, first = _agreement(cell, p, s)
    if grade == cell.grade:
        return n
    if cell.grade == 0:
        cell.lead = first
        for c in range(s.flows, p):
            if cell.held[c] and cell.depth[c] > cell.depth[cell.lead]:
                cell.lead = c
        cell.of_lead = cell.base[cell.lead]
    total = 0.0
    for c in range(p):
        if cell.held[c]:
            total += cell.depth[c]
    for c in range(shares.shape[1]):
        shares[n, c] = cell.depth[c] / total if c < p and total > 0.0 and cell.held[c] else 0.0
    c = cell.lead
    bound = cell.bound[c] * (1.0 if grade else s.release)
    onset = cell.since[first] if grade else cell.tick
    score, end = cell.of_lead - cell.now[c], cell.tick + s.step
    return settle(out, n, cell, members[c], grade, FALL, end, onset, score, bound, cell.now[c], cell.of_lead)


@njit(nogil=True, cache=True)
def _close(state: Any, members: Any, group: int, now: int, s: _Settings, out: Marks, n: int, shares: Floats) -> int:
    """Judge the open step of a group if it ends by `now`."""
    cell = state[group]
    if not cell.open or cell.tick + s.step > now:
        return n
    p = 0
    while p < members.shape[1] and members[group, p] >= 0:
        p += 1
    n = _tick(cell, p, members[group], s, out, n, shares)
    cell.open = 0
    cell.sum[:] = 0.0
    cell.readings[:] = 0
    return n


@njit(nogil=True, cache=True)
def _rows(
    state: Any,
    members: Any,
    group: Int32s,
    place: Int32s,
    order: Int64s,
    slot_of: Int32s,
    sensor: Int32s,
    ts: Int64s,
    value: Floats,
    out: Marks,
    shares: Floats,
    s: _Settings,
) -> int:
    n = 0
    for i in order:
        slot = slot_of[sensor[i]]
        if slot < 0:
            continue
        g, c = group[slot], place[slot]
        cell = state[g]
        t, x = ts[i], value[i]
        if t <= cell.last[c] or not abs(x) <= LIMIT:
            continue
        start = t - t % s.step
        if start < cell.tick or (start == cell.tick and not cell.open and cell.last.any()):
            continue  # its step has been judged
        n = _close(state, members, g, start, s, out, n, shares)
        cell.last[c] = t
        cell.open = 1
        cell.tick = start
        cell.sum[c] += x
        cell.readings[c] += 1
    return n


@njit(nogil=True, cache=True)
def _advance(state: Any, members: Any, now: int, s: _Settings, out: Marks, shares: Floats) -> int:
    n = 0
    for g in range(len(state)):
        n = _close(state, members, g, now, s, out, n, shares)
    return n


class BurstParams(Params):
    """The defaults suit pressures in m read each second or so; figures of a sensor are in its own unit."""

    flows: int = Field(
        0,
        ge=0,
        le=8,
        description="How many of an asset's sensors, from its first, are flow meters; others are pressures.",
    )
    drop: float = Field(2.0, gt=0, description="Smallest drop of pressure that counts, in the pressures' unit.")
    flow_step: float = Field(10.0, gt=0, description="Smallest rise of flow that supports it, in the flows' unit.")
    times: float = Field(
        8.0, ge=0, description="A drop or rise is at least so many mean deviations from the median of the steps before."
    )
    hold: int = Field(3, ge=1, description="Steps in a row for which it must last.")
    agree: Seconds = Field(
        30.0, ge=0, description="Sensors agree when they begin within this time: travel of the wave, and clock errors."
    )
    step: Seconds = Field(
        1.0,
        gt=0,
        description="Readings are averaged over it; the usual is the median of 15 steps. An interval or more.",
    )
    memory: int = Field(1000, ge=15, description="Steps over which a sensor's mean deviation is learned.")
    release: float = Field(
        0.5, gt=0, le=1, description="A sensor is back when less than this part of its bound is left (no unit)."
    )
    accept: Seconds = Field(3600.0, gt=0, description="Event time after which a sensor's new value is its usual one.")


class Burst(GroupDetector):
    """Finds bursts of a water main: pressures that drop at once and stay down, the more sensors agree the graver.

    Readings of each sensor are averaged over `step` and held against the median of its 15 steps before, which stands
    still while the sensor is away. A pressure has dropped once it is below the median by its bound for `hold` steps in
    a row; a flow has risen likewise. The bound is `drop` (`flow_step`) or `times` the sensor's mean deviation. One
    pressure is of grade 1; two or three that begin within `agree` are of grade 2 and 3; a flow that rises within
    `agree` of them adds one. A flow alone is no burst: it may be a hydrant or a pump. A sensor is back when less than
    `release` of its bound is left, or after `accept`; the burst is over when all pressures are.

    Misses bursts whose drop takes longer than about seven steps, since the median follows, and those further from all
    sensors than the drop carries. Takes a pump that trips or a valve that opens for a burst. Needs 30 steps of each
    sensor, again 15 after a silence of 15, then `hold`. At most 16 sensors an asset. State: 3648 bytes an asset.
    Marks: score is the drop of the named sensor, the one that dropped most in multiples of its bound; threshold that
    bound, value its pressure, baseline the median.

    Method: drop against a running median with a run rule (Western Electric, Statistical Quality Control Handbook,
    1956); bursts by pressure and flow as in Mounce, Boxall and Machell, Development and Verification of an Online
    Artificial Intelligence System for Detection of Bursts and Other Abnormal Flows, Journal of Water Resources Planning
    and Management 136 (2010), with agreement counted in place of a network.
    """

    name = "burst"
    WIDTH = _WIDTH
    Params = BurstParams
    STATE = np.dtype(
        [
            ("tick", np.int64),  # ns, start of the step
            ("onset", np.int64),
            ("score", np.float64),
            ("last", np.int64, _WIDTH),  # ns, of each sensor
            ("readings", np.int64, _WIDTH),  # in the open step
            ("sum", np.float64, _WIDTH),
            ("now", np.float64, _WIDTH),  # mean of its latest step
            ("seen", np.int64, _WIDTH),  # ns, that step
            ("ring", np.float64, (_WIDTH, _RING)),  # the steps before, oldest first
            ("filled", np.int64, _WIDTH),
            ("base", np.float64, _WIDTH),  # their median
            ("noise", np.float64, _WIDTH),  # mean absolute deviation from it
            ("noise_n", np.int64, _WIDTH),
            ("bound", np.float64, _WIDTH),
            ("depth", np.float64, _WIDTH),  # how far it is away, in multiples of the bound
            ("since", np.int64, _WIDTH),  # ns, first step of the run
            ("run", np.int64, _WIDTH),  # steps in a row beyond the bound
            ("held", np.uint8, _WIDTH),
            ("of_lead", np.float64),  # median of the named sensor
            ("lead", np.int64),  # its place
            ("open", np.uint8),
            ("grade", np.uint8),
        ],
        align=True,
    )

    def __init__(self, params: BurstParams, low: Floats, high: Floats, rate: Floats, group: Int32s) -> None:
        super().__init__(params, low, high, rate, group)
        p = params
        self._settings = _Settings(
            nanoseconds(p.step),
            p.flows,
            p.drop,
            p.flow_step,
            p.times,
            1.0 / p.memory,
            p.hold,
            nanoseconds(p.agree),
            nanoseconds(p.accept),
            p.release,
        )

    def rows(self, slot_of: Int32s, sensor: Int32s, ts: Int64s, value: Floats, out: Marks) -> int:  # noqa: D102
        order = np.argsort(ts, kind="stable")
        shares = self._room(out)
        n = _rows(
            self.state,
            self.members,
            self.group,
            self.place,
            order,
            slot_of,
            sensor,
            ts,
            value,
            out,
            shares,
            self._settings,
        )
        self.shares = shares[:n]
        return int(n)

    def advance(self, now: int, out: Marks) -> int:  # noqa: D102
        shares = self._room(out)
        n = _advance(self.state, self.members, now, self._settings, out, shares)
        self.shares = shares[:n]
        return int(n)

    def _room(self, out: Marks) -> Floats:
        return np.empty((len(out), _WIDTH))  # touched only where there are marks
