"""Sensor traces around an alert, as many points as a screen shows, with what detectors and cameras said meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite
from typing import Any, Final

from console.database import Database, Row
from console.world import World
from domain.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from domain.findings import Alert

__all__ = ["alert_traces", "sensor_trace", "span_of"]

#: Points of a trace at most: one in two or three pixels.
POINTS: Final = 320

#: What is shown before the onset and after the end, and how much at most of an alert that lasts.
BEFORE: Final = 10 * MINUTE
AFTER: Final = 3 * MINUTE
LONGEST: Final = 7 * DAY

#: Sensors of an alert that are shown, and further ones near the first.
OWN: Final = 4
NEAR: Final = 3

#: Metres within which a camera's events stand on the same axis.
SEEN_FROM: Final = 400.0

# Of each period: first time, last time, least, greatest, mean. Raw readings where they are few enough to be read.
_READINGS: Final = """
SELECT sensor, toInt64(avg(toUnixTimestamp64Milli(ts))) AS t, min(value) AS low, max(value) AS high, avg(value) AS mean
FROM readings
WHERE sensor IN {sensors:Array(String)} AND pane >= fromUnixTimestamp64Milli({pane:Int64})
    AND pane <= fromUnixTimestamp64Milli({until:Int64})
    AND ts >= fromUnixTimestamp64Milli({start:Int64}) AND ts <= fromUnixTimestamp64Milli({until:Int64})
GROUP BY sensor, intDiv(toUnixTimestamp64Milli(ts) - {start:Int64}, {step:Int64}) ORDER BY sensor, t
"""
_AGGREGATES: Final = """
SELECT sensor, toInt64(avg(toUnixTimestamp64Milli(start))) AS t, min(min) AS low, max(max) AS high,
    sum(mean * count) / sum(count) AS mean
FROM (
    SELECT sensor, start, count, min, max, mean FROM {table}
    WHERE sensor IN {sensors:Array(String)}
        AND start >= fromUnixTimestamp64Milli({start:Int64}) AND start <= fromUnixTimestamp64Milli({until:Int64})
)
GROUP BY sensor, intDiv(toUnixTimestamp64Milli(start) - {start:Int64}, {step:Int64}) ORDER BY sensor, t
"""
_FINDINGS: Final = """
SELECT sensor, toString(phase) AS phase, monitor, detector, kind, toString(verdict) AS verdict, reason, level,
    toUnixTimestamp64Milli(ts) AS t, score, threshold, value, baseline
FROM findings AS f FINAL
WHERE sensor IN {sensors:Array(String)} AND NOT withdrawn
    AND f.ts >= fromUnixTimestamp64Milli({start:Int64}) AND f.ts <= fromUnixTimestamp64Milli({until:Int64})
ORDER BY f.ts, monitor LIMIT 500
"""
_VIDEO: Final = """
SELECT camera, toUnixTimestamp64Milli(v.ts) AS t, type, confidence, clip FROM video_events AS v FINAL
WHERE camera IN {cameras:Array(String)}
    AND v.ts >= fromUnixTimestamp64Milli({start:Int64}) AND v.ts <= fromUnixTimestamp64Milli({until:Int64})
ORDER BY v.ts LIMIT 300
"""


def span_of(alert: Alert, present: int) -> tuple[int, int]:
    """From when to when an alert is shown, ms."""
    end = min(present, alert.cleared + AFTER) if alert.cleared else present
    end = max(end, alert.onset + MINUTE)
    start = max(alert.onset - BEFORE - (end - alert.onset) // 4, end - LONGEST)
    return start // MILLISECOND, end // MILLISECOND


def alert_traces(database: Database, world: World, alert: Alert, present: int) -> dict[str, Any]:
    """What is drawn of an alert: its sensors, those near its first, and cameras, on one axis of time (ms)."""
    start, until = span_of(alert, present)
    own = list(alert.sensors[:OWN])
    near = world.neighbours(own[0], NEAR + len(alert.sensors)) if own else []
    near = [(sensor, far) for sensor, far in near if sensor.id not in alert.sensors][:NEAR]
    cameras = list(dict.fromkeys((*alert.cameras, *world.cameras_near(alert.lon, alert.lat, SEEN_FROM))))
    lines = _lines(database, world, [*own, *(sensor.id for sensor, _ in near)], start, until)
    step = _step(start, until)
    # Where nothing is stored of the time before, there is nothing to be seen.
    heard = [line["points"][0][0] for line in lines if line["points"]]
    start = max(start, min([*heard, alert.onset // MILLISECOND]) - (until - start) // 50) if heard else start
    for line, (_, far) in zip(lines[len(own) :], near, strict=True):
        line["far"] = round(far)
    video = database.rows(_VIDEO, {"cameras": cameras, "start": start, "until": until}) if cameras else []
    return {
        "start": start,
        "until": until,
        "step": step,
        "lines": lines,
        "video": video,
        "onset": alert.onset // MILLISECOND,
        "raised": alert.raised // MILLISECOND,
        "cleared": alert.cleared // MILLISECOND,
        "acknowledged": alert.acknowledged // MILLISECOND,
    }


def sensor_trace(database: Database, world: World, sensor: str, present: int, hours: float) -> dict[str, Any]:
    """The last hours of one sensor, in the same form."""
    until = present // MILLISECOND
    start = until - int(hours * HOUR) // MILLISECOND
    lines = _lines(database, world, [sensor], start, until)
    return {"start": start, "until": until, "step": _step(start, until), "lines": lines, "video": []}


def _step(start: int, until: int) -> int:
    """Time of one point, ms."""
    return max(1, (until - start) // POINTS)


def _lines(database: Database, world: World, ids: Sequence[str], start: int, until: int) -> list[dict[str, Any]]:
    if not ids:
        return []
    common = {"sensors": list(ids), "start": start, "until": until}
    asked: dict[str, Any] = common | {"step": _step(start, until), "pane": start - SECOND // MILLISECOND}
    span = (until - start) * MILLISECOND
    if span <= 6 * HOUR:
        points = database.rows(_READINGS, asked)
    else:
        table = "aggregates_1m" if span <= 3 * DAY else "aggregates_1h"
        points = database.rows(_AGGREGATES.replace("{table}", table), asked)
    found: dict[str, list[list[float]]] = defaultdict(list)
    for row in points:
        if isfinite(row["low"]) and isfinite(row["high"]):
            found[row["sensor"]].append([row["t"], _short(row["low"]), _short(row["high"]), _short(row["mean"])])
    said: dict[str, list[Row]] = defaultdict(list)
    for row in database.rows(_FINDINGS, common):
        said[row["sensor"]].append({name: _plain(value) for name, value in row.items() if name != "sensor"})
    return [_line(world, id, found[id], said[id]) for id in ids]


def _line(world: World, id: str, points: list[list[float]], findings: list[Row]) -> dict[str, Any]:
    sensor = world.sensor(id)
    return {
        "sensor": id,
        "kind": sensor.kind if sensor else "",
        "unit": sensor.unit if sensor else "",
        "rate": sensor.rate if sensor else 1.0,
        "points": points,
        "findings": findings,
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _plain(value: Any) -> Any:
    """JSON knows no infinities and no NaN."""
    return None if isinstance(value, float) and not isfinite(value) else value
