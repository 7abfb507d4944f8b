"""The floor of each detector: its arithmetic as the plainest numba loop over flat arrays.

No records, no lookup of slots, no contract, no hysteresis or grades, no marks, no check of the readings (but for
`bounds`, where comparing times is half of the work): only what must be computed for each reading, over the same
readings. A floor counts what it finds, so that nothing is optimised away.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from river import anomaly, preprocessing

from domain.records import Floats, Int32s, Int64s


@njit(nogil=True, cache=True)
def bounds(slots: int, sensor: Int32s, ts: Int64s, value: Floats, low: float, high: float) -> int:
    """Two comparisons with bounds, and of the time with the last; the last reading between them is kept."""
    last, normal = np.zeros(slots, np.int64), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        if ts[i] <= last[s]:
            continue
        last[s] = ts[i]
        if low < x < high:
            normal[s] = x
        else:
            n += 1
    return n


@njit(nogil=True, cache=True)
def gap(slots: int, sensor: Int32s, ts: Int64s, value: Floats, silence: int) -> int:
    """Time since the sensor's last reading, compared with a bound."""
    last = np.full(slots, ts[0])
    before = np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        n += ts[i] - last[s] >= silence
        last[s], before[s] = ts[i], value[i]
    return n


@njit(nogil=True, cache=True)
def held(slots: int, sensor: Int32s, ts: Int64s, value: Floats, tolerance: float, duration: int) -> int:
    """Distance to the value that is held, the count of readings at it, and for how long."""
    at, since, count = np.zeros(slots), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        if abs(value[i] - at[s]) <= tolerance:
            count[s] += 1
            n += ts[i] - since[s] >= duration
        else:
            at[s], since[s], count[s] = value[i], ts[i], 1
    return n


@njit(nogil=True, cache=True)
def zeros(slots: int, sensor: Int32s, ts: Int64s, value: Floats, tolerance: float, duration: int) -> int:
    """Distance to zero, and the counts of readings at it and off it."""
    alive, since = np.zeros(slots), np.zeros(slots, np.int64)
    at, off = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        if abs(value[i]) > tolerance:
            alive[s] = value[i]
            off[s] += 1
            at[s] = 0
        else:
            if at[s] == 0:
                since[s] = ts[i]
            at[s] += 1
            n += ts[i] - since[s] >= duration
    return n


@njit(nogil=True, cache=True)
def ewma(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, z: float) -> int:
    """Weighted mean and variance, at first of equal weights; the squared distance compared with the variance."""
    mean, var, count = np.zeros(slots), np.ones(slots), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        d = value[i] - mean[s]
        n += d * d > z * z * var[s]
        count[s] += 1
        a = max(alpha, 1.0 / count[s])
        mean[s] += a * d
        var[s] = (1.0 - a) * (var[s] + a * d * d)
    return n


@njit(nogil=True, cache=True)
def cusum(slots: int, sensor: Int32s, ts: Int64s, value: Floats, drift: float, clip: float, limit: float) -> int:
    """Two clipped cumulative sums of standardised distances, with the times since which they are above zero."""
    mean, sigma, up, down = np.zeros(slots), np.ones(slots), np.zeros(slots), np.zeros(slots)
    up_since, down_since = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        z = min(max((value[i] - mean[s]) / sigma[s], -clip), clip)
        up_since[s] += (up[s] == 0.0) * (ts[i] - up_since[s])
        down_since[s] += (down[s] == 0.0) * (ts[i] - down_since[s])
        up[s] = min(max(up[s] + z - drift, 0.0), limit + clip)
        down[s] = min(max(down[s] - z - drift, 0.0), limit + clip)
        n += up[s] > limit or down[s] > limit
    return n


