"""Views of the sensors: what they said last, and how much of what was expected has come."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views.terms import NOW, ZONE, day, table_of_hours

__all__ = ["VIEWS"]

# That `start` is said twice spares the partitions of other days.
_LATEST: Final = f"""
CREATE VIEW sensor_latest AS
SELECT
    sensor, kind, unit, zone, zone_name, asset, asset_kind, asset_name, owner, lon, lat,
    if(seen, at, NULL) AS last_seen, if(seen, latest.value, NULL) AS value,
    if(seen, dateDiff('second', at, {NOW}), NULL) AS age_s, open_faults,
    multiIf(
        NOT seen, 'never', age_s > greatest(60, 10 / rate), 'silent', notEmpty(open_faults), 'faulty', 'good'
    ) AS state
FROM (
    SELECT * EXCEPT last_seen, sensor_health.last_seen AS at, toUnixTimestamp64Milli(at) > 0 AS seen FROM sensor_health
) AS health
LEFT JOIN (
    SELECT sensor, argMax(last, start) AS value FROM aggregates_1s_stored
    WHERE (sensor, start) IN (SELECT sensor, max(last_seen) FROM sensor_last_seen GROUP BY sensor)
        AND start IN (SELECT max(last_seen) FROM sensor_last_seen GROUP BY sensor) GROUP BY sensor
) AS latest ON latest.sensor = health.sensor
"""

# Expected is what the rate promises for the minutes in which anything at all was heard of the city: a feed that was
# away is no fault of a sensor, nor is a recording that ends in mid-hour.
_AVAILABILITY: Final = f"""
CREATE VIEW sensor_availability AS
SELECT
    hour, registry.sensor AS sensor, kind, zone, asset, toUInt64(got.count) AS readings,
    rate * 60 * minutes AS expected,
    if(expected < 1 AND readings = 0, NULL, least(1, readings / greatest(1, expected))) AS availability
FROM {table_of_hours()} AS hours
CROSS JOIN registry
LEFT JOIN (SELECT sensor, start, count FROM aggregates_1h) AS got
    ON got.sensor = registry.sensor AND got.start = hours.hour
"""

# Of days it is computed anew: a sensor's hours are twenty-four times as many rows.
_DAYS: Final = f"""
CREATE VIEW sensor_days AS
SELECT
    heard.day AS day, registry.sensor AS sensor, kind, zone, asset, toUInt64(got.count) AS readings,
    rate * 60 * heard.minutes AS expected, heard.minutes AS minutes,
    if(expected < 1 AND readings = 0, NULL, least(1, readings / greatest(1, expected))) AS availability
FROM (
    SELECT {day("hour")} AS day, sum(hours.minutes) AS minutes FROM {table_of_hours()} AS hours GROUP BY day
) AS heard
CROSS JOIN registry
LEFT JOIN (
    SELECT sensor, {day("start")} AS day, sum(count) AS count FROM aggregates_1h GROUP BY sensor, day
) AS got ON got.sensor = registry.sensor AND got.day = heard.day
"""

_FAULT_DAYS: Final = f"""
CREATE VIEW fault_days AS
SELECT
    addDays(first_day, number) AS day, sensor, reason,
    dateDiff('millisecond',
        greatest(began, toDateTime64(toString(day), 3, {ZONE})),
        least(ended, toDateTime64(toString(addDays(day, 1)), 3, {ZONE}))
    ) / 1000 AS seconds
FROM (
    SELECT id, any(f.sensor) AS sensor, any(f.reason) AS reason, min(onset) AS began,
        assumeNotNull(greatest(began, if(countIf(phase = 'end') > 0, max(ts), {NOW}))) AS ended,
        {day("began")} AS first_day, {day("ended")} AS last_day
    FROM findings AS f FINAL WHERE verdict = 'fault' AND NOT withdrawn GROUP BY id
) ARRAY JOIN range(toUInt32(last_day - first_day) + 1) AS number
"""

VIEWS: Final = (_LATEST, _AVAILABILITY, _DAYS, _FAULT_DAYS)
