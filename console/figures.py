"""How the whole is doing: the sensors, the load on the desk, and the feed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from console.database import Database, Row
from domain.clock import DAY, HOUR, MILLISECOND, MINUTE

__all__ = ["Load", "feed", "history", "load", "sensors", "service", "video_evidence"]

#: A sensor is overdue after so many of its own intervals, and after so many seconds at least.
OVERDUE: Final = "greatest(300, 6 / greatest(rate, 1e-6))"

#: Alerts in ten minutes that a person can keep up with, and from which on it is a flood: ANSI/ISA-18.2 and EEMUA 191.
BEARABLE: Final = 1
FLOOD: Final = 10
BUCKET: Final = 10 * MINUTE

# A sensor of a city's files that has sent nothing yet was last seen in 1970.
_SENSORS: Final = f"""
SELECT sensor, kind, unit, zone, asset, asset_name, owner, rate, open_faults AS faults, heard,
    toUnixTimestamp64Milli(last_seen) AS seen,
    multiIf(not heard, 'never', age > {OVERDUE}, 'overdue', notEmpty(open_faults), 'fault', 'well') AS state
FROM (
    SELECT *, toUnixTimestamp64Milli(last_seen) > 0 AS heard,
        ({{present:Int64}} - toUnixTimestamp64Milli(last_seen)) / 1000 AS age
    FROM sensor_health
)
"""
_BY_KIND: Final = f"""
SELECT kind, count() AS total, countIf(state = 'well') AS well, countIf(state = 'fault') AS fault,
    countIf(state = 'overdue') AS overdue, countIf(state = 'never') AS never
FROM ({_SENSORS}) GROUP BY kind ORDER BY kind
"""
_WANTED: Final = f"""
SELECT * FROM ({_SENSORS})
WHERE (state = {{state:String}} OR {{state:String}} = '' AND (state != 'well' OR {{text:String}} != ''))
    AND (kind = {{kind:String}} OR {{kind:String}} = '')
    AND positionCaseInsensitiveUTF8(concat(sensor, ' ', asset_name, ' ', zone), {{text:String}}) > 0
ORDER BY state = 'fault' DESC, seen DESC, sensor LIMIT {{limit:UInt32}}
"""
_LOAD: Final = """
SELECT intDiv(toUnixTimestamp64Milli(ts), {bucket:Int64}) * {bucket:Int64} AS at, desk, level, count() AS pages
FROM pages WHERE ts >= fromUnixTimestamp64Milli({start:Int64})
GROUP BY at, desk, level ORDER BY at, desk, level
"""
_ANSWERS: Final = """
SELECT level, count() AS alerts, count(acknowledged) AS seen, median(to_acknowledge_s) AS to_acknowledge,
    count(cleared) AS over, median(to_clear_s) AS to_clear,
    countIf(judged = 'true') AS judged_true, countIf(judged = 'false') AS judged_false
FROM alert_response AS r WHERE r.raised >= fromUnixTimestamp64Milli({start:Int64}) GROUP BY level ORDER BY level
"""
_FEED: Final = """
SELECT kind, count() AS sensors, toUnixTimestamp64Milli(max(last_seen)) AS newest,
    countIf(last_seen > fromUnixTimestamp64Milli({present:Int64} - 600000)) AS heard
FROM sensor_health GROUP BY kind ORDER BY kind
"""
_RATES: Final = """
SELECT kind, groupArray((toUnixTimestamp64Milli(minute), readings)) AS minutes FROM (
    SELECT minute, kind, readings FROM readings_per_minute
    WHERE minute > fromUnixTimestamp64Milli({start:Int64}) ORDER BY minute
) GROUP BY kind
"""
_DEAD: Final = "SELECT reason, count() AS letters FROM dead_letters_open GROUP BY reason ORDER BY letters DESC LIMIT 20"
_LATE: Final = (
    "SELECT count() AS late FROM late_rows FINAL WHERE late_rows.ts > fromUnixTimestamp64Milli({start:Int64})"
)
_VIDEO: Final = """
SELECT camera, toUnixTimestamp64Milli(v.ts) AS t, type, confidence, place, clip
FROM video_events AS v FINAL WHERE id IN {ids:Array(UUID)} ORDER BY v.ts DESC LIMIT 12
"""
# What people did is told by their actions.
_EVENTS: Final = """
SELECT toUnixTimestamp64Milli(e.ts) AS t, toString(type) AS what, level, note, revision, summary
FROM alert_events AS e FINAL
WHERE alert = {id:UUID} AND type NOT IN ('acknowledged', 'shelved', 'judged', 'closed') ORDER BY seq, revision
"""
_ACTIONS: Final = """
SELECT toUnixTimestamp64Milli(a.ts) AS t, toString(action) AS what, actor, role, reason, comment, verdict, unit, case,
    toUnixTimestamp64Milli(a.until) AS until