@njit(nogil=True, cache=True)
def page_hinkley(slots: int, sensor: Int32s, ts: Int64s, value: Floats, delta: float, threshold: float) -> int:
    """Running mean, two faded sums of distances, and the lowest and highest of them with their times."""
    count, mean, up, down = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    lowest, highest = np.zeros(slots), np.zeros(slots)
    low_ts, high_ts = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        count[s] += 1
        mean[s] += (1.0 / count[s]) * (value[i] - mean[s])
        up[s] = 0.9999 * up[s] + (value[i] - mean[s]) - delta
        down[s] = 0.9999 * down[s] + (value[i] - mean[s]) + delta
        if up[s] < lowest[s]:
            lowest[s], low_ts[s] = up[s], ts[i]
        if down[s] > highest[s]:
            highest[s], high_ts[s] = down[s], ts[i]
        n += up[s] - lowest[s] > threshold or highest[s] - down[s] > threshold
    return n


@njit(nogil=True, cache=True)
def level_noise(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, size: float, times: float) -> int:
    """Distance from a level against a bound made of its mean; level and mean distance learned with a cut."""
    level, noise = np.zeros(slots), np.ones(slots)
    since = np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        away = value[i] - level[s]
        bound = max(size, times * noise[s])
        if abs(away) > bound:
            n += 1
            since[s] = ts[i]
        step = min(abs(away), bound)
        level[s] += alpha * (step if away > 0.0 else -step)
        noise[s] += alpha * (step - noise[s])
    return n


