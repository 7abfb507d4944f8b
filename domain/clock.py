"""Time as Lifeline counts it: whole nanoseconds since 1970-01-01 UTC, in int64."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

__all__ = [
    "DAY",
    "END",
    "HOUR",
    "MILLISECOND",
    "MINUTE",
    "NEVER",
    "SECOND",
    "TS_MAX",
    "TS_MIN",
    "floor_to",
    "iso",
]

MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

#: Before every time: the watermark of a partition that nothing was heard of yet. Room is left to add and subtract
# periods.
NEVER: Final = -(2**62)

#: After every time: how far a stream that is over has come.
END: Final = 2**62

#: Readings outside [TS_MIN, TS_MAX) are refused: 1990-01-01 and 2200-01-01, which both engines can store.
TS_MIN: Final = 631_152_000 * SECOND
TS_MAX: Final = 7_258_118_400 * SECOND


def floor_to(ts: int, period: int) -> int:
    """The start of the period that `ts` lies in, all in nanoseconds.

    >>> floor_to(2_500_000_000, SECOND)
    2000000000
    """
    return ts - ts % period


def iso(ts: int) -> str:
    """A time for people, UTC, to the millisecond.

    >>> iso(1_764_000_000_123_000_000)
    '2025-11-24T16:00:00.123Z'
    """
    if not TS_MIN <= ts < TS_MAX:
        return "never" if ts == NEVER else f"{ts} ns"
    whole = datetime.fromtimestamp(ts // SECOND, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{ts % SECOND // MILLISECOND:03d}Z"
