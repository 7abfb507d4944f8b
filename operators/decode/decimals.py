"""Decimal text to the nearest double, exactly as a correct `float(text)` would, eight digits at a time.

Sources: the exact case of one rounding is W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990;
the general case is D. Lemire, "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (2021).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit, types

from operators.decode.words import Text, intrinsic, leading_zeros, mul_high, trailing_zeros, word

__all__ = ["parse_digits", "parse_float", "parse_integer"]

_ZEROS: Final = 0x3030303030303030
_TO_HIGH: Final = 0x7676767676767676  # carries 10 and above into a byte's high bit
_HIGH: Final = -0x7F7F7F7F7F7F7F80  # 0x80 in every byte
_PAIRS: Final = 0x00FF00FF00FF00FF
_QUADS: Final = 0x0000FFFF0000FFFF

_POW10: Final = np.array([10**k for k in range(9)], np.int64)
_ROOM: Final = np.array([(2**63 - 1) // 10**k - 1 for k in range(9)], np.int64)  # may be followed by k more digits
_EXACT_POW10: Final = np.array([10.0**k for k in range(23)])
_EXACT_MANTISSA: Final = 2**53

_MIN_POWER: Final = -342
_MAX_POWER: Final = 308


def _powers_of_five() -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The leading 128 bits of 5**q, rounded down for q >= 0 and up below, as (high, low). Shape (651, 2)."""
    table = np.empty((_MAX_POWER - _MIN_POWER + 1, 2), np.uint64)
    for q in range(_MIN_POWER, _MAX_POWER + 1):
        five = 5 ** abs(q)
        if q >= 0:
            shift = 128 - five.bit_length()
            leading = five << shift if shift >= 0 else five >> -shift
        else:
            leading = (1 << (five.bit_length() + 127)) // five + 1
        table[q - _MIN_POWER] = leading >> 64, leading & (2**64 - 1)
    return table


_POW5: Final = _powers_of_five()

_ALL_ONES: Final = np.uint64(2**64 - 1)
_LOW_9_BITS: Final = np.uint64(0x1FF)
_FRACTION: Final = np.uint64(2**52 - 1)
_OVERFLOW: Final = np.uint64(2**53)
_U1: Final = np.uint64(1)
_U3: Final = np.uint64(3)


@intrinsic
def _double(typing_context: Any, bits: Any) -> Any:
    """The double that has these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.uint64), generate


@njit(nogil=True, cache=True)
def _nearest(mantissa: int, power: int) -> float:
    """`mantissa * 10**power` rounded to the nearest double, for mantissa > 0; NaN where another method must decide."""
    if power < _MIN_POWER or power > _MAX_POWER:
        return np.nan
    zeros = leading_zeros(np.uint64(mantissa))
    shifted = np.uint64(mantissa) << np.uint64(zeros)
    q = power - _MIN_POWER
    high = mul_high(shifted, _POW5[q, 0])
    low = shifted * _POW5[q, 0]
    if high & _LOW_9_BITS == _LOW_9_BITS:  # the bits cut off so far may carry
        more = mul_high(shifted, _POW5[q, 1])
        low += more
        if low < more:
            high += _U1
    if low == _ALL_ONES and (power < -27 or power > 55):
        return np.nan
    top = high >> np.uint64(63)
    shift = top + np.uint64(9)
    bits = high >> shift  # 54 bits: one more than a double holds
    exponent = ((217706 * power) >> 16) + 1086 + np.int64(top) - zeros
    if exponent <= 0:  # subnormal
        return np.nan
    if low <= _U1 and power >= -4 and power <= 23 and bits & _U3 == _U1 and bits << shift == high:
        bits -= _U1  # exactly half way: to even
    bits = (bits + (bits & _U1)) >> _U1
    if bits >= _OVERFLOW:
        bits >>= _U1
        exponent += 1
    if exponent >= 2047:
        return np.nan
    value: float = _double((bits & _FRACTION) | (np.uint64(exponent) << np.uint64(52)))
    return value


@njit(nogil=True, cache=True, forceinline=True)
def parse_digits(text: Text, p: int, before: int) -> tuple[int, int]:
    """Read up to eight digits that continue the number `before`; return the number and how many there were.

    The number is -1 when it would not fit an int64.
    """
    digits = word(text, p) ^ _ZEROS
    n = trailing_zeros(((digits + _TO_HIGH) | digits) & _HIGH) >> 3
    if n == 0:
        return before, 0
    digits <<= 64 - 8 * n  # the missing leading digits are zeros
    digits = (digits * 2561) >> 8
    digits = ((digits & _PAIRS) * 6553601) >> 16
    digits = ((digits & _QUADS) * 42949672960001) >> 32
    if before > _ROOM[n]:
        return -1, n
    return before * _POW10[n] + digits, n


@njit(nogil=True, cache=True, forceinline=True)
def parse_integer(text: Text, p: int) -> tuple[int, int]:
    """Read an unsigned JSON integer at `p`; return it and where it ends, or -1 for the end when this cannot be done."""
    value, n = parse_digits(text, p, 0)
    if n == 0 or (n > 1 and word(text, p) & 0xFF == 0x30):
        return 0, -1
    p += n
    while n == 8:
        value, n = parse_digits(text, p, value)
        if value < 0:
            return 0, -1
        p += n
    return value, p


@njit(nogil=True, cache=True, forceinline=True)
def parse_float(text: Text, p: int) -> tuple[float, int]:
    """Read a JSON number at `p`; return it and where it ends.

    The end is -1 when there is no number, or one that needs the careful way: an integer -0, more than 18 or 19 digits,
    a subnormal or infinite result. What follows the number is for the caller to judge.
    """
    negative = word(text, p) & 0xFF == 0x2D
    if negative:
        p += 1
    mantissa, p = parse_integer(text, p)
    if p < 0:
        return 0.0, -1
    power = 0
    following = word(text, p) & 0xFF
    if following == 0x2E:  # .
        p += 1
        mantissa, n = parse_digits(text, p, mantissa)
        if n == 0 or mantissa < 0:
            return 0.0, -1
        p += n
        power = -n
        while n == 8:
            mantissa, n = parse_digits(text, p, mantissa)
            if mantissa < 0:
                return 0.0, -1
            p += n
            power -= n
        following = word(text, p) & 0xFF
    elif negative and mantissa == 0:
        return 0.0, -1
    if following | 0x20 == 0x65:  # e or E
        sign = word(text, p + 1) & 0xFF
        p += 2 if sign == 0x2B or sign == 0x2D else 1
        exponent, n = parse_digits(text, p, 0)
        if n == 0 or n > 4:
            return 0.0, -1
        p += n
        power += -exponent if sign == 0x2D else exponent
    if mantissa == 0:
        value = 0.0
    elif mantissa <= _EXACT_MANTISSA and power >= -22 and power <= 22:
        value = mantissa / _EXACT_POW10[-power] if power < 0 else mantissa * _EXACT_POW10[power]
    else:
        value = _nearest(mantissa, power)
        if np.isnan(value):
            return 0.0, -1
    return -value if negative else value, p
