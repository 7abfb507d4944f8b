"""The kernels that write messages, against what JSON readers make of them."""

from __future__ import annotations

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from simulators.wire import PACKET, RAW, READING, Messages, Templates, encode

NUMBERS = st.integers(-(2**53), 2**53)


def messages(rows: list[tuple[int, int, int, int]]) -> Messages:
    kind, first, count, slot = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Messages(kind.astype(np.uint8), first, count, slot.astype(np.int32), np.zeros(len(rows), np.int64))


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.integers(0, 6), st.integers(0, 10**15))
def test_values_read_back_exactly(numbers: list[int], decimals: int, ts: int) -> None:
    """A reader gets the float nearest to number / 10**decimals, in readings and packets, bit for bit."""
    n = len(numbers)
    rows = [(READING, i, 1, 0) for i in range(n)] + [(PACKET, 0, n, 1)]
    data, start, end = encode(
        messages(rows),
        Templates(["BZ-G-0012", "城-1"], [1, 100]),
        np.full(n, ts, np.int64),
        np.array(numbers, np.int64),
        np.array([decimals, decimals], np.int8),
        b"",
    )
    read = [orjson.loads(data[a:b]) for a, b in zip(start, end, strict=True)]
    want = [number / 10**decimals for number in numbers]
    assert read[:-1] == [{"sensor": "BZ-G-0012", "ts": ts, "value": value} for value in want]
    assert read[-1] == {"sensor": "城-1", "t0": ts, "hz": 100, "v": want}


def test_raw_messages_are_copied_where_they_stand() -> None:
    """Bytes made elsewhere keep their place among the others, empty ones too."""
    rows = [(RAW, 2, 3, 0), (READING, 0, 1, 0), (RAW, 0, 0, 0), (RAW, 0, 2, 0)]
    one = np.array([42], np.int64)
    data, start, end = encode(messages(rows), Templates(["s"], [1]), one, one, np.array([2], np.int8), b"abcde")
    assert [data[a:b] for a, b in zip(start, end, strict=True)] == [
        b"cde",
        b'{"sensor":"s","ts":42,"value":0.42}',
        b"",
        b"ab",
    ]
