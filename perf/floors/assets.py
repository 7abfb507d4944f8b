"""Floors over the sensors of an asset: means of steps in a table, and what is made of each row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from domain.records import Floats, Int32s, Int64s

__all__ = [
    "drain_line",
    "drain_profile",
    "drain_rise",
    "peers",
    "principal",
    "residual",
    "step_median",
    "tank",
    "thermal",
]


@njit(nogil=True, cache=True)
def _means(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int) -> Any:
    """Means of the steps from the first reading to the last, by step and sensor."""
    first = ts.min() // step
    total = np.zeros((ts.max() // step - first + 1, slots))
    count = np.zeros(total.shape, np.int64)
    for i in range(len(value)):
        k = ts[i] // step - first
        total[k, sensor[i]] += value[i]
        count[k, sensor[i]] += 1
    return total / count


@njit(nogil=True, cache=True)
def step_median(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, drop: float) -> int:
    """Means of steps of each sensor; each against the median of the 15 before, with a mean deviation; agreement."""
    ring, noise, away = np.zeros((slots, 15)), np.ones(slots), np.zeros(slots, np.int64)
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for c in range(slots):
            d = np.median(ring[c]) - means[c]
            if d >= max(drop, 8.0 * noise[c]):
                away[c] += 1
            else:
                away[c] = 0
                noise[c] += 0.001 * (abs(d) - noise[c])
                for k in range(14):
                    ring[c, k] = ring[c, k + 1]
                ring[c, 14] = means[c]
        for g in range(0, slots, width):
            for c in range(g, g + width):
                n += away[c] >= 3
    return n


@njit(nogil=True, cache=True)
def principal(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, horizon: int) -> int:
    """Means of steps; seven forecasts a sensor, their errors; T2, Q, parts; correlations; components now and then."""
    groups = slots // width
    level, base, error = np.zeros((slots, 7)), np.zeros((slots, 7)), np.ones((slots, 7))
    rates = np.array([0.5, 0.2, 0.08, 0.03, 0.01, 0.003, 0.001])
    related, axes = np.zeros((groups, width, width)), np.zeros((groups, width, width))
    weight, u, part = np.ones((groups, width)), np.zeros(width), np.zeros(width)
    for g in range(groups):
        related[g] = axes[g] = np.eye(width)
    n = 0
    for ticks, means in enumerate(_means(slots, sensor, ts, value, step)):
        for g in range(groups):
            for c in range(width):
                at = g * width + c
                best = 0
                for k in range(1, 7):
                    if error[at, k] < error[at, best] * (1.0 - 1e-6):
                        best = k
                u[c] = (means[at] - base[at, best]) / math.sqrt(error[at, best])
                for k in range(7):
                    e = means[at] - base[at, k]
                    error[at, k] += 0.001 * (e * e - error[at, k])
                    level[at, k] += rates[k] * (means[at] - level[at, k])
                part[c] = 0.0
            index = 0.0
            for j in range(width):
                y = 0.0
                for c in range(width):
                    y += axes[g, j, c] * u[c]
                scaled = y / weight[g, j]
                for c in range(width):
                    part[c] += u[c] * axes[g, j, c] * scaled
                index += y * scaled
            n += math.sqrt(index) > 10.0 and part[0] > 0.0
            for r in range(width):
                for c in range(width):
                    related[g, r, c] += 0.001 * (u[r] * u[c] - related[g, r, c])
            if (ticks + 1) % horizon == 0:
                values, vectors = np.linalg.eigh(related[g])
                for j in range(width):
                    weight[g, j] = max(values[j], 0.2)
                    for c in range(width):
                        axes[g, j, c] = vectors[c, j]
                base[g * width : (g + 1) * width] = level[g * width : (g + 1) * width]
    return n


@njit(nogil=True, cache=True)
def residual(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, learn: int) -> int:
    """Means of steps; moments while it learns, then each step whitened by their factor, two means, two distances."""
    groups = slots // width
    moments, fast, short = np.zeros((groups, width, width)), np.zeros((groups, width)), np.zeros((groups, width))
    ref, base, u = np.zeros((groups, width)), np.zeros((groups, width)), np.zeros(width)
    n = 0
    for ticks, means in enumerate(_means(slots, sensor, ts, value, step)):
        for g in range(groups):
            m = moments[g]
            for c in range(width):
                u[c] = means[g * width + c]
            if ticks < learn:
                for a in range(width):
                    for b in range(a + 1):
                        m[a, b] += u[a] * u[b]
                if ticks + 1 == learn:
                    m[:] = np.linalg.cholesky(m + m.T - np.diag(np.diag(m)))
                continue
            for a in range(width):
                x = u[a]
                for b in range(a):
                    x -= m[a, b] * u[b]
                u[a] = x / m[a, a]
            away = 0.0
            for a in range(width):
                fast[g, a] += 0.02 * (u[a] - fast[g, a])
                short[g, a] += 0.1 * (u[a] - short[g, a])
                away += (fast[g, a] - ref[g, a]) ** 2
                ref[g, a] += 0.001 * (u[a] - ref[g, a])
                base[g, a] = ref[g, a]
            n += math.sqrt(away) > 3.5
    return n


@njit(nogil=True, cache=True)
def drain_line(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, memory: float) -> int:
    """Means of steps, smoothed by the time passed; the line of level on flow by its moments, and the residual."""
    level, flow, usual, usual_flow = np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    spread, both, error = np.ones(slots), np.zeros(slots), np.ones(slots)
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for g in range(0, slots, width):
            weight = -math.expm1(-step / 1e9 / memory)
            level[g] += weight * (means[g] - level[g])
            flow[g] += weight * (means[g + 1] - flow[g])
            du, dq = level[g] - usual[g], flow[g] - usual_flow[g]
            excess = du - both[g] / spread[g] * dq
            calm = dq <= 2.0 * math.sqrt(spread[g]) and means[g + 2] < 100.0
            n += excess >= 5.0 * math.sqrt(error[g]) and calm
            usual[g] += 0.01 * du
            usual_flow[g] += 0.01 * dq
            spread[g] = 0.99 * (spread[g] + 0.01 * dq * dq)
            both[g] = 0.99 * (both[g] + 0.01 * dq * du)
            error[g] = 0.99 * (error[g] + 0.01 * excess * excess)
    return n


@njit(nogil=True, cache=True)
def drain_rise(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, memory: float) -> int:
    """Means of steps; two reservoirs and a smoothed speed by the time passed; least squares on five moments."""
    level, speed = np.zeros(slots), np.zeros(slots)
    pool, wet, moments = np.zeros((slots, 2)), np.zeros((slots, 2)), np.zeros((slots, 5))
    dt = step / 1e9
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for g in range(0, slots, width):
            x, rain = means[g], max(means[g + 1], 0.0)
            pool[g, 0] -= math.expm1(-dt / 900.0) * (rain - pool[g, 0])
            pool[g, 1] -= math.expm1(-dt / 3600.0) * (rain - pool[g, 1])
            weight = -math.expm1(-dt / memory)
            speed[g] += weight * ((x - level[g]) / dt * 60.0 - speed[g])
            level[g] = x
            for k in range(2):
                wet[g, k] += weight * (pool[g, k] - wet[g, k])
            m = moments[g]
            d = m[0] * m[2] - m[1] * m[1] + 1e-3
            fast = (m[2] * m[3] - m[1] * m[4]) / d
            slow = (m[0] * m[4] - m[1] * m[3]) / d
            n += speed[g] - fast * wet[g, 0] - slow * wet[g, 1] >= 1000.0
            m[0] = 0.999 * m[0] + wet[g, 0] * wet[g, 0]
            m[1] = 0.999 * m[1] + wet[g, 0] * wet[g, 1]
            m[2] = 0.999 * m[2] + wet[g, 1] * wet[g, 1]
            m[3] = 0.999 * m[3] + wet[g, 0] * speed[g]
            m[4] = 0.999 * m[4] + wet[g, 1] * speed[g]
    return n


@njit(nogil=True, cache=True)
def drain_profile(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, hour: int) -> int:
    """Means of steps; mean and variance of each of 168 hours, and a comparison with them."""
    usual, spread, overall = np.zeros((slots, 168)), np.ones((slots, 168)), np.ones(slots)
    tick = ts.min() // step * step
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for g in range(0, slots, width):
            j = tick // hour % 168
            e = means[g] - usual[g, j]
            n += e >= 4.0 * math.sqrt(max(spread[g, j], overall[g])) and means[g + 1] < 100.0
            usual[g, j] += 0.02 * e
            spread[g, j] = 0.98 * (spread[g, j] + 0.02 * e * e)
            overall[g] += 0.001 * (e * e - overall[g])
        tick += step
    return n


@njit(nogil=True, cache=True)
def tank(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, memory: float) -> int:
    """Means of steps; two speeds smoothed by the time passed; thresholds on them and on the third mean."""
    before, speed = np.zeros((slots, 2)), np.zeros((slots, 2))
    dt = step / 1e9
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for g in range(0, slots, width):
            for k in range(2):
                y = means[g + 1 + k]
                speed[g, k] -= math.expm1(-dt / memory) * ((y - before[g, k]) / dt * 3600.0 - speed[g, k])
                before[g, k] = y
            gas = means[g]
            n += gas >= 10.0 or (gas >= 5.0 and (speed[g, 0] >= 0.2 or speed[g, 1] >= 2.0))
    return n


@njit(nogil=True, cache=True)
def peers(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, renew: int) -> int:
    """Means of steps, standardised; residuals by a precision matrix; energies; moments, inverted now and then."""
    groups = slots // width
    mean, moments, precision = np.zeros(slots), np.ones((groups, width, width)), np.ones((groups, width, width))
    energy, usual, z, u = np.zeros(slots), np.ones(slots), np.zeros(width), np.zeros(width)
    n = 0
    for ticks, means in enumerate(_means(slots, sensor, ts, value, step)):
        for g in range(groups):
            m, q = moments[g], precision[g]
            for k in range(width):
                z[k] = (means[g * width + k] - mean[g * width + k]) / math.sqrt(m[k, k])
            for k in range(width):
                u[k] = 0.0
                for i in range(width):
                    u[k] += q[k, i] * z[i]
            for k in range(width):
                own = u[k] / math.sqrt(q[k, k])
                at = g * width + k
                energy[at] += 0.01 * (own * own - energy[at])
                n += energy[at] > 16.0 * usual[at]
                usual[at] += 0.001 * (own * own - usual[at])
                for i in range(width):
                    product = (means[at] - mean[at]) * (means[g * width + i] - mean[g * width + i])
                    m[k, i] = 0.999 * (m[k, i] + 0.001 * product)
            for k in range(g * width, (g + 1) * width):
                mean[k] += 0.001 * (means[k] - mean[k])
            if (ticks + 1) % renew == 0:
                q[:] = np.linalg.inv(m + np.eye(width))
    return n


@njit(nogil=True, cache=True)
def thermal(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, width: int, lag: float) -> int:
    """Means of steps; two lags of the temperature; each gauge's regression on four terms by Cholesky; a residual."""
    terms, moments = np.ones((slots, 4)), np.zeros((slots, 4, 4))
    right, noise = np.zeros((slots, 4)), np.ones(slots)
    low, beta = np.zeros((4, 4)), np.zeros(4)
    n = 0
    for means in _means(slots, sensor, ts, value, step):
        for g in range(0, slots, width):
            term, m = terms[g], moments[g]
            term[1] = means[g]
            for k in range(2):
                term[2 + k] -= math.expm1(-step / 1e9 / (lag * (4.0 if k else 1.0))) * (term[1] - term[2 + k])
            for c in range(g + 1, g + width):
                for i in range(4):
                    for j in range(i + 1):
                        a = m[i, j] + (1e-3 if i == j else 0.0)
                        for k in range(j):
                            a -= low[i, k] * low[j, k]
                        low[i, j] = math.sqrt(max(a, 1e-9)) if i == j else a / low[j, j]
                for i in range(4):
                    beta[i] = right[c, i]
                    for k in range(i):
                        beta[i] -= low[i, k] * beta[k]
                    beta[i] /= low[i, i]
                for i in range(3, -1, -1):
                    for k in range(i + 1, 4):
                        beta[i] -= low[k, i] * beta[k]
                    beta[i] /= low[i, i]
                e = means[c]
                for j in range(4):
                    e -= beta[j] * term[j]
                n += abs(e) > 6.0 * noise[c]
                noise[c] += 0.001 * (abs(e) - noise[c])
                for j in range(4):
                    right[c, j] = 0.999 * right[c, j] + term[j] * means[c]
            for j in range(4):
                for k in range(4):
                    m[j, k] = 0.999 * m[j, k] + term[j] * term[k]
    return n
