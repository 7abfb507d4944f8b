"""Inserting a million rows: raw Native blocks against clickhouse-connect's column insert, packed against flat.

    python -m perf.clickhouse [--rows 1000000] [--repeats 5]

Both ways end in the embedded engine, in turns; a figure is the median of the ratios of neighbouring runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from clickhouse_connect.driver.client import Client

from domain.clock import SECOND
from domain.records import Panes
from perf.engine import clocked, in_turn, ratio_of
from perf.report import Report, by_itself
from sinks.clickhouse.blocks import Blocks
from sinks.clickhouse.client import connect
from sinks.clickhouse.native import Column, Dictionary, encode
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.sink import Writer

__all__ = ["run"]

FOLDER = Path("build")
SENSORS = 1000
RATE = 10
START = 1_764_000_000 * SECOND


def panes(rows: int) -> Panes:
    """A random walk of every sensor at 10 Hz, rounded as gauges do, in panes of 1 s."""
    seconds = max(rows // (SENSORS * RATE), 1)
    rng = np.random.default_rng(1)
    walk = np.round(np.cumsum(rng.normal(0, 0.05, (seconds * RATE, SENSORS)), axis=0) + 20, 2)
    value = walk.reshape(seconds, RATE, SENSORS).transpose(0, 2, 1).ravel()
    offset = np.arange(RATE) * (SECOND // RATE)
    pane = START + np.arange(seconds) * SECOND
    ts = np.broadcast_to(pane[:, None, None] + offset, (seconds, SENSORS, RATE)).ravel()
    sensor = np.tile(np.repeat(np.arange(SENSORS, dtype=np.int32), RATE), seconds)
    return Panes(
        0,
        SECOND,
        int(pane[-1]) + SECOND,
        0,
        sensor,
        ts,
        value,
        np.arange(0, len(ts) + 1, RATE),
        np.tile(np.arange(SENSORS, dtype=np.int32), seconds),
        np.repeat(pane, SENSORS),
    )


def flat(client: Client, codec: str) -> None:
    """A table with one row a reading."""
    client.command("DROP TABLE IF EXISTS flat")
    client.command(
        "CREATE TABLE flat (sensor LowCardinality(String), ts DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD(1)), "
        f"value Float64 CODEC({codec})) ENGINE = MergeTree ORDER BY (sensor, ts)",
        settings={"enable_alp_codec": 1},
    )


def size(client: Client, table: str) -> int:
    """Bytes of a table on disk."""
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    return int(
        str(
            client.command(
                f"SELECT sum(data_compressed_bytes) FROM system.parts "
                f"WHERE table = '{table}' AND active AND database = currentDatabase()"
            )
        )
    )


def run(report: Report, rows: int = 1_000_000, repeats: int = 5) -> None:
    """Add rows per second of each way, and its ratio to clickhouse-connect's column insert; and bytes a reading."""
    names = [f"BZ-G-{i:04d}" for i in range(SENSORS)]
    data = panes(rows)
    rows = len(data)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="clickhouse-") as directory:
        client = connect(f"chdb://{Path(directory).absolute()}/db")
        ensure_schema(client)
        flat(client, "ZSTD(1)")
        texts = [names[i] for i in data.sensor]
        ticks = data.ts.tolist()
        settings = {"async_insert": 0}

        def native() -> None:
            columns = [
                Column("sensor", "LowCardinality(String)", Dictionary.select(names, data.sensor)),
                Column("ts", "DateTime64(9, 'UTC')", data.ts),
                Column("value", "Float64", data.value),
            ]
            client.raw_insert("flat", ["sensor", "ts", "value"], encode(columns), settings, fmt="Native")

        def library() -> None:
            columns = [texts, ticks, data.value]
            client.insert("flat", columns, ["sensor", "ts", "value"], column_oriented=True, settings=settings)

        scope = iter(range(1 << 30))

        def packed() -> None:
            blocks = Blocks(0, 60 * SECOND)
            Writer(client, names, str(next(scope))).write([*blocks.panes(data), *blocks.flush()])

        def job(work: Callable[[], None]) -> float:
            client.command("TRUNCATE TABLE flat")
            client.command("TRUNCATE TABLE readings_packed")
            return clocked(work)

        library_name = "clickhouse-connect columns, flat"
        works = {"raw Native, flat": native, library_name: library, "packed": packed}
        times = in_turn({name: partial(job, work) for name, work in works.items()}, repeats)
        for name, taken in times.items():
            report.figure(f"insert: {name}", rows / statistics.median(taken), "rows/s")
            if name != library_name:
                report.figure(f"insert: {name} / {library_name}", ratio_of(times, name, library_name)[0], "ratio")
        job(packed)
        report.figure("stored: packed", size(client, "readings_packed") / rows, "bytes/reading")
        for codec in ("ZSTD(1)", "Gorilla, ZSTD(1)", "Delta, ZSTD(1)", "ALP, LZ4"):
            flat(client, codec)
            native()
            report.figure(f"stored: flat, {codec}", size(client, "flat") / rows, "bytes/reading")
        client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.clickhouse", description="Ways to insert into ClickHouse.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    by_itself(run, options.rows, options.repeats)
