"""The fast way: JSON readings and packets from the bytes of a batch to columns, without a Python object in between.

The scanner takes what it understands in full and gives back the whole message otherwise: it refuses nothing itself.
What it takes is equal, bit for bit, to what the careful way makes of the same message.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.clock import MILLISECOND, TS_MAX, TS_MIN
from domain.records import Floats, Int32s, Int64s
from operators.decode.decimals import parse_float, parse_integer
from operators.decode.names import Names, find, names_of
from operators.decode.times import packet_times, parse_rfc3339
from operators.decode.words import Text, address_of, ascii_word, low_bytes, store_float, text_of, trailing_zeros, word

__all__ = ["Rows", "scan"]

_FAIL: Final = -1
_FULL: Final = -2

# Keys with their quotes, and which fields of an object have been seen.
_KEY_SENSOR: Final = ascii_word('"sensor"')
_KEY_VALUE: Final = ascii_word('"value"')
_KEY_TS: Final = ascii_word('"ts"')
_KEY_T0: Final = ascii_word('"t0"')
_KEY_HZ: Final = ascii_word('"hz"')
_KEY_V: Final = ascii_word('"v"')
_OTHER, _SENSOR, _TS, _VALUE, _T0, _HZ, _V = 0, 1, 2, 4, 8, 16, 32
_READING: Final = _SENSOR | _TS | _VALUE
_PACKET: Final = _SENSOR | _T0 | _HZ | _V

_QUOTES: Final = ascii_word('"' * 8)
_BACKSLASHES: Final = ascii_word("\\" * 8)
_ONES: Final = 0x0101010101010101
_SPACES: Final = ascii_word(" " * 8)
_HIGH: Final = -0x7F7F7F7F7F7F7F80

_TRUE: Final = ascii_word("true")
_NULL: Final = ascii_word("null")
_FALSE: Final = ascii_word("false")

_MIN_MS: Final = TS_MIN // MILLISECOND
_MAX_MS: Final = TS_MAX // MILLISECOND


class Rows(NamedTuple):
    """Columns to write rows into."""

    sensor: Int32s
    ts: Int64s
    value: Floats
    message: Int32s

    @classmethod
    def empty(cls, n: int) -> Rows:
        """Room for `n` rows."""
        return cls(np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n), np.empty(n, np.int32))

    def resized(self, used: int, n: int) -> Rows:
        """The first `used` rows in new room for `n`."""
        copy = self.empty(n)
        copy.sensor[:used], copy.ts[:used] = self.sensor[:used], self.ts[:used]
        copy.value[:used], copy.message[:used] = self.value[:used], self.message[:used]
        return copy


class _Values(NamedTuple):
    """Where values are written, by address."""

    address: int
    size: int


@njit(nogil=True, cache=True, forceinline=True)
def _skip(text: Text, p: int) -> int:
    """The first place from `p` on that is not white space."""
    while True:
        c = word(text, p) & 0xFF
        if c > 0x20 or (c != 0x20 and c != 0x0A and c != 0x0D and c != 0x09):
            return p
        p += 1


@njit(nogil=True, cache=True, forceinline=True)
def _string_end(text: Text, p: int) -> int:
    """Where the closing quote of a string stands whose text begins at `p`; -1 when it holds an escape or a control."""
    stop = 0
    while stop == 0:
        w = word(text, p)
        quote, backslash = w ^ _QUOTES, w ^ _BACKSLASHES
        # In each term the lowest high bit is set for the first byte that is zero (below a space in the last).
        stop = (((quote - _ONES) & ~quote) | ((backslash - _ONES) & ~backslash) | ((w - _SPACES) & ~w)) & _HIGH
        p += 8
    p += (trailing_zeros(stop) >> 3) - 8
    return p if word(text, p) & 0xFF == 0x22 else _FAIL


@njit(nogil=True, cache=True)
def _skip_value(text: Text, p: int) -> int:
    """Where a value ends that nobody asked for; -1 for one that is nested, not ASCII or otherwise not plain."""
    w = word(text, p)
    if w & 0xFF == 0x22:
        end = _string_end(text, p + 1)
        for q in range(p + 1, end):
            if word(text, q) & 0x80:
                return _FAIL
        return end + 1 if end >= 0 else _FAIL
    if low_bytes(w, 4) == _TRUE or low_bytes(w, 4) == _NULL:
        return p + 4
    if low_bytes(w, 5) == _FALSE:
        return p + 5
    return parse_float(text, p)[1]


@njit(nogil=True, cache=True, forceinline=True)
def _time(text: Text, p: int) -> tuple[int, int]:
    """Read a time in range, epoch milliseconds or RFC 3339 text, at `p`; return ns and where it ends, or -1."""
    if word(text, p) & 0xFF == 0x22:
        ts, p = parse_rfc3339(text, p + 1)
        if p < 0 or word(text, p) & 0xFF != 0x22:
            return 0, _FAIL
        return ts, p + 1
    ms, p = parse_integer(text, p)
    if ms < _MIN_MS or ms >= _MAX_MS:
        return 0, _FAIL
    return ms * MILLISECOND, p


@njit(nogil=True, cache=True, forceinline=True)
def _samples(text: Text, p: int, values: _Values, row: int) -> tuple[int, int]:
    """Read an array of numbers at `p` into values from `row` on; return where it ends and the row after the last."""
    if word(text, p) & 0xFF != 0x5B:  # [
        return _FAIL, row
    c = 0x2C
    while c == 0x2C:
        p = _skip(text, p + 1)
        if row == values.size:
            return _FULL, row
        value, p = parse_float(text, p)
        if p < 0:
            return _FAIL, row
        store_float(values.address + 8 * row, value)
        row += 1
        p = _skip(text, p)
        c = word(text, p) & 0xFF
    return p + 1 if c == 0x5D else _FAIL, row


class _Record(NamedTuple):
    """One reading or packet: where its text ends (_FAIL: not plain, _FULL: no room) and the row after its last."""

    end: int
    stop: int
    sensor: int
    ts: int
    hz: float  # NaN of a reading


@njit(nogil=True, cache=True, forceinline=True)
def _refused(end: int) -> _Record:
    return _Record(end, 0, -1, 0, np.nan)


@njit(nogil=True, cache=True)
def _record(text: Text, p: int, names: Names, values: _Values, row: int) -> _Record:
    """Read one reading or packet at `p`, its values into `values` from `row` on."""
    if word(text, p) & 0xFF != 0x7B:  # {
        return _refused(_FAIL)
    seen = 0
    sensor, ts, hz, stop = -1, 0, np.nan, row
    c = 0x2C
    while c == 0x2C:
        p = _skip(text, p + 1)
        key = word(text, p)
        if key == _KEY_SENSOR:
            field, p = _SENSOR, p + 8
        elif low_bytes(key, 7) == _KEY_VALUE:
            field, p = _VALUE, p + 7
        elif low_bytes(key, 4) == _KEY_TS:
            field, p = _TS, p + 4
        elif low_bytes(key, 3) == _KEY_V:
            field, p = _V, p + 3
        elif low_bytes(key, 4) == _KEY_T0:
            field, p = _T0, p + 4
        elif low_bytes(key, 4) == _KEY_HZ:
            field, p = _HZ, p + 4
        else:
            field, p = _OTHER, _skip_value(text, p) if key & 0xFF == 0x22 else _FAIL
            if p < 0:
                return _refused(_FAIL)
        if seen & field:
            return _refused(_FAIL)
        seen |= field
        p = _skip(text, p)
        if word(text, p) & 0xFF != 0x3A:  # :
            return _refused(_FAIL)
        p = _skip(text, p + 1)
        if field == _SENSOR:
            end = _string_end(text, p + 1) if word(text, p) & 0xFF == 0x22 else _FAIL
            if end >= 0:
                sensor = find(names, text, p + 1, end - p - 1)
            p = end + 1 if sensor >= 0 else _FAIL
        elif field in (_TS, _T0):
            ts, p = _time(text, p)
        elif field == _VALUE:
            if row == values.size:
                return _refused(_FULL)
            value, p = parse_float(text, p)
            store_float(values.address + 8 * row, value)
            stop = row + 1
        elif field == _V:
            p, stop = _samples(text, p, values, row)
        elif field == _HZ:
            hz, p = parse_float(text, p)
        else:
            p = _skip_value(text, p)
        if p < 0:
            return _refused(p)
        p = _skip(text, p)
        c = word(text, p) & 0xFF
    if c != 0x7D or (seen != _READING and seen != _PACKET):  # }
        return _refused(_FAIL)
    return _Record(p + 1, stop, sensor, ts, hz)


@njit(nogil=True, cache=True)
def scan(
    data: npt.NDArray[np.uint8],
    start: Int64s,
    end: Int64s,
    longest: int,
    table: Int64s,
    rows: Rows,
    careful: npt.NDArray[np.bool_],
    message: int,
    row: int,
) -> tuple[int, int]:
    """Scan messages from `message` on into rows from `row` on, until the messages or the rows end.

    Marks in `careful` the messages that it leaves to the careful way, among them those over `longest` bytes. Returns
    the next message and the next row: when messages are left, call again with more room.

    Text may be read past the end of a message (never of the buffer): a message counts only if it ends where it should.
    """
    sensor, ts, of = rows.sensor, rows.ts, rows.message
    values = _Values(address_of(rows.value), len(rows.value))
    text, names = text_of(data), names_of(table)
    while message < len(start):
        first, p, stop = row, start[message], end[message]
        if stop - p <= longest:
            p = _skip(text, p)
            many = word(text, p) & 0xFF == 0x5B  # [
            c = 0x2C
            while c == 0x2C:
                record = _record(text, _skip(text, p + 1) if many else p, names, values, row)
                p, c = record.end, 0
                if p == _FULL:
                    return message, first
                if p < 0:
                    break
                if np.isnan(record.hz):
                    ts[row] = record.ts
                elif not packet_times(ts, row, record.stop, record.ts, record.hz):
                    p = _FAIL
                    break
                for i in range(row, record.stop):
                    sensor[i] = record.sensor
                row = record.stop
                if many:
                    p = _skip(text, p)
                    c = word(text, p) & 0xFF
                    if c == 0x5D:  # ]
                        p += 1
                    elif c != 0x2C:
                        p = _FAIL
            if p >= 0 and p < stop:
                p = min(_skip(text, p), stop)
        careful[message] = p != stop
        if p != stop:
            row = first
        for i in range(first, row):
            of[i] = message
        message += 1
    return message, row
