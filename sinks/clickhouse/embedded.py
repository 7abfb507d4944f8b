"""How the embedded engine stores blocks otherwise than a city's own server: numbers with ALP, new parts in few files.

ALP (Afroozeh, Kuffó and Boncz: ALP: Adaptive Lossless floating-Point Compression, SIGMOD 2023) is lossless, bit by bit,
and takes half the time of ZSTD and two thirds of its room. ClickHouse counts it as beta and old servers lack it: so it
is for the engine that comes with this project, in a version that its tests have seen, while a city's own servers keep
what every version of theirs reads.

A new part has one file for all columns (a compact part), until merging makes a larger one with a file for each: most of
what a small insert costs is the making of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from clickhouse_connect.driver.client import Client

from sinks.clickhouse.client import embedded

__all__ = ["NUMBERS", "adapt"]

#: How new rows of numbers are stored in an embedded database; those that are there stay as they are.
NUMBERS: Final = "CODEC(ALP, LZ4)"


def adapt(client: Client, tables: Sequence[str]) -> None:
    """From now on store the blocks of these tables so, where the client's engine is the embedded one."""
    if not embedded(client):
        return
    names = ", ".join(f"'{table}'" for table in tables)
    numbers = client.query(
        "SELECT table, name, type FROM system.columns "
        f"WHERE database = currentDatabase() AND table IN ({names}) AND type LIKE '%Float64%' "
        "AND compression_codec = 'CODEC(ZSTD(1))' ORDER BY table, position"
    ).result_rows
    for table, columns in groupby(numbers, key=lambda row: row[0]):
        changes = ", ".join(f"MODIFY COLUMN {name} {type_} {NUMBERS}" for _, name, type_ in columns)
        client.command(f"ALTER TABLE {table} {changes} SETTINGS enable_alp_codec = 1")
    wide = client.query(
        f"SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN ({names}) "
        "AND create_table_query NOT LIKE '%min_level_for_wide_part%' ORDER BY name"
    ).result_rows
    for (table,) in wide:
        client.command(f"ALTER TABLE {table} MODIFY SETTING min_level_for_wide_part = 1")
