"""What a run has stored, row by row."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path

from sinks.clickhouse.client import connect
from sinks.clickhouse.read import STORED

__all__ = ["Tables", "chdb", "compared", "differences", "tables"]

#: Sorted rows by table.
Tables = dict[str, list[str]]

#: Their rows are recognised by their key when they come again; the others by the token of their block.
_REPLACING = {
    "findings",
    "alert_events",
    "video_events",
    "late_rows",
    "dead_letters",
    "operator_actions",
    "reports",
    "commands",
}


def chdb(folder: Path, database: str = "lifeline") -> str:
    """The DSN of an embedded database."""
    return f"chdb://{folder}?database={database}"


def tables(dsn: str) -> Tables:
    """Every table that must not depend on how a run went."""
    client = connect(dsn)
    try:
        return {
            table: client.raw_query(
                f"SELECT * FROM {table}{' FINAL' if table in _REPLACING else ''} ORDER BY ALL", fmt="TabSeparated"
            )
            .decode(errors="backslashreplace")
            .split("\n")[:-1]
            for table in chain(STORED, ["readings_per_minute", "sensor_last_seen FINAL"])
        }
    finally:
        client.close()


def compared(found: Tables, expected: Tables) -> dict[str, tuple[list[str], list[str]]]:
    """By table the rows that are missing and those that are too many; only tables that differ."""
    said = {}
    for table in sorted(found.keys() | expected.keys()):
        have, want = Counter(found.get(table, ())), Counter(expected.get(table, ()))
        missing, extra = sorted((want - have).elements()), sorted((have - want).elements())
        if missing or extra:
            said[table] = missing, extra
    return said


def differences(found: Tables, expected: Tables) -> dict[str, str]:
    """The same in words: empty where all rows are the same."""
    return {
        table: f"{len(missing)} rows missing: {missing[:3]}, {len(extra)} too much: {extra[:3]}"
        for table, (missing, extra) in compared(found, expected).items()
    }