FROM operator_actions AS a FINAL WHERE alert = {id:UUID} ORDER BY a.ts, id
"""
_SERVICE: Final = """
SELECT toUnixTimestamp64Milli(a.ts) AS t, toString(action) AS what, actor, reason FROM operator_actions AS a FINAL
WHERE sensor = {sensor:String} AND action IN ('out-of-service', 'in-service') ORDER BY a.ts DESC, id DESC LIMIT 20
"""


def service(database: Database, sensor: str) -> list[Row]:
    """When a sensor was taken out of service and brought back, the latest first."""
    return database.rows(_SERVICE, {"sensor": sensor})


def history(database: Database, id: str) -> list[Row]:
    """What the engine said of an alert and what people did about it, in the order of time."""
    events = database.rows(_EVENTS, {"id": id})
    actions = database.rows(_ACTIONS, {"id": id})
    return sorted([*events, *actions], key=lambda row: int(row["t"]))


def video_evidence(database: Database, ids: list[str]) -> list[Row]:
    """The video events among the evidence of an alert, newest first."""
    return database.rows(_VIDEO, {"ids": ids}) if ids else []


def sensors(
    database: Database, present: int, kind: str, state: str, text: str, limit: int = 300
) -> tuple[list[Row], list[Row]]:
    """How many sensors of each kind are well, and those that are asked for; by default those that are not well."""
    at = {"present": present // MILLISECOND}
    wanted = at | {"kind": kind, "state": state, "text": text, "limit": limit}
    return database.rows(_BY_KIND, at), database.rows(_WANTED, wanted)


@dataclass(frozen=True)
class Load:
    """What called for the desk, in tens of minutes: `buckets` for the whole desk by level, `owners` for each unit."""

    starts: list[int]  # ms
    buckets: list[dict[int, int]]
    owners: dict[str, list[int]]
    answers: list[Row] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Most pages in one bucket."""
        return max((sum(bucket.values()) for bucket in self.buckets), default=0)

    @property
    def total(self) -> int:
        """All pages."""
        return sum(sum(bucket.values()) for bucket in self.buckets)

    @property
    def floods(self) -> int:
        """Buckets in which more came than a person can look at."""
        return sum(sum(bucket.values()) > FLOOD for bucket in self.buckets)


def load(database: Database, present: int) -> Load:
    """The load on the desk in the last day."""
    step = BUCKET // MILLISECOND
    last = present // BUCKET * step
    starts = [last - i * step for i in reversed(range(DAY // BUCKET))]
    rows = database.rows(_LOAD, {"bucket": step, "start": starts[0]})
    buckets: dict[int, dict[int, int]] = {start: {} for start in starts}
    owners: dict[str, dict[int, int]] = defaultdict(lambda: dict.fromkeys(starts, 0))
    for row in rows:
        if row["at"] in buckets:
            bucket = buckets[row["at"]]
            bucket[row["level"]] = bucket.get(row["level"], 0) + row["pages"]
            owners[row["desk"]][row["at"]] += row["pages"]
    by_load = sorted(owners.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return Load(
        starts,
        list(buckets.values()),
        {owner: list(counts.values()) for owner, counts in by_load},
        database.rows(_ANSWERS, {"start": starts[0]}),
    )


def feed(database: Database, present: int) -> dict[str, Any]:
    """What comes in: by kind of sensor the newest reading and the readings a minute of an hour; what was refused."""
    start = (present - HOUR) // MILLISECOND
    rates = {row["kind"]: row["minutes"] for row in database.rows(_RATES, {"start": start})}
    kinds = database.rows(_FEED, {"present": present // MILLISECOND})
    for row in kinds:
        row["minutes"] = [(int(at), int(count)) for at, count in rates.get(row["kind"], [])]
    return {
        "kinds": kinds,
        "dead": database.rows(_DEAD),
        "late": database.rows(_LATE, {"start": start})[0]["late"],
    }
