"""The engine with the embedded ClickHouse as its store, beside the same run with a null sink.

JSON readings from memory; with the store on, every reading and all aggregates are inserted. Each run is timed from its
first poll until the last insert was answered. The bar is for what a replay should choose, one shard and blocks of five
minutes, since an insert costs milliseconds whatever it holds.

Every run writes into a database of its own in a new folder, and nothing is deleted before the end: whenever ext4 makes
a file, it looks through those that anybody deleted in the last five seconds. `--folder /dev/shm` takes the file system
out of the figures.

`python -m perf.storage [--readings N] [--rounds N] [--folder PATH]` runs this benchmark alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from domain.clock import SECOND
from domain.settings import EngineSettings
from perf.decode import readings
from perf.engine import BATCHES, IDS, batches, engine_seconds, in_turn, ratio_of
from perf.peers.job import generate
from perf.report import Report, by_itself
from sinks.clickhouse.client import connect

__all__ = ["run"]

READINGS: Final = 3_000_000  # five minutes of the benchmark's city
ROUNDS: Final = 3
FOLDER: Final = Path("build")
#: Shards, and seconds of event time in a block. The bar is for the first; the defaults of a deployment come last.
SHAPES: Final = ((1, 300), (1, 60), (1, 5), (8, 60), (8, 5))


def run(report: Report, total: int = READINGS, rounds: int = ROUNDS, folder: Path = FOLDER) -> None:
    """Add readings per second into the store, and the ratio to a null sink, for every shape."""
    raws = batches(readings(IDS, *generate(total)), 1, BATCHES[0])
    number = count()
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="storage-") as inside:

        def stored(settings: EngineSettings) -> float:
            dsn = f"chdb://{Path(inside).absolute()}/clickhouse?database=run_{next(number)}"
            took = engine_seconds(raws, total, settings, dsn)
            client = connect(dsn)
            kept = client.command("SELECT sum(length(ts)) FROM readings_packed")
            client.close()
            if int(str(kept)) != total:
                raise AssertionError(f"{kept} of {total} readings were stored")
            return took

        for shards, block in SHAPES:
            settings = EngineSettings(shards=shards, block=block * SECOND)
            jobs = {"null": partial(engine_seconds, raws, total, settings), "store": partial(stored, settings)}
            times = in_turn(jobs, rounds)
            ratio, spread = ratio_of(times, "store", "null")
            name = f"ClickHouse embedded, {shards} shard{'s' * (shards > 1)}, blocks of {block} s"
            report.figure(name, total / statistics.median(times["store"]), "readings/s")
            barred = 0.5 if (shards, block) == SHAPES[0] else None
            report.figure(f"{name} / null sink", ratio, "ratio", at_least=barred)
            report.note(f"{name}: ratios from {spread}; batches of {BATCHES[0]:,} readings.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.storage", description="With the embedded ClickHouse on.")
    parser.add_argument("--readings", type=int, default=READINGS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the database is made")
    options = parser.parse_args()
    by_itself(run, options.readings, options.rounds, options.folder)
