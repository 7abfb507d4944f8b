"""How the embedded engine stores numbers: with ALP, which takes half the time of ZSTD and two thirds of its room.

ALP (Afroozeh, Kuffó and Boncz: ALP: Adaptive Lossless floating-Point Compression, SIGMOD 2023) is lossless, bit by bit.
ClickHouse counts it as beta and old servers lack it: so it is for the engine that comes with this project, in a version
that its tests have seen, while a city's own servers keep what every version of theirs reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httpclient import HttpClient

__all__ = ["NUMBERS", "pack_numbers"]

#: How new rows of numbers are stored in an embedded database; those that are there stay as they are.
NUMBERS: Final = "CODEC(ALP, LZ4)"


def pack_numbers(client: Client, tables: Iterable[str]) -> None:
    """From now on, store the numbers of these tables with ALP, where the client's engine is the embedded one."""
    if isinstance(client, HttpClient):
        return
    names = ", ".join(f"'{table}'" for table in tables)
    found = client.query(
        "SELECT table, name, type FROM system.columns "
        f"WHERE database = currentDatabase() AND table IN ({names}) AND type LIKE '%Float64%' "
        "AND compression_codec = 'CODEC(ZSTD(1))' ORDER BY table, position"
    ).result_rows
    for table, columns in groupby(found, key=lambda row: row[0]):
        changes = ", ".join(f"MODIFY COLUMN {name} {type_} {NUMBERS}" for _, name, type_ in columns)
        client.command(f"ALTER TABLE {table} {changes} SETTINGS enable_alp_codec = 1")
