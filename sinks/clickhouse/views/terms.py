"""What several views say, as SQL."""

from __future__ import annotations

from typing import Final

from domain.clock import MILLISECOND, MINUTE

__all__ = ["NOW", "OWN_KINDS", "POINTS", "STANDING", "ZONE", "day", "floor", "known", "table_of_hours"]

_NAMED: Final = "ifNull((SELECT any(timezone) FROM city FINAL), '')"

#: The city's time zone; a constant, as the functions of time want it.
ZONE: Final = f"if({_NAMED} = '', 'UTC', {_NAMED})"

#: The city's clock; NULL before the first reading.
NOW: Final = "(SELECT maxOrNull(last_seen) FROM sensor_last_seen)"

#: Of alerts: those that were withdrawn never were any.
STANDING: Final = "last_event != 'withdrawn'"

#: Kinds of alerts that speak of the sensors or the feed, not of the city.
OWN_KINDS: Final = "('sensor-fault', 'operations')"

#: What an alert takes from an index of 100 on each day on which it is active: 20 at level 1, 10, 5, ...
POINTS: Final = "40 / exp2(level)"


def day(column: str) -> str:
    """The city's day that a time lies in."""
    return f"toDate({column}, {ZONE})"


def floor(column: str, period: int) -> str:
    """The start of the period, in ns, that a time lies in; in 64-bit arithmetic, as 32-bit seconds end in 2106."""
    ticks = period // MILLISECOND
    return f"fromUnixTimestamp64Milli(intDiv(toUnixTimestamp64Milli({column}), {ticks}) * {ticks}, 'UTC')"


def known(column: str) -> str:
    """A time of which 1970 says that there is none."""
    return f"if(toUnixTimestamp64Milli({column}) > 0, {column}, NULL)"


def table_of_hours() -> str:
    """Hours whose aggregates are stored, and in how many minutes of each anything was heard."""
    start = floor("minute", 60 * MINUTE)
    return f"""(
    SELECT {start} AS hour, uniqExact(minute) AS minutes FROM readings_per_minute_stored
    WHERE {start} IN (SELECT start FROM aggregates_1h_stored) GROUP BY hour
)"""
