"""clickhouse-connect at the interface of an embedded engine: every way to read gives what the engine itself gives."""

from __future__ import annotations

from typing import Any

import pytest
from clickhouse_connect.driver import create_client
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

from tests.hour import Hour
from tests.sinks.clickhouse.test_views import NAMES

#: Long enough to come in several parts.
LONG = "SELECT sensor, ts, value FROM readings ORDER BY sensor, ts LIMIT 200000"


def client_of(hour: Hour, **options: Any) -> Client:
    return create_client(host=hour.serving.host, port=hour.serving.port, password="grafana", database="hour", **options)


@pytest.fixture(params=[True, False, "gzip", "zstd", "lz4"], ids=str)
def client(hour: Hour, request: pytest.FixtureRequest) -> Any:
    """A client as BI tools and notebooks make it, by how answers are compressed."""
    client = client_of(hour, compress=request.param)
    yield client
    client.close()


def test_views(hour: Hour, client: Client) -> None:
    """All types that a view has, nullable ones and arrays among them."""
    for name in NAMES:
        query = f"SELECT * FROM {name} ORDER BY ALL"
        here, there = hour.client.query(query), client.query(query)
        assert there.result_rows == here.result_rows, name
        assert there.column_names == here.column_names


def test_long_answers(hour: Hour, client: Client) -> None:
    """In rows, in blocks, and as Arrow."""
    expected = hour.client.query(LONG).result_rows
    assert client.query(LONG).result_rows == expected
    with client.query_row_block_stream(LONG) as stream:
        assert [row for block in stream for row in block] == expected
    table = client.query_arrow(LONG)
    assert table.num_rows == len(expected)
    assert table["value"].to_pylist() == [row[2] for row in expected]


def test_parameters_and_what_is_refused(hour: Hour) -> None:
    """Parameters of every kind; a reader may neither write nor change settings, as `readonly = 1` has it."""
    client = client_of(hour)
    try:
        query = "SELECT {name:String}, {some:Array(UInt8)}, {at:DateTime}"
        rows = client.query(query, {"name": "街 'x'", "some": [1, 2], "at": "2025-07-14 00:00:00"}).result_rows
        assert rows[0][:2] == ("街 'x'", [1, 2])
        with pytest.raises(DatabaseError, match="READONLY"):
            client.command("TRUNCATE TABLE city")
        with pytest.raises(ProgrammingError, match="max_threads is readonly"):
            client.query("SELECT 1", settings={"max_threads": 1})
    finally:
        client.close()
