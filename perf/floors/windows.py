"""Floors that keep the latest readings, or parts of them: turning points, slopes, sorted windows, neighbours."""

from __future__ import annotations

import numpy as np
from numba import njit

from domain.records import Floats, Int32s, Int64s

__all__ = ["nearest", "part_slope", "rain_flow", "sorted_window"]


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
