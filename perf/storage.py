"""The engine with the embedded ClickHouse as its store, beside the same run with a null sink.

JSON readings from memory; with the store on, every reading and all aggregates are inserted. Each run is timed from its
first poll until the last insert was answered. The bar is for what a replay should choose, one shard and blocks of five
minutes, since an insert costs milliseconds whatever it holds. Every run begins with all parts merged: else ClickHouse
would merge those of several runs during one. What it takes to merge one run's parts is a figure of its own.

Every shape has a database of its own in a new folder, and nothing is deleted before the end: an ext4 without a journal
looks, whenever it makes a file, through those that anybody deleted in the last minutes, and a hundred are deleted while
a database is made. `--folder /dev/shm` takes the file system out of the figures.

`python -m perf.storage [--readings N] [--rounds N] [--folder PATH]` runs this benchmark alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from domain.clock import SECOND
from domain.settings import EngineSettings
from perf.decode import readings
from perf.engine import BATCHES, IDS, batches, engine_seconds, in_turn, ratio_of
from perf.peers.job import generate
from perf.report import Report, by_itself
from sinks.clickhouse.client import connect
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.tables import BLOCK_TABLES

__all__ = ["run"]

READINGS: Final = 3_000_000  # five minutes of the benchmark's city
ROUNDS: Final = 3
FOLDER: Final = Path("build")
#: Shards, and seconds of event time in a block. The bar is for the first; the defaults of a deployment come last.
SHAPES: Final = ((1, 300), (1, 60), (1, 5), (8, 60), (8, 5))


def run(report: Report, total: int = READINGS, rounds: int = ROUNDS, folder: Path = FOLDER) -> None:
    """Add readings per second into the store, and the ratio to a null sink, for every shape."""
    raws = batches(readings(IDS, *generate(total)), 1, BATCHES[0])
    turn = count()
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="storage-") as inside:

        def stored(client: Client, dsn: str, settings: EngineSettings, merged: list[float]) -> float:
            before = kept(client)
            took = engine_seconds(raws, total, settings, dsn, scope=f"turn {next(turn)}")
            if (stored := kept(client) - before) != total:
                raise AssertionError(f"{stored} of {total} readings were stored")
            merged.append(merge(client))
            return took

        for shards, block in SHAPES:
            settings = EngineSettings(shards=shards, block=block * SECOND)
            merged: list[float] = []
            dsn = f"chdb://{Path(inside).absolute()}/clickhouse?database=of_{shards}_{block}"
            with closing(connect(dsn)) as client:
                ensure_schema(client)
                jobs = {
                    "null": partial(engine_seconds, raws, total, settings),
                    "store": partial(stored, client, dsn, settings, merged),
                }
                times = in_turn(jobs, rounds)
            ratio, spread = ratio_of(times, "store", "null")
            name = f"ClickHouse embedded, {shards} shard{'s' * (shards > 1)}, blocks of {block} s"
            report.figure(name, total / statistics.median(times["store"]), "readings/s")
            barred = 0.5 if (shards, block) == SHAPES[0] else None
            report.figure(f"{name} / null sink", ratio, "ratio", at_least=barred)
            report.figure(f"{name}: merging afterwards", merged[0] / total * 1e9, "ns/reading")
            report.note(f"{name}: ratios from {spread}; batches of {BATCHES[0]:,} readings.")


def kept(client: Client) -> int:
    """Readings in a database."""
    return int(str(client.command("SELECT sum(length(ts)) FROM readings_packed")))


def merge(client: Client) -> float:
    """Seconds that it takes to merge all parts of a day into one, in every table of blocks."""
    start = time.perf_counter()
    for table in BLOCK_TABLES:
        client.command(f"OPTIMIZE TABLE {table} FINAL")
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.storage", description="With the embedded ClickHouse on.")
    parser.add_argument("--readings", type=int, default=READINGS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the database is made")
    options = parser.parse_args()
    by_itself(run, options.readings, options.rounds, options.folder)
