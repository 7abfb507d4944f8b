"""The engine with the embedded ClickHouse as its store, beside the same run with a null sink.

A million JSON readings from memory; with the store on, every reading and all aggregates are inserted. Each run is timed
from its first poll until the last insert was answered. The database lies in a new folder under build/; every run writes
into it under a name of its own, so that no block is taken for a repeat.

`python -m perf.storage [--readings N] [--rounds N]` runs this benchmark alone.
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
from perf.report import Report, pin
from sinks.clickhouse.client import connect

__all__ = ["run"]

READINGS: Final = 1_000_000
ROUNDS: Final = 3
FOLDER: Final = Path("build")
#: Shards, and seconds of event time in a block: the defaults of a deployment last. The bar is for the first.
SHAPES: Final = ((1, 5), (1, 60), (8, 5), (8, 60))


def run(report: Report, total: int = READINGS, rounds: int = ROUNDS) -> None:
    """Add readings per second into the store, and the ratio to a null sink, for every shape."""
    raws = batches(readings(IDS, *generate(total)), 1, BATCHES[0])
    scope = count()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="storage-") as folder:
        dsn = f"chdb://{Path(folder).absolute()}/clickhouse"

        def stored(settings: EngineSettings) -> float:
            took = engine_seconds(raws, total, settings, dsn, str(next(scope)))
            client = connect(dsn)
            kept = client.command("SELECT sum(length(ts)) FROM readings_packed")
            client.command("TRUNCATE TABLE readings_packed")
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
    options = parser.parse_args()
    alone = Report()
    pin()
    run(alone, options.readings, options.rounds)
    alone.show()
