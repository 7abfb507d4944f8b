"""The plain Python loop: orjson and dicts. It is the oracle of the others, so it is written to be read."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import orjson

from perf.peers.job import ALPHA, LEARNED, THRESHOLD, Job, Result

#: Per sensor and second: count, min, max, sum, last value, its time.
Windows = dict[tuple[str, int], list[float]]
Flags = list[tuple[str, int, float, float]]


def run(path: Path, job: Job) -> tuple[Windows, Flags | None]:
    """Read line by line, keep everything in dicts."""
    windows: Windows = {}
    learned: dict[str, list[float]] = {}  # per sensor: readings taken, time of the last, mean, var
    flags: Flags = []
    loads = orjson.loads
    with path.open("rb") as lines:
        for line in lines:
            reading = loads(line)
            sensor, ts, value = reading["sensor"], reading["ts"], reading["value"]

            key = (sensor, ts // 1000)
            window = windows.get(key)
            if window is None:
                windows[key] = [1, value, value, value, value, ts]
            else:
                window[0] += 1
                if value < window[1]:
                    window[1] = value
                elif value > window[2]:
                    window[2] = value
                window[3] += value
                if ts > window[5]:
                    window[4] = value
                    window[5] = ts

            if job == "W":
                continue
            state = learned.get(sensor)
            if state is None:
                learned[sensor] = [1, ts, value, 0.0]
            elif ts > state[1]:
                taken, _, mean, var = state
                d = value - mean
                z = d / sqrt(var) if taken >= LEARNED and var > 0 else 0.0
                if abs(z) > THRESHOLD:
                    flags.append((sensor, ts, value, z))
                learned[sensor] = [taken + 1, ts, mean + ALPHA * d, (1 - ALPHA) * (var + ALPHA * d * d)]
    return windows, flags if job == "D" else None


def result(outcome: tuple[Windows, Flags | None]) -> Result:
    """The dicts as tables."""
    windows, flags = outcome
    count, low, high, total, last, _ = zip(*windows.values(), strict=True)
    sensor, second = zip(*windows, strict=True)
    return Result.of(
        {
            "sensor": sensor,
            "second": second,
            "count": count,
            "min": low,
            "max": high,
            "mean": [s / n for s, n in zip(total, count, strict=True)],
            "last": last,
        },
        None if flags is None else columns(flags),
    )


def columns(flags: Flags) -> dict[str, list[object]]:
    """Flags as columns, also where there are none."""
    return {name: [flag[i] for flag in flags] for i, name in enumerate(("sensor", "ts", "value", "z"))}
