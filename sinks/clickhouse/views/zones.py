"""Views of the city's zones: as they stand, their indices of the day, and their places for shared bicycles."""

from __future__ import annotations

from typing import Final

from sinks.clickhouse.views.terms import OWN_KINDS, POINTS, day

__all__ = ["VIEWS"]

_STATUS: Final = f"""
CREATE VIEW zone_status AS
SELECT
    zone, max(name) AS zone_name, sum(sensor) AS sensors, sum(good) AS good, sum(faulty) AS faulty,
    sum(silent) AS silent, sum(never) AS never, sum(alert) AS open_alerts, min(level) AS gravest,
    multiIf(gravest = 1, 'grave', open_alerts > 0, 'alert', good < 0.9 * sensors, 'blind', 'normal') AS state
FROM (
    SELECT zone, zone_name AS name, 1 AS sensor, state = 'good' AS good, state = 'faulty' AS faulty,
        state = 'silent' AS silent, state = 'never' AS never, 0 AS alert, NULL AS level FROM sensor_latest
    UNION ALL
    SELECT zone, '', 0, 0, 0, 0, 0, 1, level FROM alerts_open WHERE kind NOT IN {OWN_KINDS}
) WHERE zone != '' GROUP BY zone
"""

_INDICES: Final = f"""
CREATE VIEW zone_indices AS
SELECT
    working.day AS day, working.zone AS zone, zone_name, 100 * working.delivered / working.sensors AS construction,
    100 * working.worked AS operation, greatest(0, 100 - found.points) AS health, working.sensors AS sensors,
    found.alerts AS alerts
FROM (
    SELECT day, zone, count() AS sensors, countIf(first_day <= day AND delivering) AS delivered,
        avg(availability * (1 - fault_share)) AS worked
    FROM (
        SELECT coming.day AS day, coming.zone AS zone, availability,
            least(1, ifNull(faulty.seconds, 0) / (60 * minutes)) AS fault_share, begun.first_day AS first_day,
            begun.sensor != '' AS delivering
        FROM sensor_days AS coming
        LEFT JOIN (
            SELECT sensor, {day("min(start)")} AS first_day FROM aggregates_1h_stored GROUP BY sensor
        ) AS begun ON begun.sensor = coming.sensor
        LEFT JOIN (SELECT day, sensor, sum(seconds) AS seconds FROM fault_days GROUP BY day, sensor) AS faulty
            ON faulty.day = coming.day AND faulty.sensor = coming.sensor
    ) WHERE zone != '' GROUP BY day, zone
) AS working
INNER JOIN (SELECT zone, any(zone_name) AS zone_name FROM registry GROUP BY zone) AS names ON names.zone = working.zone
LEFT JOIN (
    SELECT day, zone, count() AS alerts, sum({POINTS}) AS points FROM alert_days
    WHERE kind NOT IN {OWN_KINDS} AND ifNull(judged, '') != 'false' GROUP BY day, zone
) AS found ON found.day = working.day AND found.zone = working.zone
"""

# What is planned is told seldom, and holds until it is told anew.
_PARKING: Final = """
CREATE VIEW bicycle_parking AS
SELECT
    hour, asset, asset_name, zone, owner, parked, most_parked, stray,
    anyLast(told) OVER (PARTITION BY asset ORDER BY hour ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS planned,
    parked / nullIf(planned, 0) AS occupancy, if(planned IS NULL, NULL, greatest(0, most_parked - planned)) AS most_over
FROM (
    SELECT
        start AS hour, asset, any(asset_name) AS asset_name, any(zone) AS zone, any(owner) AS owner,
        avgOrNullIf(mean, kind = 'parked-bicycles') AS parked,
        maxOrNullIf(max, kind = 'parked-bicycles') AS most_parked,
        avgOrNullIf(mean, kind = 'stray-bicycles') AS stray,
        argMaxOrNullIf(last, start, kind = 'planned-places') AS told
    FROM aggregates_1h AS counts INNER JOIN registry ON registry.sensor = counts.sensor
    WHERE kind IN ('parked-bicycles', 'stray-bicycles', 'planned-places') GROUP BY start, asset
)
"""

VIEWS: Final = (_STATUS, _INDICES, _PARKING)
