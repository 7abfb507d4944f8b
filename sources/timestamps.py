"""Columns of written times to nanoseconds UTC.

A pattern is compiled to a few operations that one kernel runs over the bytes of the whole column; patterns with month
names and the like take `datetime.strptime`, cell by cell.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from domain.clock import NEVER, SECOND
from domain.records import Bools, Int64s

__all__ = ["TimeReader"]

Octets = npt.NDArray[np.uint8]

# Operations of a compiled pattern; a literal is its byte, negated.
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND, _FRACTION, _ZONE, _YEAR2 = 1, 2, 3, 4, 5, 6, 7, 8, 9
_SEPARATOR, _MAYBE_SECOND, _MAYBE_FRACTION, _MAYBE_ZONE = 10, 11, 12, 13
_DIRECTIVES: Final = {
    "Y": _YEAR, "m": _MONTH, "d": _DAY, "H": _HOUR, "M": _MINUTE, "S": _SECOND, "f": _FRACTION, "z": _ZONE, "y": _YEAR2,
}  # fmt: skip
#: RFC 3339, with a space for the T, and with seconds, fraction and zone left out where they are.
_RFC3339: Final = (
    _YEAR, -ord("-"), _MONTH, -ord("-"), _DAY, _SEPARATOR, _HOUR, -ord(":"), _MINUTE,
    _MAYBE_SECOND, _MAYBE_FRACTION, _MAYBE_ZONE,
)  # fmt: skip
#: Zone offsets change on a quarter of an hour of local time.
_QUARTER: Final = 900 * SECOND


class TimeReader:
    """Reads one column of one file, in order.

    Parameters
    ----------
    pattern
        A `strptime` format, or empty for RFC 3339 and epoch milliseconds.
    timezone
        IANA name of the clock that wrote times which name no zone. Where that clock is set back, an hour of local time
        comes twice: a time of it is taken as the first of the two unless that would step back behind the time before
        it in the file. A local time that the clock skipped is read as if it had not been set forward yet, so that
        steps stay even.
    rate
        Rows per second where times are too coarse to tell rows apart: equal times in a row are spread by 1 / rate. 0:
        as they stand.
    """

    def __init__(self, pattern: str = "", timezone: str = "UTC", rate: float = 0.0) -> None:
        self._pattern = pattern
        self._program = _compile(pattern) if pattern else np.array(_RFC3339, np.int16)
        self._zone = ZoneInfo(timezone)
        self._utc = timezone == "UTC"
        self._step = SECOND / rate if rate else 0.0
        self._previous = NEVER  # last time read, UTC
        self._written, self._repeats = NEVER, 0  # last time as written, and how often it came since
        self._offsets: dict[int, tuple[int, int]] = {}

    def read(self, cells: pa.StringArray) -> Int64s:
        """Nanoseconds UTC of each cell, `NEVER` where it is not a time.

        >>> ts = TimeReader("%d.%m.%Y %H:%M").read(pa.array(["01.02.2020 00:00", "?"]))
        >>> int(ts[0]), bool(ts[1] == NEVER)
        (1580515200000000000, True)
        """
        ts, zoned = self._parse(cells)
        if not self._utc:
            self._to_utc(ts, zoned)
        if self._step:
            self._spread(ts)
        return ts

    def _parse(self, cells: pa.StringArray) -> tuple[Int64s, Bools]:
        ts = np.full(len(cells), NEVER, np.int64)
        zoned = np.zeros(len(cells), np.bool_)
        if self._program is None:
            for i, cell in enumerate(cells.to_pylist()):
                ts[i], zoned[i] = _strptime(cell, self._pattern)
        elif len(cells):
            bounds = np.frombuffer(cells.buffers()[1], np.int32)[cells.offset : cells.offset + len(cells) + 1]
            text = np.frombuffer(cells.buffers()[2] or b"", np.uint8)
            _scan(text, bounds, self._program, not self._pattern, ts, zoned)
        return ts, zoned

    def _to_utc(self, ts: Int64s, zoned: Bools) -> None:
        local = np.flatnonzero(~zoned & (ts != NEVER))
        quarters, where = np.unique(ts[local] // _QUARTER, return_inverse=True)
        offsets = np.array([self._offset(quarter) for quarter in quarters.tolist()], np.int64).reshape(-1, 2)
        first, second = ts[local] - offsets[where, 0], ts[local] - offsets[where, 1]
        ts[local] = first
        for k in np.flatnonzero(first < second).tolist():  # the hour that comes twice
            i = local[k]
            j = i - 1
            while j >= 0 and ts[j] == NEVER:
                j -= 1
            if first[k] < (ts[j] if j >= 0 else self._previous):
                ts[i] = second[k]
        known = ts[ts != NEVER]
        if len(known):
            self._previous = int(known[-1])

    def _offset(self, quarter: int) -> tuple[int, int]:
        """Nanoseconds that local time is ahead of UTC in a quarter of an hour: the first and the second of two."""
        if quarter not in self._offsets:
            at = datetime(1970, 1, 1) + timedelta(seconds=quarter * 900)
            both = (at.replace(tzinfo=self._zone, fold=fold).utcoffset() for fold in (0, 1))
            first, second = (round(offset.total_seconds()) * SECOND for offset in both if offset is not None)
            self._offsets[quarter] = first, second
        return self._offsets[quarter]

    def _spread(self, ts: Int64s) -> None:
        if not len(ts):
            return
        index = np.arange(len(ts))
        starts = np.empty(len(ts), np.bool_)
        starts[0] = ts[0] != self._written
        starts[1:] = ts[1:] != ts[:-1]
        repeats = index - np.maximum.accumulate(np.where(starts, index, -1 - self._repeats))
        self._written, self._repeats = int(ts[-1]), int(repeats[-1])
        ts += np.where(ts == NEVER, 0, np.rint(repeats * self._step)).astype(np.int64)


def _compile(pattern: str) -> npt.NDArray[np.int16] | None:
    """The pattern as operations of the kernel; None where it needs `strptime`."""
    program: list[int] = []
    letters = iter(pattern.replace("%T", "%H:%M:%S").replace("%F", "%Y-%m-%d"))
    for letter in letters:
        if letter == "%":
            code = _DIRECTIVES.get(next(letters, ""))
            if code is None:
                return None
            program.append(code)
        else:
            program += [-octet for octet in letter.encode()]
    return np.array(program, np.int16)


def _strptime(cell: str | None, pattern: str) -> tuple[int, bool]:
    try:
        at = datetime.strptime(cell or "", pattern)
    except ValueError:
        return NEVER, False
    whole = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = whole - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1_000, at.tzinfo is not None


@njit(nogil=True, cache=True)
def _digits(text: Octets, at: int, stop: int, least: int, most: int) -> tuple[int, int]:
    """The number at `at` and the place after it; the place is -1 when there are fewer digits than `least`."""
    value = 0
    n = 0
    while n < most and at < stop and 48 <= text[at] <= 57:
        value = value * 10 + text[at] - 48
        at += 1
        n += 1
    return (value, at) if n >= least else (0, -1)


@njit(nogil=True, cache=True)
def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar; -1e9 when there is no such day.

    Counted in years that start in March, so that the leap day comes last.
    """
    if month < 1 or month > 12 or day < 1:
        return -1_000_000_000
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (29 if leap else 28) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if day > longest:
        return -1_000_000_000
    y = year - 1 if month < 3 else year
    m = (month + 9) % 12
    return 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719_468