@njit(nogil=True, cache=True)
def jump(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, size: float, times: float) -> int:
    """Step from the last reading against a bound made of the mean step; a step beyond it is not learned."""
    level, noise = np.zeros(slots), np.ones(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = abs(value[i] - level[s])
        if step > max(size, times * noise[s]):
            n += 1
        else:
            noise[s] += alpha * (step - noise[s])
            level[s] = value[i]
    return n


@njit(nogil=True, cache=True)
def swing(slots: int, sensor: Int32s, ts: Int64s, value: Floats, quick: float, slow: float, times: float) -> int:
    """Swing of two steps that turn, its quick mean against a bound made of its slow mean."""
    before, last = np.zeros(slots), np.zeros(slots)
    recent, usual = np.zeros(slots), np.ones(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = value[i] - before[s]
        size = min(abs(step), abs(last[s])) if (step > 0.0) != (last[s] > 0.0) else 0.0
        before[s], last[s] = value[i], step
        bound = times * usual[s]
        recent[s] += quick * (min(size, 3.0 * bound) - recent[s])
        if recent[s] > bound:
            n += 1
        else:
            usual[s] += slow * (min(size, bound) - usual[s])
    return n


@njit(nogil=True, cache=True)
def part_slope(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, bound: float) -> int:
    """Means of eight parts of a window, and the least-squares slope through them at every reading."""
    mean, at, count = np.zeros((slots, 8)), np.zeros((slots, 8)), np.zeros((slots, 8), np.int64)
    part_of = np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        part = ts[i] // length
        k = part % 8
        if part != part_of[s]:
            part_of[s] = part
            count[s, k] = 0
            mean[s, k] = at[s, k] = 0.0
        count[s, k] += 1
        at[s, k] += ((ts[i] - part * length) / length - at[s, k]) / count[s, k]
        mean[s, k] += (value[i] - mean[s, k]) / count[s, k]
        t_mean = v_mean = 0.0
        parts = 0
        for j in range(8):
            p = (part + 1 + j) % 8
            if count[s, p]:
                parts += 1
                t_mean += (j + at[s, p] - t_mean) / parts
                v_mean += (mean[s, p] - v_mean) / parts
        tt = tv = 0.0
        for j in range(8):
            p = (part + 1 + j) % 8
            if count[s, p]:
                dt = j + at[s, p] - t_mean
                tt += dt * dt
                tv += dt * (mean[s, p] - v_mean)
        n += abs(tv) > bound * tt
    return n


@njit(nogil=True, cache=True)
def block_shift(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, alpha: float, bound: float) -> int:
    """Means of blocks; each against a level and a noise that are learned of them."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    level, noise, before = np.zeros(slots), np.zeros(slots), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                mean = total[s] / count[s]
                away = mean - level[s]
                if abs(away) >= bound:
                    n += 1
                else:
                    level[s] += alpha * away
                    noise[s] += alpha * (abs(mean - before[s]) - noise[s])
                before[s] = mean
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def block_line(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, amount: float) -> int:
    """Means of blocks; the least-squares line through eight of them, and the largest distance from it."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    means, filled = np.zeros((slots, 8)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                means[s, filled[s] % 8] = total[s] / count[s]
                filled[s] += 1
                middle = 0.0
                for k in range(8):
                    middle += means[s, k] / 8.0
                slope = off = 0.0
                for k in range(8):
                    slope += (k - 3.5) * (means[s, (filled[s] + k) % 8] - middle) / 42.0
                for k in range(8):
                    off = max(off, abs(means[s, (filled[s] + k) % 8] - middle - slope * (k - 3.5)))
                n += 8.0 * abs(slope) >= amount and off <= 0.1 * amount
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def block_climb(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, rise: float, excess: float) -> int:
    """Means and mean excesses of blocks; the sum over twelve of them, and whether they climb without a dip."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    beyond, means, over = np.zeros(slots), np.zeros((slots, 12)), np.zeros((slots, 12))
    filled = np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                f = filled[s]
                means[s, f % 12], over[s, f % 12] = total[s] / count[s], beyond[s] / count[s]
                filled[s] = f = f + 1
                exposure = 0.0
                for k in range(12):
                    exposure += over[s, k]
                climbed = means[s, (f - 1) % 12] - means[s, f % 12]
                steady = True
                for k in range(1, 12):
                    if means[s, (f + k) % 12] - means[s, (f + k - 1) % 12] < -0.05 * climbed:
                        steady = False
                        break
                n += exposure >= 12.0 * excess or (steady and climbed >= rise)
            block_of[s], total[s], count[s], beyond[s] = block, 0.0, 0, 0.0
        total[s] += value[i]
        count[s] += 1
        beyond[s] += max(value[i], 0.0)
    return n


@njit(nogil=True, cache=True)
def block_profile(slots: int, sensor: Int32s, ts: Int64s, value: Floats, step: int, day: int, alpha: float) -> int:
    """Means of steps; mean and mean deviation of each of a day's 24 hours, and a comparison with them."""
    block_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    mean, spread, before = np.zeros((slots, 24)), np.zeros((slots, 24)), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // step
        if block != block_of[s]:
            if count[s]:
                x = total[s] / count[s]
                h = block_of[s] * step % day // (day // 24) % 24
                e = x - mean[s, h]
                n += x - before[s] >= 5.0 or e > 4.0 * spread[s, h]
                before[s] = x
                mean[s, h] += alpha * e
                spread[s, h] += alpha * (abs(e) - spread[s, h])
            block_of[s], total[s], count[s] = block, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def theil_sen(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, crest: float) -> int:
    """Means of blocks and of their times; the median of all 28 slopes of eight blocks, and the median level."""
    block_of, count = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    total, into = np.zeros(slots), np.zeros(slots)
    means, at = np.zeros((slots, 8)), np.zeros((slots, 8))
    at[:] = np.arange(-8.0, 0.0)
    slopes, levels = np.empty(28), np.empty(8)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                for k in range(7):
                    means[s, k], at[s, k] = means[s, k + 1], at[s, k + 1] - 1.0
                means[s, 7], at[s, 7] = total[s] / count[s], into[s] / count[s] - 1.0
                m = 0
                for a in range(8):
                    for b in range(a):
                        slopes[m] = (means[s, a] - means[s, b]) / (at[s, a] - at[s, b])
                        m += 1
                slope = np.median(slopes)
                for k in range(8):
                    levels[k] = means[s, k] - slope * at[s, k]
                n += int(slope > 0.0 and (crest - np.median(levels)) / slope < 10.0)
            block_of[s], total[s], into[s], count[s] = block, 0.0, 0.0, 0
        total[s] += value[i]
        into[s] += (ts[i] - block * length) / length
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def day_part_slopes(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, wide: float, fast: float) -> int:
    """Means of a day's twelve parts, their median, and the median of all 91 slopes of fourteen days."""
    day_of, means, count = np.zeros(slots, np.int64), np.zeros((slots, 12)), np.zeros((slots, 12), np.int64)
    widths, slopes = np.zeros((slots, 14)), np.empty(91)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        today = ts[i] // day
        if today != day_of[s]:
            if day_of[s]:
                for k in range(13):
                    widths[s, k] = widths[s, k + 1]
                widths[s, 13] = np.median(means[s])
                m = 0
                for a in range(14):
                    for b in range(a):
                        slopes[m] = (widths[s, a] - widths[s, b]) / (a - b)
                        m += 1
                n += int(widths[s, 13] >= wide or np.median(slopes) >= fast)
            day_of[s] = today
            count[s] = 0
        k = (ts[i] - today * day) * 12 // day
        count[s, k] += 1
        means[s, k] += (value[i] - means[s, k]) / count[s, k]
    return n


@njit(nogil=True, cache=True)
def demodulate(slots: int, sensor: Int32s, ts: Int64s, value: Floats, length: int, cycles: int) -> int:
    """A sine and a cosine a reading, summed over blocks; the phase from block to block."""
    block_of, count, mean, off = np.zeros(slots, np.int64), np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots)
    re, im = np.zeros(slots), np.zeros(slots)
    before_re, before_im, real, imag = np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    turn = -2.0 * math.pi * cycles / length
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        block = ts[i] // length
        if block != block_of[s]:
            if count[s]:
                real[s] += re[s] * before_re[s] + im[s] * before_im[s]
                imag[s] += im[s] * before_re[s] - re[s] * before_im[s]
                before_re[s], before_im[s] = re[s], im[s]
                mean[s] += off[s] / count[s]
                n += real[s] > imag[s]
            block_of[s], count[s], off[s], re[s], im[s] = block, 0, 0.0, 0.0, 0.0
        d = value[i] - mean[s]
        angle = turn * (ts[i] - block * length)
        off[s] += d
        re[s] += d * math.cos(angle)
        im[s] += d * math.sin(angle)
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def passage(slots: int, sensor: Int32s, ts: Int64s, value: Floats, start: float, tau: float, peak: float) -> int:
    """Distance from a baseline that follows by the time passed; the largest one while it is away."""
    base, most, last = np.zeros(slots), np.zeros(slots), np.full(slots, ts[0])
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        step = ts[i] - last[s]
        last[s] = ts[i]
        away = value[i] - base[s]
        if abs(away) < start:
            n += abs(most[s]) >= peak
            most[s] = 0.0
            base[s] += step / (tau + step) * away
        elif abs(away) > abs(most[s]):
            most[s] = away
    return n


@njit(nogil=True, cache=True)
def rain_flow(slots: int, sensor: Int32s, ts: Int64s, value: Floats, ignore: float, bend: float, slope: float) -> int:
    """Turning points, the three-range rule on a stack of 32, and a power a cycle."""
    turn, way, point = np.zeros(slots), np.zeros(slots, np.int8), np.zeros((slots, 32))
    depth, total = np.zeros(slots, np.int64), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        away = value[i] - turn[s]
        if way[s] == 0:
            way[s] = 1 if away > 0.0 else -1
            turn[s] = value[i]
        elif way[s] * away >= 0.0:
            turn[s] = value[i]
        elif abs(away) >= ignore:
            d = depth[s]
            if d == 32:
                d = 0
            point[s, d] = turn[s]
            d += 1
            while d >= 3:
                before = abs(point[s, d - 2] - point[s, d - 3])
                if abs(point[s, d - 1] - point[s, d - 2]) < before:
                    break
                total[s] += (before / bend) ** (slope if before >= bend else 2.0 * slope - 1.0)
                n += 1
                point[s, d - 3] = point[s, d - 1]
                d -= 2
            depth[s] = d
            way[s] = -way[s]
            turn[s] = value[i]
    return n


@njit(nogil=True, cache=True)
def sorted_window(slots: int, sensor: Int32s, ts: Int64s, value: Floats, window: int, z: float) -> int:
    """A sorted window: median, the median distance from it by merging, one value out and one in by binary search."""
    lines, rings, count = np.full((slots, window), np.inf), np.zeros((slots, window)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        line, ring = lines[s], rings[s]
        m = min(count[s], window)
        if m > 30:
            middle = line[m // 2]
            left, right = m // 2 - 1, m // 2
            away = 0.0
            for _ in range(m // 2 + 1):
                if right >= m or (left >= 0 and middle - line[left] <= line[right] - middle):
                    away = middle - line[left]
                    left -= 1
                else:
                    away = line[right] - middle
                    right += 1
            n += abs(x - middle) > z * away
        k = count[s] % window
        a = np.searchsorted(line, ring[k]) if count[s] >= window else m
        b = np.searchsorted(line, x)
        if b > a:
            for j in range(a, b - 1):
                line[j] = line[j + 1]
            line[b - 1] = x
        else:
            for j in range(a, b, -1):
                line[j] = line[j - 1]
            line[b] = x
        ring[k] = x
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def hour_ewma(slots: int, sensor: Int32s, ts: Int64s, value: Floats, season: int, alpha: float, z: float) -> int:
    """Exponentially weighted mean and variance of each of 168 parts of a season; the distance in deviations."""
    mean, var, count = np.zeros((slots, 168)), np.ones((slots, 168)), np.zeros((slots, 168), np.int64)
    part = season // 168
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        h = min(ts[i] % season // part, 167)
        d = value[i] - mean[s, h]
        n += abs(d) / math.sqrt(max(var[s, h], 1e-9)) > z
        count[s, h] += 1
        a = max(alpha, 1.0 / count[s, h])
        mean[s, h] += a * d
        var[s, h] = (1.0 - a) * (var[s, h] + a * d * d)
    return n


@njit(nogil=True, cache=True)
def nearest(slots: int, sensor: Int32s, ts: Int64s, value: Floats, memory: int, width: int, usual: float) -> int:
    """Distance to the nearest of 4,096 earlier readings, and of the latest four to the nearest earlier four."""
    line, count = np.zeros((slots, memory)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s, c = sensor[i], count[sensor[i]] % memory
        ring = line[s]
        ring[c] = value[i]
        one = run = np.inf
        for j in range(width - 1, min(count[s], memory)):
            if j == c:
                continue
            one = min(one, abs(ring[c] - ring[j]))
            if abs(c - j) >= width:
                away = 0.0
                for q in range(width):
                    away += abs(ring[c - q] - ring[j - q])
                run = min(run, away)
        n += one > usual or run > width * usual
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def night_least(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, begin: int, end: int) -> int:
    """The least reading of each night, against the median and the median deviation of 28 nights."""
    least, nights, filled = np.full(slots, np.inf), np.zeros((slots, 28)), np.zeros(slots, np.int64)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        at = ts[i] % day
        if begin <= at < end:
            least[s] = min(least[s], value[i])
        elif least[s] < np.inf:
            k = min(filled[s], 28)
            if k:
                base = np.median(nights[s, :k])
                n += least[s] - base > 4.0 * np.median(np.abs(nights[s, :k] - base))
            nights[s, filled[s] % 28] = least[s]
            filled[s] += 1
            least[s] = np.inf
    return n


@njit(nogil=True, cache=True)
def night_mean(slots: int, sensor: Int32s, ts: Int64s, value: Floats, day: int, begin: int, end: int) -> int:
    """The mean of each night, against the median of the same weekdays and of the gaps between weeks."""
    total, count = np.zeros(slots), np.zeros(slots, np.int64)
    nights, filled, gaps = np.zeros((slots, 28)), np.zeros(slots, np.int64), np.empty(21)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        at = ts[i] % day
        if begin <= at < end:
            total[s] += value[i]
            count[s] += 1
        elif count[s]:
            x = total[s] / count[s]
            for k in range(21):
                gaps[k] = abs(nights[s, k] - nights[s, k + 7])
            k = filled[s] % 28
            n += x - np.median(nights[s, k % 7 :: 7]) > 4.0 * np.median(gaps)
            nights[s, k] = x
            filled[s] += 1
            total[s], count[s] = 0.0, 0
    return n


@njit(nogil=True, cache=True)
def hour_cusum(slots: int, sensor: Int32s, ts: Int64s, value: Floats, width: int, drift: float, limit: float) -> int:
    """Means of bins less a profile of 168, a level and a trend; two cumulative sums; all of them learned."""
    bin_of, total, count = np.zeros(slots, np.int64), np.zeros(slots), np.zeros(slots, np.int64)
    season, level, trend, var = np.zeros((slots, 168)), np.zeros(slots), np.zeros(slots), np.ones(slots)
    up, down = np.zeros(slots), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        b = ts[i] // width
        if b != bin_of[s]:
            if count[s]:
                j = bin_of[s] % 168
                level[s] += trend[s]
                e = total[s] / count[s] - season[s, j] - level[s]
                z = min(max(e / math.sqrt(var[s]), -4.0), 4.0)
                up[s] = max(up[s] + z - drift, 0.0)
                down[s] = max(down[s] - z - drift, 0.0)
                n += up[s] > limit or down[s] > limit
                level[s] += e / 168.0
                trend[s] += 0.25 * e / 28224.0
                season[s, j] += 0.2 * e
                var[s] += (e * e - var[s]) / 336.0
            bin_of[s], total[s], count[s] = b, 0.0, 0
        total[s] += value[i]
        count[s] += 1
    return n


@njit(nogil=True, cache=True)
def wave(slots: int, sensor: Int32s, ts: Int64s, value: Floats, alpha: float, drift: float, limit: float) -> int:
    """Exponentially weighted mean and variance, and one clipped cumulative sum of falls in standard deviations."""
    mean, var, total = np.zeros(slots), np.ones(slots), np.zeros(slots)
    since, fallen = np.zeros(slots, np.int64), np.zeros(slots)
    n = 0
    for i in range(len(value)):
        s = sensor[i]
        d = value[i] - mean[s]
        if total[s] == 0.0:
            since[s], fallen[s] = ts[i], 0.0
        fallen[s] -= d
        total[s] = max(total[s] - min(max(d / math.sqrt(var[s]), -8.0), 8.0) - drift, 0.0)
        n += total[s] > limit
        mean[s] += alpha * d
        var[s] = (1.0 - alpha) * (var[s] + alpha * d * d)
    return n


@njit(nogil=True, cache=True)
def short_long(slots: int, sensor: Int32s, ts: Int64s, value: Floats, short: float, long: float, band: float) -> int:
    """A band, and two exponential means by the time passed, with their distance."""
    quick, slow, last = np.zeros(slots), np.zeros(slots), np.full(slots, ts[0])
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        dt = ts[i] - last[s]
        last[s] = ts[i]
        if abs(x) > band:
            n += 1
            continue
        quick[s] -= math.expm1(-dt / short) * (x - quick[s])
        slow[s] -= math.expm1(-dt / long) * (x - slow[s])
        n += abs(quick[s] - slow[s]) > band
    return n


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


def half_space_trees(slots: int, sensor: Int32s, ts: Int64s, value: Floats, period: int) -> int:
    """River's model itself in a plain Python loop over the periods, which a numba loop has averaged."""
    models: list[Any] = [preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1) for _ in range(slots)]
    n = 0
    for s, mean, low, high in _periods(slots, sensor, ts, value, period).tolist():
        features = {"mean": mean, "low": low, "high": high}
        n += models[int(s)].score_one(features) > 0.95
        models[int(s)].learn_one(features)
    return n


@njit(nogil=True, cache=True)
def _periods(slots: int, sensor: Int32s, ts: Int64s, value: Floats, period: int) -> Any:
    total, count, start = np.zeros(slots), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    low, high = np.zeros(slots), np.zeros(slots)
    out = np.empty((len(value), 4))
    n = 0
    for i in range(len(value)):
        s, x = sensor[i], value[i]
        now = ts[i] // period
        if now != start[s]:
            if count[s]:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = s, total[s] / count[s], low[s], high[s]
                n += 1
            start[s], total[s], count[s], low[s], high[s] = now, 0.0, 0, x, x
        total[s] += x
        count[s] += 1
        low[s], high[s] = min(low[s], x), max(high[s], x)
    return out[:n]
