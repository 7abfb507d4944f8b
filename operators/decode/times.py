"""Times on the wire: RFC 3339 text, and the times of a packet's rows."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import SECOND, TS_MAX, TS_MIN
from domain.records import Int64s
from operators.decode.decimals import parse_digits
from operators.decode.words import Text, text_of, word

__all__ = ["MAX_HZ", "packet_times", "parse_rfc3339", "rfc3339"]

#: A packet's rows are at least a nanosecond apart.
MAX_HZ: Final = 1e9

_MONTH_DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_FRACTION: Final = np.array([10 ** (9 - k) for k in range(10)], np.int64)


@njit(nogil=True, cache=True)
def packet_times(ts: Int64s, first: int, stop: int, t0: int, hz: float) -> bool:
    """Write the times of a packet's rows to `ts[first:stop]`; return False for a bad rate or a row out of range.

    Row i is at `t0 + rint(i * 1e9 / hz)` ns: one product and one quotient of doubles (the product is exact), rounded
    half to even.
    """
    if not (hz > 0.0 and hz <= MAX_HZ):
        return False
    n = stop - first
    last = np.rint((n - 1) * 1e9 / hz)
    if last > 9e18 or np.int64(last) >= TS_MAX - t0:
        return False
    period = np.int64(1e9 / hz)
    if period * hz == 1e9 and n < 1 << 32:  # the quotients are whole: no division
        for i in range(n):
            ts[first + i] = t0 + i * period
    else:
        for i in range(n):
            ts[first + i] = t0 + np.int64(np.rint(i * 1e9 / hz))
    return True


@njit(nogil=True, cache=True, forceinline=True)
def _two(text: Text, p: int) -> int:
    """The two digits at `p` as a number, 100 or more when they are none."""
    pair = word(text, p)
    tens, ones = (pair & 0xFF) - 0x30, ((pair >> 8) & 0xFF) - 0x30
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else 100


@njit(nogil=True, cache=True)
def parse_rfc3339(text: Text, p: int) -> tuple[int, int]:
    """Read a time such as `2025-11-24T16:00:00.123+08:00` at `p`; return ns and where it ends, or -1 for the end.

    A space may stand for the T; the offset must be there; digits beyond nanoseconds are cut off; a leap second is
    refused, and a time out of range, too.
    """
    century, years, month, day = _two(text, p), _two(text, p + 2), _two(text, p + 5), _two(text, p + 8)
    hour, minute, second = _two(text, p + 11), _two(text, p + 14), _two(text, p + 17)
    date, clock = word(text, p + 3), word(text, p + 10)
    between = (clock & 0xFF) | 0x20
    if (date >> 8) & 0xFF != 0x2D or (date >> 32) & 0xFF != 0x2D or (between != 0x74 and clock & 0xFF != 0x20):
        return 0, -1
    if (clock >> 24) & 0xFF != 0x3A or (clock >> 48) & 0xFF != 0x3A:
        return 0, -1
    if max(century, years) > 99 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return 0, -1
    year = century * 100 + years
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_DAYS[month - 1] + (month == 2 and leap) or year < 1900 or year > 2200:
        return 0, -1
    # Days since 1970, counted in years that begin in March.
    shifted = year - (month <= 2)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + of_year - 719468
    ts = (((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND
    p += 19
    if word(text, p) & 0xFF == 0x2E:  # .
        p += 1
        fraction, n = parse_digits(text, p, 0)
        if n == 0:
            return 0, -1
        p += n
        if n == 8:
            ninth = (word(text, p) & 0xFF) - 0x30
            if 0 <= ninth <= 9:
                fraction = fraction * 10 + ninth
                n = 9
            while 0 <= (word(text, p) & 0xFF) - 0x30 <= 9:
                p += 1
        ts += fraction * _FRACTION[n]
    zone = word(text, p)
    sign = zone & 0xFF
    if sign | 0x20 == 0x7A:  # Z
        p += 1
    else:
        hours, minutes = _two(text, p + 1), _two(text, p + 4)
        if (sign != 0x2B and sign != 0x2D) or (zone >> 24) & 0xFF != 0x3A or hours > 23 or minutes > 59:
            return 0, -1
        offset = (hours * 60 + minutes) * 60 * SECOND
        ts += offset if sign == 0x2D else -offset
        p += 6
    return (ts, p) if TS_MIN <= ts < TS_MAX else (0, -1)


@njit(nogil=True, cache=True)
def _whole_rfc3339(data: npt.NDArray[np.uint8]) -> tuple[int, bool]:
    ts, end = parse_rfc3339(text_of(data), 0)
    return ts, end == len(data)


def rfc3339(text: str) -> int | None:
    """Nanoseconds of a time in RFC 3339 that lies in range; None for any other text.

    >>> rfc3339("2025-11-25T00:00:00.123+08:00")
    1764000000123000000
    >>> rfc3339("2025-11-25 00:00:00") is None
    True
    """
    ts, whole = _whole_rfc3339(np.frombuffer(text.encode(errors="replace"), np.uint8))
    return int(ts) if whole else None
