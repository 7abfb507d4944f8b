"""What jobs W and D are: their input, their result in one form, and when two results are the same.

The input is one JSON reading a line, `{"sensor":"P-000007","ts":1700000000123,"value":42.1234}`, of 1,000 sensors that
measure at 10 Hz; 2 % of the lines arrive up to 1.5 s after their event time.

Job W: count, min, max, mean and last value per sensor and second of event time. Every reading counts in the second of
its own event time; `last` is the value with the greatest event time (no sensor has two readings of one time).

Job D: W, and an EWMA z-score above 6 on every reading in arrival order. Per sensor, with alpha = 0.05: a reading whose
time is not after the last one taken is skipped; the first gives mean = x and var = 0; for each one after it,
d = x - mean, and z = d / sqrt(var) when at least 30 readings were taken before it and var > 0, else 0; then
mean += alpha * d and var = (1 - alpha) * (var + alpha * d * d). A reading with |z| > 6 is flagged.

Every peer is a module beside this one with `run(path, job)`, which is timed and may return what it likes, and
`result(outcome)`, which is not timed and brings that into the one form of `Result`. The plain Python loop is the
oracle: the others must give its rows. A peer that is too slow for the whole file sets LIMIT, the most lines that it is
timed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["ALPHA", "LEARNED", "SENSORS", "THRESHOLD", "Job", "Result", "differences", "generate", "make_input"]

SENSORS: Final = 1_000
ALPHA: Final = 0.05
LEARNED: Final = 30
THRESHOLD: Final = 6.0

Job = Literal["W", "D"]

WINDOWS: Final = ("sensor", "second", "count", "min", "max", "mean", "last")
FLAGS: Final = ("sensor", "ts", "value", "z")
#: Columns that engines sum in their own order; all others must be equal bit for bit.
ROUNDED: Final = {"mean": 1e-12, "z": 1e-6}

#: A table, or columns by their names.
Columns: TypeAlias = pa.Table | Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """What a job found, in one form for all peers.

    `windows` has the columns sensor, second (epoch seconds), count, min, max, mean, last; `flags` (job D only) has
    sensor, ts (epoch ms), value, z.
    """

    windows: pa.Table
    flags: pa.Table | None = None

    @classmethod
    def of(cls, windows: Columns, flags: Columns | None = None) -> Result:
        """Bring tables, or dicts of columns, into the one form: types, and rows sorted by sensor and time."""
        return cls(_canonical(windows, WINDOWS), None if flags is None else _canonical(flags, FLAGS))


def _canonical(columns: Columns, names: Sequence[str]) -> pa.Table:
    types = {"sensor": pa.string(), "second": pa.int64(), "count": pa.int64(), "ts": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in names])
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    return table.select(names).cast(schema).combine_chunks().sort_by([(name, "ascending") for name in names[:2]])


def differences(found: Result, oracle: Result) -> list[str]:
    """In words, where a result is not the oracle's; empty when it is the same row for row."""
    problems = []
    for what, table, expected in (("windows", found.windows, oracle.windows), ("flags", found.flags, oracle.flags)):
        if table is None or expected is None:
            if table is not expected:
                problems.append(f"{what}: only one of the two has any")
            continue
        if table.num_rows != expected.num_rows:
            problems.append(f"{what}: {table.num_rows} rows, expected {expected.num_rows}")
            continue
        for name in expected.column_names:
            ours, theirs = (t[name].to_numpy(zero_copy_only=False) for t in (table, expected))
            wrong = ~np.isclose(ours, theirs, rtol=ROUNDED[name], atol=0) if name in ROUNDED else ours != theirs
            if wrong.any():
                i = int(np.argmax(wrong))
                problems.append(f"{what}.{name}: {int(wrong.sum())} rows differ, first {ours[i]!r} for {theirs[i]!r}")
    return problems


def generate(
    readings: int, sensors: int = SENSORS, seed: int = 20240607
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Sensor number, event time (epoch ms) and value of every reading, in arrival order.

    Each sensor measures a slow wave with unit noise around its own level, ten times a second; one reading in 20,000 is
    a spike of 15 to 30; 2 % arrive up to 1.5 s late.
    """
    random = np.random.default_rng(seed)
    step, sensor = np.divmod(np.arange(readings), sensors)
    ts = 1_700_000_000_000 + 100 * step + random.integers(0, 100, sensors)[sensor]
    wave = 0.5 * np.sin(2 * np.pi * step / 300 + sensor)
    value = random.uniform(10, 100, sensors)[sensor] + wave + random.normal(0, 1, readings)
    spikes = np.flatnonzero(random.random(readings) < 1 / 20_000)
    value[spikes] += random.choice([-1.0, 1.0], len(spikes)) * random.uniform(15, 30, len(spikes))
    delay = np.where(random.random(readings) < 0.02, random.uniform(1, 1500, readings), 0)
    order = np.argsort(ts + delay, kind="stable")
    return sensor[order], ts[order], value[order].round(4)


def make_input(readings: int, folder: Path, sensors: int = SENSORS) -> Path:
    """The file of that many lines in `folder`; written once."""
    path = folder / f"readings-{readings}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("w") as file:
            rows = zip(*(column.tolist() for column in generate(readings, sensors)), strict=True)
            file.writelines(
                f'{{"sensor":"P-{sensor:06d}","ts":{ts},"value":{value!r}}}\n' for sensor, ts, value in rows
            )
        partial.rename(path)
    return path