@njit(nogil=True, cache=True)
def _scan(
    text: Octets, bounds: npt.NDArray[np.int32], program: npt.NDArray[np.int16], epoch: bool, ts: Int64s, zoned: Bools
) -> None:
    """Read every cell by the program; cells that do not fit it are left as they are."""
    for row in range(len(ts)):
        at = int(bounds[row])
        stop = int(bounds[row + 1])
        while at < stop and text[at] <= 32:
            at += 1
        while stop > at and text[stop - 1] <= 32:
            stop -= 1
        if epoch and stop > at:
            number, after = _digits(text, at, stop, 1, 15)
            if after == stop:
                if number < 9_000_000_000_000:
                    ts[row] = number * 1_000_000
                    zoned[row] = True
                continue
        year, month, day, hour, minute, second, fraction, ahead = 1900, 1, 1, 0, 0, 0, 0, 0
        in_zone = False
        for code in program:
            if code < 0:
                at = at + 1 if at < stop and text[at] == -code else -1
            elif code == 1:
                year, at = _digits(text, at, stop, 4, 4)
            elif code == 9:
                year, at = _digits(text, at, stop, 2, 2)
                year += 2000 if year < 69 else 1900
            elif code == 2:
                month, at = _digits(text, at, stop, 1, 2)
            elif code == 3:
                day, at = _digits(text, at, stop, 1, 2)
            elif code == 4:
                hour, at = _digits(text, at, stop, 1, 2)
            elif code == 5:
                minute, at = _digits(text, at, stop, 1, 2)
            elif code == 6:
                second, at = _digits(text, at, stop, 1, 2)
            elif code == 10:
                at = at + 1 if at < stop and (text[at] == 32 or text[at] | 32 == 116) else -1
            elif code == 11:
                if at < stop and text[at] == 58:
                    second, at = _digits(text, at + 1, stop, 2, 2)
            elif code == 7 or (code == 12 and at < stop and text[at] == 46):
                begin = at + 1 if code == 12 else at
                fraction, at = _digits(text, begin, stop, 1, 9)
                for _ in range(at - begin, 9):
                    fraction *= 10
            elif code == 8 or (code == 13 and at < stop):
                if at < stop and text[at] | 32 == 122:
                    at += 1
                elif at < stop and (text[at] == 43 or text[at] == 45):
                    sign = 1 if text[at] == 43 else -1
                    hours, at = _digits(text, at + 1, stop, 2, 2)
                    if at > 0 and at < stop and text[at] == 58:
                        at += 1
                    minutes, at = _digits(text, at, stop, 2, 2) if at > 0 else (0, -1)
                    ahead = sign * (hours * 3600 + minutes * 60)
                    if hours > 23 or minutes > 59:
                        at = -1
                else:
                    at = -1
                in_zone = True
            if at < 0:
                break
        days = _days(year, month, day)
        if at != stop or days < -106_000 or days > 106_000 or hour > 23 or minute > 59 or second > 60:
            continue
        ts[row] = (days * 86_400 + hour * 3600 + minute * 60 + second - ahead) * 1_000_000_000 + fraction
        zoned[row] = in_zone
