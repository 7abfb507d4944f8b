"""Numbers are read exactly or not at all."""

from __future__ import annotations

import math
import re
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from operators.decode.decimals import parse_float
from operators.decode.words import text_of

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


@njit(nogil=True)
def kernel(data: np.ndarray) -> tuple[float, int]:
    return parse_float(text_of(data), 0)


def parse(text: str) -> tuple[float, int]:
    return kernel(np.frombuffer(text.encode(), np.uint8))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def plain(value: float) -> bool:
    return value == 0 or 2.3e-308 < abs(value) < math.inf


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".3f", ".9f", "g", ".17g", "e", ".16e"]))
@example(-0.0, "r")
@example(9007199254740993.0, "r")
@example(8.98846567431158e307, "r")
@example(1.7976931348623157e308, "r")
def test_every_way_to_write_a_double_reads_back_bit_for_bit(value: float, style: str) -> None:
    """What gateways print is short, long or in powers of ten; no digit may be lost on the way."""
    text = repr(value) if style == "r" else f"{value:{style}}"
    found, end = parse(text)
    if end < 0:  # left to the careful way: only what is hard
        integer_zero = re.fullmatch("-0", text)
        assert not plain(float(text)) or len(re.sub(r"^[-0.]*|e.*|\.", "", text)) > 18 or integer_zero
    else:
        assert end == len(text)
        assert bits(found) == bits(float(text))


@given(st.from_regex(NUMBER, fullmatch=True))
@example("9007199254740993")
@example("9007199254740992.9999999999")
@example("0.000000000000000000000012345678901234567")
@example("1e23")
@example("8.5e22")
@example("4503599627370497.5")
@example("9223372036854775807")
@example("123456789012345678e-300")
@example("1e-5000")
@example("0e9999")
def test_any_number_text_is_exact_or_left(text: str) -> None:
    """Half-way cases and long digits are where a parser that is nearly right goes wrong."""
    found, end = parse(text)
    if end >= 0:
        assert end == len(text)
        assert bits(found) == bits(float(text))


@pytest.mark.parametrize(
    "text", ["", "-", "+1", ".5", "1.", "-.5", "01", "-01", "00", "1e", "1e+", "1.e5", "NaN", "e5", "/", ":"]
)
def test_what_json_refuses_is_never_a_number(text: str) -> None:
    """The scanner may be stricter than JSON, never more lenient."""
    assert parse(text)[1] < 0


def test_shortest_texts_of_random_doubles_are_all_taken() -> None:
    """Full-precision values are common: they must not fall out of the fast way."""
    rng = np.random.default_rng(7)
    for value in rng.integers(0, 2**63, 5000, np.int64).view(np.float64).tolist() + rng.normal(size=5000).tolist():
        if math.isfinite(value) and plain(value):
            found, end = parse(repr(value))
            assert (bits(found), end) == (bits(value), len(repr(value)))
