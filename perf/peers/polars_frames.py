"""Polars, lazily over the whole file: the EWMA recursions are exponentially weighted means of their own kind."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from perf.peers.job import ALPHA, LEARNED, THRESHOLD, Job, Result

SCHEMA = {"sensor": pl.String, "ts": pl.Int64, "value": pl.Float64}


def run(path: Path, job: Job) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """One scan for both parts of the job."""
    readings = pl.scan_ndjson(path, schema=SCHEMA)
    windows = readings.group_by("sensor", second=pl.col("ts") // 1000).agg(
        count=pl.len(),
        min=pl.col("value").min(),
        max=pl.col("value").max(),
        mean=pl.col("value").mean(),
        last=pl.col("value").get(pl.col("ts").arg_max()),
    )
    if job == "W":
        return windows.collect(), None
    both = pl.collect_all([windows, _flags(readings)])
    return both[0], both[1]


def _flags(readings: pl.LazyFrame) -> pl.LazyFrame:
    """The readings whose z-score is above the threshold.

    With d the distance from the mean before, var is the exponentially weighted mean of (1 - alpha) * d^2 that starts
    at 0.
    """
    ts, value = pl.col("ts"), pl.col("value")
    before = pl.col("mean").shift(1)
    return (
        readings.filter((ts > ts.cum_max().shift(1)).fill_null(True).over("sensor"))
        .with_columns(
            mean=value.ewm_mean(alpha=ALPHA, adjust=False).over("sensor"), taken=pl.int_range(pl.len()).over("sensor")
        )
        .with_columns(d=(value - before).fill_null(0).over("sensor"))
        .with_columns(var=((1 - ALPHA) * pl.col("d") ** 2).ewm_mean(alpha=ALPHA, adjust=False).over("sensor"))
        .with_columns(z=(pl.col("d") / pl.col("var").shift(1).sqrt()).over("sensor"))
        .filter((pl.col("taken") >= LEARNED) & pl.col("z").is_finite() & (pl.col("z").abs() > THRESHOLD))
        .select("sensor", "ts", "value", "z")
    )


def result(outcome: tuple[pl.DataFrame, pl.DataFrame | None]) -> Result:
    """The frames as tables."""
    windows, flags = outcome
    return Result.of(windows.to_arrow(), None if flags is None else flags.to_arrow())
