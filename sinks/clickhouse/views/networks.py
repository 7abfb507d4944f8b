"""Views of what the city's networks carry: water, gas where it gathers, and the state of bridges."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views.terms import OWN_KINDS, POINTS, ZONE, day, known, table_of_hours

__all__ = ["VIEWS"]

#: What a flow of one unit is in m3/h.
_M3H: Final = "multiIf(unit = 'm3/h', 1, unit = 'l/s', 3.6, unit = 'm3/s', 3600, unit = 'l/min', 0.06, NULL)"

_BALANCE: Final = f"""
CREATE VIEW water_balance AS
SELECT
    start AS hour, zone, any(name) AS zone_name, ifNull(sumIf(volume, kind = 'flow'), 0) AS inflow_m3,
    ifNull(sumIf(volume, kind = 'outflow'), 0) AS outflow_m3, sumIf(volume, kind = 'consumption') AS consumption_m3,
    sumIf(volume, kind = 'drain-flow') AS drained_m3, inflow_m3 - outflow_m3 AS supplied_m3,
    supplied_m3 - consumption_m3 AS lost_m3, lost_m3 / nullIf(supplied_m3, 0) AS lost_share
FROM (
    SELECT start, kind, zone, zone_name AS name, mean * {_M3H} * minutes / 60 AS volume
    FROM aggregates_1h AS flows INNER JOIN registry ON registry.sensor = flows.sensor
    INNER JOIN {table_of_hours()} AS hours ON hours.hour = flows.start
    WHERE kind IN ('flow', 'outflow', 'consumption', 'drain-flow') AND zone != ''
) GROUP BY start, zone
"""

# At night people draw least, so what flows is most of what leaks: Farley and Trow, Losses in Water Distribution
# Networks, IWA (2003).
_NIGHT: Final = f"""
CREATE VIEW night_flow AS
SELECT
    night, sensor, zone, asset, night_m3h, day_m3h, night_m3h / nullIf(day_m3h, 0) AS night_share,
    if(count(night_m3h) OVER before > 0, median(night_m3h) OVER before, NULL) AS usual_m3h,
    night_m3h - usual_m3h AS rise_m3h
FROM (
    SELECT night, sensor, any(in_zone) AS zone, any(on_asset) AS asset,
        sumIf(weighed, asleep) / nullIf(sumIf(count, asleep), 0) AS night_m3h, sum(weighed) / sum(count) AS day_m3h
    FROM (
        SELECT {day("start")} AS night, flows.sensor AS sensor, zone AS in_zone, asset AS on_asset,
            toHour(start, {ZONE}) IN (2, 3) AS asleep, count, mean * {_M3H} * count AS weighed
        FROM aggregates_1h AS flows INNER JOIN registry ON registry.sensor = flows.sensor WHERE kind = 'flow'
    ) GROUP BY night, sensor
) WINDOW before AS (PARTITION BY sensor ORDER BY night ROWS BETWEEN 14 PRECEDING AND 1 PRECEDING)
"""

_GAS: Final = f"""
CREATE VIEW gas_accumulations AS
SELECT
    toString(found.id) AS finding, found.sensor AS sensor, zone, asset, asset_kind, asset_name, unit, lon, lat, monitor,
    detector, kind_found AS kind, level, onset, known_at AS known, {known("gone")} AS ended,
    dateDiff('second', onset, ended) AS lasted_s, highest, baseline
FROM (
    SELECT id, any(f.sensor) AS sensor, any(f.monitor) AS monitor, any(f.detector) AS detector,
        any(f.kind) AS kind_found, minIf(f.level, f.level > 0) AS level, min(f.onset) AS onset,
        min(f.known) AS known_at, maxIf(f.ts, f.phase = 'end') AS gone, max(f.value) AS highest,
        argMin(f.baseline, f.ts) AS baseline
    FROM findings AS f FINAL WHERE verdict = 'event' AND NOT withdrawn GROUP BY id
) AS found
INNER JOIN registry ON registry.sensor = found.sensor
WHERE registry.kind IN ('gas-lel', 'gas-vol', 'methane')
"""

_STRUCTURES: Final = "('bridge', 'viaduct', 'tunnel', 'slope')"

_BRIDGE_DAYS: Final = f"""
CREATE VIEW bridge_days AS
SELECT
    {day("start")} AS day, asset, any(name) AS asset_name, kind, any(unit) AS unit, uniqExact(hours.sensor) AS sensors,
    sum(count) AS readings, min(low) AS min, sum(hours.mean * count) / sum(count) AS mean, max(high) AS max,
    max(swing) AS greatest_swing, argMax(hours.sensor, swing) AS greatest_swing_at
FROM (
    SELECT start, stored.sensor AS sensor, asset, asset_name AS name, registry.kind AS kind, unit, count, mean,
        stored.min AS low, stored.max AS high,
        max(high) OVER one_day - min(low) OVER one_day AS swing
    FROM aggregates_1h AS stored INNER JOIN registry ON registry.sensor = stored.sensor
    WHERE asset_kind IN {_STRUCTURES}
    WINDOW one_day AS (PARTITION BY stored.sensor, {day("start")})
) AS hours GROUP BY day, asset, kind
"""

_BRIDGE_HEALTH: Final = f"""
CREATE VIEW bridge_health AS
SELECT
    coming.day AS day, coming.asset AS asset, asset_name, zone, owner, sensors, availability,
    faulty_sensors, found.alerts AS alerts, {known("found.last")} AS last_alert,
    nullIf(found.gravest, 0) AS gravest, greatest(0, 100 - found.points) AS score,
    multiIf(
        ifNull(availability, 0) < 0.5, 'unknown', score >= 95, 'A', score >= 85, 'B', score >= 70, 'C', 'D'
    ) AS grade
FROM (
    SELECT day, asset, count() AS sensors, avg(availability) AS availability FROM sensor_days
    WHERE asset IN (SELECT asset FROM registry WHERE asset_kind IN {_STRUCTURES}) GROUP BY day, asset
) AS coming
INNER JOIN (
    SELECT asset, any(asset_name) AS asset_name, any(zone) AS zone, any(owner) AS owner FROM registry GROUP BY asset
) AS things ON things.asset = coming.asset
LEFT JOIN (
    SELECT day, asset, uniqExact(registry.sensor) AS faulty_sensors FROM fault_days
    INNER JOIN registry ON registry.sensor = fault_days.sensor GROUP BY day, asset
) AS faulty ON faulty.day = coming.day AND faulty.asset = coming.asset
LEFT JOIN (
    SELECT day, asset, count() AS alerts, min(level) AS gravest, max(raised) AS last, sum({POINTS}) AS points
    FROM alert_days WHERE kind NOT IN {OWN_KINDS} AND ifNull(judged, '') != 'false'
    GROUP BY day, asset
) AS found ON found.day = coming.day AND found.asset = coming.asset
"""

VIEWS: Final = (_BALANCE, _NIGHT, _GAS, _BRIDGE_DAYS, _BRIDGE_HEALTH)
