"""What is stored of one structure's day (docs/views.md), read for its health report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

from domain.clock import SECOND
from domain.errors import ConfigError, Problem
from sinks.clickhouse.client import translated

__all__ = ["BridgeDay", "Traces", "last_day", "read_day", "structures"]

#: Days before, with which a day is compared.
BEFORE: Final = 7

#: Of a point of a trace, s; of a day of which less than `SHORT` is stored, a finer one.
STEP: Final = 300
FINE: Final = 60
SHORT: Final = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Traces:
    """A day of all sensors of one kind: at each time (ns) the mean of each sensor, and the least and most of all."""

    kind: str
    unit: str
    ts: npt.NDArray[np.int64]
    mean: Mapping[str, npt.NDArray[np.float64]]  # by sensor; NaN where it said nothing
    least: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    step: int = STEP  # s


@dataclass(frozen=True, slots=True)
class BridgeDay:
    """Everything that a report says. Rows are as the views name their columns; times are of the city's zone."""

    city: str
    zone: ZoneInfo
    day: date
    health: Mapping[str, Any]  # of bridge_health
    levels: Sequence[str]  # names by rank
    measured: Sequence[Mapping[str, Any]]  # of bridge_days, and `usual`: the mean of the days before, if there are any
    alerts: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]
    sensors: Sequence[Mapping[str, Any]]
    traces: Sequence[Traces]

    @property
    def begin(self) -> datetime:
        """Midnight with which the day begins."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=self.zone)

    @property
    def end(self) -> datetime:
        """Midnight with which it ends."""
        after = self.day + timedelta(days=1)
        return datetime(after.year, after.month, after.day, tzinfo=self.zone)

    @property
    def heard(self) -> datetime:
        """Up to when readings came, to the step of the traces."""
        ends = [int(traces.ts[-1]) // SECOND + traces.step for traces in self.traces if len(traces.ts)]
        return min(datetime.fromtimestamp(max(ends), self.zone), self.end) if ends else self.end

    @property
    def shown(self) -> tuple[datetime, datetime]:
        """What a plot shows: the day, or of a day of which little is stored that little."""
        begins = [int(traces.ts[0]) // SECOND for traces in self.traces if len(traces.ts)]
        first = datetime.fromtimestamp(min(begins), self.zone) if begins else self.begin
        return (first, self.heard) if self.heard - first < SHORT else (self.begin, self.end)

    @property
    def facts(self) -> list[str]:
        """What is to be said first, gravest first."""
        health, found = self.health, []
        real = [alert for alert in self.alerts if alert["judged"] != "false" and alert["kind"] != "sensor-fault"]
        open_still = [alert for alert in real if alert["cleared"] is None]
        if real:
            gravest = min(alert["level"] for alert in real)
            count = f"{len(real)} alert{'s' * (len(real) > 1)}"
            found.append(
                f"{count}, the gravest of level {self.level(gravest)}; {len(open_still) or 'none'} still open."
            )
        else:
            found.append("No alert.")
        if health["availability"] is None or health["availability"] < 0.5:
            found.append("Less than half of the readings came: no grade is given.")
        elif health["availability"] < 0.95:
            found.append(f"{health['availability']:.1%} of the readings came.")
        if health["faulty_sensors"]:
            found.append(f"{health['faulty_sensors']} of {health['sensors']} sensors had a fault.")
        return found

    def level(self, rank: int) -> str:
        """The name of a level."""
        return self.levels[rank - 1] if 0 < rank <= len(self.levels) else str(rank)


def last_day(client: Client) -> date:
    """The city's day at its own clock. Raises ConfigError where nothing is stored."""
    rows = _rows(client, "SELECT max(day) AS day FROM bridge_health HAVING count() > 0")
    if not rows:
        raise ConfigError([Problem("", "", "report", "expected a database with at least one hour of a structure")])
    day: date = rows[0]["day"]
    return day


def structures(client: Client, day: date) -> list[Mapping[str, Any]]:
    """The health of every structure on a day (docs/views.md, bridge_health), the worst first."""
    return list(_rows(client, _STRUCTURES, {"day": day.isoformat()}))


def read_day(client: Client, asset: str, day: date, health: Mapping[str, Any] | None = None) -> BridgeDay:
    """Read one day of one structure; raises ConfigError where nothing of it is stored.

    Parameters
    ----------
    health
        Its row of `structures`, where that has been read.
    """
    about = {"asset": asset, "day": day.isoformat()}
    if health is None:
        query = "SELECT * FROM bridge_health WHERE asset = {asset:String} AND day = {day:Date}"
        health = next(iter(_rows(client, query, about)), None)
    if health is None:
        raise ConfigError([_nothing(client, asset, day)])
    ((name, timezone, levels),) = (tuple(row.values()) for row in _rows(client, "SELECT * FROM city FINAL"))
    zone = ZoneInfo(timezone)
    partial = BridgeDay(name, zone, day, health, levels, (), (), (), (), ())
    begin, end = partial.begin.timestamp(), partial.end.timestamp()
    about |= {"begin": str(int(begin)), "end": str(int(end)), "first": (day - timedelta(days=BEFORE)).isoformat()}
    measured = _rows(client, _MEASURED, about)
    ((stored,),) = (tuple(row.values()) for row in _rows(client, _STORED, about))
    step = FINE if stored < SHORT.total_seconds() else STEP
    return BridgeDay(
        name,
        zone,
        day,
        health,
        levels,
        measured,
        [_local(row, zone) for row in _rows(client, _ALERTS, about)],
        _rows(client, _FINDINGS, about),
        _rows(client, _SENSORS, about),
        [_traces(client, about, row["kind"], row["unit"], step) for row in measured],
    )


