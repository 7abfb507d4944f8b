"""A refused block is taken apart without losing, doubling or changing a row."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SinkError, SinkRefused
from sinks.clickhouse import refused
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.native import Arrays, Column, encode
from sinks.clickhouse.native_read import decode
from sinks.clickhouse.refused import REASON, rows_of, salvage
from tests.sinks.clickhouse.test_native import COLUMNS, as_values


def refusal(code: int = 469) -> SinkRefused:
    """What the client raises for an error of ClickHouse."""
    error = SinkRefused(f"ClickHouse: Code: {code}. DB::Exception: no")
    error.__cause__ = DatabaseError("no", code=code)
    return error


class Server:
    """Refuses every insert that holds one of the bad numbers; knows tokens."""

    def __init__(self, bad: set[int], code: int = 469) -> None:
        self.bad, self.code = bad, code
        self.stored: list[int] = []
        self.tokens: list[str] = []
        self.tries = 0

    def send(self, insert: Insert) -> None:
        """Take one insert or refuse it."""
        self.tries += 1
        rows = [row["n"] for row in rows_of(decode(insert.data), 0, insert.rows)]
        if self.bad & set(rows):
            raise refusal(self.code)
        if insert.token not in self.tokens:
            self.tokens.append(insert.token)
            self.stored += rows


def block(rows: int) -> Insert:
    """Numbered rows of arrays of different lengths."""
    ends = np.cumsum(np.arange(rows) % 3)
    total = int(ends[-1]) if rows else 0
    columns = [
        Column("n", "UInt32", np.arange(rows)),
        Column("ts", "DateTime64(9, 'UTC')", np.arange(rows) + 7),
        Column("name", "LowCardinality(String)", [f"s{n % 4}" for n in range(rows)]),
        Column("value", "Array(Float64)", Arrays(ends, np.arange(total) / 2)),
    ]
    return Insert.of("t", columns, "token")


def by_type(columns: dict[str, list[object]]) -> list[Column]:
    return [Column(f"c{i}", type_, as_values(type_, values)) for i, (type_, values) in enumerate(columns.items())]


@given(columns=COLUMNS)
def test_what_was_encoded_is_read_back(columns: dict[str, list[object]]) -> None:
    """To the last bit, whatever the types."""
    data = encode(by_type(columns))
    assert encode(decode(data)) == data


@given(columns=COLUMNS, data=st.data())
def test_pieces_make_up_the_whole(columns: dict[str, list[object]], data: st.DataObject) -> None:
    """Rows are the same in a piece as in the block."""
    count = len(columns["Bool"])
    cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=3))})
    whole = decode(encode(by_type(columns)))
    pieces = [
        row
        for first, last in pairwise(cuts)
        for row in rows_of(decode(encode([refused.piece(column, first, last) for column in whole])), 0, last - first)
    ]
    assert repr(pieces) == repr(list(rows_of(whole, 0, count)))


@given(rows=st.integers(1, 200), bad=st.sets(st.integers(0, 199), max_size=8))
def test_the_good_are_stored_and_the_bad_are_kept(rows: int, bad: set[int]) -> None:
    """Each row is in one of the two places, also when it is done twice; few bad rows cost few tries."""
    server, insert = Server(bad & set(range(rows)) or {rows - 1}), block(rows)
    dead = salvage(insert, refusal(), server.send)
    assert sorted(server.stored) == sorted(set(range(rows)) - server.bad)
    assert sorted(orjson.loads(letter.payload)["n"] for letter in dead) == sorted(server.bad)
    assert server.tries <= 2 * 8 * len(server.bad)
    assert salvage(insert, refusal(), server.send) == dead
    assert len(server.stored) == rows - len(server.bad)


def test_a_letter_says_what_the_row_was() -> None:
    """Its place, its own time, the server's words, and the row."""
    (letter,) = salvage(block(5), refusal(), Server({4}).send)
    assert (letter.partition, letter.row, letter.recorded, letter.reason) == ("clickhouse/t", -1, 11, REASON)
    assert "Code: 469" in letter.detail
    assert orjson.loads(letter.payload) == {"n": 4, "ts_ns": 11, "name": "s0", "value": [1.5]}
    assert 0 <= letter.offset < 2**63


def test_what_speaks_against_all_rows_is_not_tried_again() -> None:
    """A column that is missing is missing for every row."""
    server = Server({0}, code=16)
    assert len(salvage(block(100), refusal(16), server.send)) == 100
    assert server.tries == 0


def test_there_is_an_end_to_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nearly all rows are bad the rest of the queue need not wait for each of them."""
    monkeypatch.setattr(refused, "TRIES", 20)
    server = Server(set(range(1000)))
    assert len(salvage(block(1000), refusal(), server.send)) == 1000
    assert server.tries <= 22


def test_trouble_on_the_way_comes_through() -> None:
    """What may pass is tried again as a whole."""

    def send(_: Any) -> None:
        raise SinkError("gone")

    with pytest.raises(SinkError, match="gone"):
        salvage(block(4), refusal(), send)
