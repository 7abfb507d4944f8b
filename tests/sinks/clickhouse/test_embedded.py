"""How blocks are stored: the same bits come back, and a city's own server is left as it is."""

from __future__ import annotations

import struct

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.clickhouse import schema
from sinks.clickhouse.embedded import NUMBERS
from sinks.clickhouse.schema import ensure_schema

#: Gauges' readings, of two decimals, beside everything that a float can be.
FLOATS = st.one_of(st.integers(-(10**7), 10**7).map(lambda number: number / 100), st.floats(allow_nan=False))


def codecs(client: Client, table: str) -> dict[str, str]:
    """The codec of each column of numbers."""
    rows = client.query(
        f"SELECT name, compression_codec FROM system.columns WHERE database = currentDatabase() AND table = '{table}' "
        "AND type LIKE '%Float64%'"
    ).result_rows
    return {str(name): str(codec) for name, codec in rows}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(FLOATS, min_size=1, max_size=3000))
def test_the_same_bits_come_back(client: Client, values: list[float]) -> None:
    """Of negative zero, of the smallest and of infinity, too; after parts were merged as well."""
    client.command("TRUNCATE TABLE readings_packed")
    for first, last in ((0, len(values) // 2), (len(values) // 2, len(values))):
        if first < last:
            row = ["s", first, [0] * (last - first), values[first:last]]  # equal rows would count as a repeat
            client.insert("readings_packed", [row], ["sensor", "pane", "ts", "value"])
    client.command("OPTIMIZE TABLE readings_packed FINAL")
    bits = client.command("SELECT arraySort(groupArray(reinterpretAsUInt64(value))) FROM readings")
    sent = sorted(int.from_bytes(struct.pack("<d", value), "little") for value in values)
    assert [int(bit) for bit in str(bits).strip("[]").split(",")] == sent


def test_by_alp_where_the_engine_is_ours(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """New databases and old ones; what an old one holds can be read as before."""
    if isinstance(empty, HttpClient):
        pytest.skip("LIFELINE_TEST_CLICKHOUSE names a server: there is no embedded engine in this run")
    with monkeypatch.context() as before:
        before.setattr(schema, "adapt", lambda client, tables: None)
        ensure_schema(empty)
    empty.insert("readings_packed", [["s", 0, [0], [1.25]]], ["sensor", "pane", "ts", "value"])
    assert codecs(empty, "readings_packed") == {"value": "CODEC(ZSTD(1))"}
    ensure_schema(empty)
    assert codecs(empty, "readings_packed") == {"value": NUMBERS}
    for table in ("aggregates_1s_stored", "aggregates_1m_stored", "aggregates_1h_stored"):
        assert set(codecs(empty, table).values()) == {NUMBERS}
    assert empty.command("SELECT value FROM readings") == "1.25"


def test_new_parts_have_few_files(empty: Client) -> None:
    """However large they are; a merge gives large ones a file for each column, and all rows are still there."""
    if isinstance(empty, HttpClient):
        pytest.skip("LIFELINE_TEST_CLICKHOUSE names a server: there is no embedded engine in this run")
    ensure_schema(empty)
    for pane in range(2):
        empty.command(
            f"INSERT INTO readings_packed SELECT toString(number), {pane}, [number], [rand64()] FROM numbers(400_000) "
            "SETTINGS async_insert = 0"
        )
    parts = f"SELECT DISTINCT part_type FROM system.parts WHERE database = '{empty.database}' AND active"
    assert empty.command(f"{parts} AND table = 'readings_packed'") == "Compact"
    empty.command("OPTIMIZE TABLE readings_packed FINAL")
    assert empty.command(f"{parts} AND table = 'readings_packed'") == "Wide"
    assert empty.command("SELECT count() FROM readings") == 800_000


def test_a_server_is_left_as_it_is(writer: Client) -> None:
    """What answers over HTTP may be of any version, and go back to an older one."""
    database, writer.database = writer.database, f"{writer.database}_http"
    try:
        ensure_schema(writer)
        assert codecs(writer, "readings_packed") == {"value": "CODEC(ZSTD(1))"}
    finally:
        writer.command(f"DROP DATABASE IF EXISTS {writer.database}", use_database=False)
        writer.database = database