_STRUCTURES: Final = """
SELECT * FROM bridge_health WHERE day = {day:Date} ORDER BY grade = 'unknown' DESC, score, asset
"""
_MEASURED: Final = """
SELECT days.*, before.usual AS usual FROM (
    SELECT * FROM bridge_days WHERE asset = {asset:String} AND day = {day:Date}
) AS days LEFT JOIN (
    SELECT kind, avgOrNull(mean) AS usual FROM bridge_days
    WHERE asset = {asset:String} AND day >= {first:Date} AND day < {day:Date} GROUP BY kind
) AS before ON before.kind = days.kind ORDER BY days.kind
"""
_ALERTS: Final = """
SELECT level, kind, summary, raised, cleared, judged FROM alert_days
WHERE asset = {asset:String} AND day = {day:Date} ORDER BY level, raised
"""
_FINDINGS: Final = """
SELECT kind, detector, toString(verdict) AS verdict, count() AS findings, uniqExact(sensor) AS sensors FROM (
    SELECT any(f.kind) AS kind, any(f.detector) AS detector, any(f.verdict) AS verdict, any(f.sensor) AS sensor
    FROM findings AS f FINAL
    WHERE NOT withdrawn AND f.sensor IN (SELECT sensor FROM registry WHERE asset = {asset:String})
        AND onset >= toDateTime64({begin:Int64}, 9, 'UTC') AND onset < toDateTime64({end:Int64}, 9, 'UTC') GROUP BY id
) GROUP BY kind, detector, verdict ORDER BY verdict, kind, detector
"""
_SENSORS: Final = """
SELECT registry.sensor AS sensor, kind, unit, came.availability AS availability, came.readings AS readings,
    measured.low AS least, measured.mid AS mean, measured.high AS most, faults.reasons AS faults
FROM registry
LEFT JOIN (
    SELECT sensor, availability, readings FROM sensor_days WHERE asset = {asset:String} AND day = {day:Date}
) AS came ON came.sensor = registry.sensor
LEFT JOIN (
    SELECT sensor, minOrNull(min) AS low, sum(mean * count) / sum(count) AS mid, maxOrNull(max) AS high
    FROM aggregates_1h
    WHERE sensor IN (SELECT sensor FROM registry WHERE asset = {asset:String})
        AND start >= toDateTime64({begin:Int64}, 3, 'UTC') AND start < toDateTime64({end:Int64}, 3, 'UTC')
    GROUP BY sensor
) AS measured ON measured.sensor = registry.sensor
LEFT JOIN (
    SELECT sensor, arraySort(groupUniqArray(reason)) AS reasons FROM fault_days WHERE day = {day:Date} GROUP BY sensor
) AS faults ON faults.sensor = registry.sensor
WHERE asset = {asset:String} ORDER BY kind, sensor
"""
_STORED: Final = """
SELECT dateDiff('second', min(start), max(start)) AS stored FROM aggregates_1m
WHERE sensor IN (SELECT sensor FROM registry WHERE asset = {asset:String})
    AND start >= toDateTime64({begin:Int64}, 3, 'UTC') AND start < toDateTime64({end:Int64}, 3, 'UTC')
"""
_TRACES: Final = """
SELECT sensor, intDiv(toUnixTimestamp64Milli(start), 1000 * {step:Int64}) * {step:Int64} AS at, min(min) AS least,
    sum(mean * count) / sum(count) AS middle, max(max) AS most
FROM aggregates_1m
WHERE sensor IN (SELECT sensor FROM registry WHERE asset = {asset:String} AND kind = {kind:String})
    AND start >= toDateTime64({begin:Int64}, 3, 'UTC') AND start < toDateTime64({end:Int64}, 3, 'UTC')
GROUP BY sensor, at ORDER BY sensor, at
"""


def _traces(client: Client, about: Mapping[str, str], kind: str, unit: str, step: int) -> Traces:
    rows = _rows(client, _TRACES, {**about, "kind": kind, "step": str(step)})
    times = sorted({row["at"] for row in rows})
    slot = {at: i for i, at in enumerate(times)}
    mean: dict[str, npt.NDArray[np.float64]] = {}
    least, most = np.full(len(times), np.inf), np.full(len(times), -np.inf)
    for row in rows:
        i = slot[row["at"]]
        mean.setdefault(row["sensor"], np.full(len(times), np.nan))[i] = row["middle"]
        least[i], most[i] = min(least[i], row["least"]), max(most[i], row["most"])
    return Traces(kind, unit, np.array(times, np.int64) * SECOND, mean, least, most, step)


def _nothing(client: Client, asset: str, day: date) -> Problem:
    known = sorted(str(row["asset"]) for row in _rows(client, "SELECT DISTINCT asset FROM bridge_health"))
    if asset in known:
        query = "SELECT min(day) AS first, max(day) AS last FROM bridge_health WHERE asset = {asset:String}"
        (days,) = _rows(client, query, {"asset": asset})
        return Problem("", "", "--day", f"expected a day from {days['first']} to {days['last']}, got {day}")
    return Problem("", "", asset, f"expected a structure of which something is stored: {', '.join(known) or 'none'}")


def _rows(client: Client, query: str, parameters: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    with translated():
        return list(client.query(query, parameters=dict(parameters or {})).named_results())


def _local(row: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """Times in the city's zone; the client gives them in UTC, with or without saying so."""
    return {
        name: (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(zone)
        if isinstance(value, datetime)
        else value
        for name, value in row.items()
    }
