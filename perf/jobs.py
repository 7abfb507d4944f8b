"""Jobs W and D: the same two jobs on the same file by different engines, each alone on one core.

The input is one JSON reading a line, `{"sensor":"P-000007","ts":1700000000123,"value":42.1234}`, of sensors that measure
at 10 Hz; 2 % of the lines arrive up to 1.5 s after their event time.

Job W: count, min, max, mean and last value per sensor and second of event time. Every reading counts in the second of
its own event time; `last` is the value with the greatest event time (no sensor has two readings of one time).

Job D: W, and an EWMA z-score above 6 on every reading in arrival order. Per sensor, with alpha = 0.05: a reading whose
time is not after the last one taken is skipped; the first gives mean = x and var = 0; for each one after it,
d = x - mean, and z = d / sqrt(var) when at least 30 readings were taken before it and var > 0, else 0; then
mean += alpha * d and var = (1 - alpha) * (var + alpha * d * d). A reading with |z| > 6 is flagged.

Every peer in `perf/peers/` is a module with `run(path, job)`, which is timed and may return what it likes, and
`result(outcome)`, which is not timed and brings that into the one form of `Result`. The plain Python loop is the oracle:
the others must give its rows. A peer that is too slow for the whole file sets LIMIT, the most lines that it is timed on.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import feather

from perf.report import Report, pin

__all__ = ["ALPHA", "LEARNED", "THRESHOLD", "Job", "Result", "differences", "generate", "make_input", "run"]

READINGS: Final = 2_000_000
SENSORS: Final = 1_000
ROUNDS: Final = 3
FOLDER: Final = Path("build/jobs")

ALPHA: Final = 0.05
LEARNED: Final = 30
THRESHOLD: Final = 6.0

Job = Literal["W", "D"]
JOBS: Final[tuple[Job, ...]] = ("W", "D")
#: The oracle first; a peer that is not there (or whose library is not installed) is left out with a note.
PEERS: Final = ("python_loop", "lifeline", "polars_frames", "duckdb_sql", "stock_bytewax")
ORACLE: Final = PEERS[0]
OURS: Final = PEERS[1]

WINDOWS: Final = ("sensor", "second", "count", "min", "max", "mean", "last")
FLAGS: Final = ("sensor", "ts", "value", "z")
#: Columns that engines sum in their own order; all others must be equal bit for bit.
ROUNDED: Final = {"mean": 1e-12, "z": 1e-6}

#: A table, or columns by their names.
Columns = pa.Table | Mapping[str, object]


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


def make_input(readings: int, folder: Path = FOLDER) -> Path:
    """The file of that many lines; written once."""
    path = folder / f"readings-{readings}.jsonl"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("w") as file:
            rows = zip(*(column.tolist() for column in generate(readings)), strict=True)
            file.writelines(
                f'{{"sensor":"P-{sensor:06d}","ts":{ts},"value":{value!r}}}\n' for sensor, ts, value in rows
            )
        partial.rename(path)
    return path


@dataclass(frozen=True, slots=True)
class Timing:
    """One peer's runs of one job."""

    peer: str
    job: Job
    readings: int
    seconds: tuple[float, ...]  # one a round
    result: Result
    memory: float  # peak of the process, MB

    @property
    def rate(self) -> float:
        """Readings per second, the median of the rounds."""
        return self.readings / statistics.median(self.seconds)

    def over(self, other: Timing) -> float:
        """How many times as fast as another peer: the median of the rounds' ratios."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(self.readings / a / (other.readings / b) for a, b in pairs)


def time_jobs(
    peers: Sequence[str] = PEERS, jobs: Sequence[Job] = JOBS, readings: int = READINGS, rounds: int = ROUNDS
) -> dict[tuple[str, Job], Timing]:
    """Run every peer and job in processes of their own, interleaved: one round of all, then the next."""
    limits = {peer: getattr(importlib.import_module(f"perf.peers.{peer}"), "LIMIT", readings) for peer in peers}
    sizes = {peer: min(readings, limit) for peer, limit in limits.items()}
    took: dict[tuple[str, Job], list[dict[str, float]]] = {(peer, job): [] for job in jobs for peer in peers}
    for _ in range(rounds):
        for (peer, job), runs in took.items():
            runs.append(_in_child(peer, job, make_input(sizes[peer])))
    return {
        (peer, job): Timing(
            peer,
            job,
            sizes[peer],
            tuple(run["seconds"] for run in runs),
            _read(peer, job, sizes[peer]),
            max(run["memory"] for run in runs),
        )
        for (peer, job), runs in took.items()
    }


def oracle(job: Job, readings: int) -> Result:
    """The plain loop's result on that many lines."""
    if not _file(ORACLE, job, readings, "windows").exists():
        _in_child(ORACLE, job, make_input(readings))
    return _read(ORACLE, job, readings)


def _file(peer: str, job: Job, readings: int, what: str) -> Path:
    return FOLDER / f"{peer}-{job}-{readings}-{what}.arrow"


def _read(peer: str, job: Job, readings: int) -> Result:
    windows = feather.read_table(_file(peer, job, readings, "windows"))
    return Result(windows, feather.read_table(_file(peer, job, readings, "flags")) if job == "D" else None)


def _in_child(peer: str, job: Job, path: Path) -> dict[str, float]:
    """Run a peer alone in a new process on this process's core; what it says of its time and memory."""
    command = [sys.executable, "-m", "perf.jobs", "--child", peer, job, str(path)]
    environment = os.environ | {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{peer} failed at job {job}:\n{done.stderr}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _child(peer: str, job: Job, path: Path) -> None:
    """The process of one peer: warm up on a small file, time the job, then write down its result."""
    module = importlib.import_module(f"perf.peers.{peer}")
    module.run(make_input(20_000), job)
    gc.collect()
    start = time.perf_counter()
    outcome = module.run(path, job)
    took = time.perf_counter() - start
    memory = _peak_memory()
    result: Result = module.result(outcome)
    readings = int(path.stem.rpartition("-")[2])
    feather.write_feather(result.windows, _file(peer, job, readings, "windows"))
    if result.flags is not None:
        feather.write_feather(result.flags, _file(peer, job, readings, "flags"))
    print(json.dumps({"seconds": took, "memory": memory}))


def _peak_memory() -> float:
    """This process's own peak so far, MB. (`ru_maxrss` would also count the process that started it.)"""
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def available() -> tuple[str, ...]:
    """The peers that can run here."""
    found = []
    for peer in PEERS:
        try:
            importlib.import_module(f"perf.peers.{peer}")
        except ModuleNotFoundError:
            continue
        found.append(peer)
    return tuple(found)


def run(report: Report, readings: int = READINGS, rounds: int = ROUNDS) -> None:
    """Time all peers, compare their rows with the oracle's, and report rates and ratios."""
    peers = available()
    report.note("jobs: each peer alone in a process on one core; start-up and a warm-up run are not counted.")
    for missing in sorted(set(PEERS) - set(peers)):
        report.note(f"jobs: {missing} left out, not installed.")
    base = OURS if OURS in peers else ORACLE
    timings = time_jobs(peers, readings=readings, rounds=rounds)
    for job in JOBS:
        for peer in peers:
            timing = timings[peer, job]
            report.figure(f"job {job} {peer}", timing.rate, "readings/s")
            report.figure(f"job {job} {peer} peak memory", timing.memory, "MB")
            if timing.readings < readings:
                report.note(f"job {job}: {peer} was timed on {timing.readings:,} readings, the others on {readings:,}.")
            if peer != base:
                name = f"job {job} {base} / {peer}"
                # The project's bar: ahead of Polars where every reading is looked at in order.
                bar = 1.0 if (base, peer, job) == (OURS, "polars_frames", "D") else None
                report.figure(name, timings[base, job].over(timing), "ratio", at_least=bar)
            if peer != ORACLE:
                problems = differences(timing.result, oracle(job, timing.readings))
                report.figure(f"job {job} {peer} wrong columns", len(problems), "columns", at_most=0)
                for problem in problems:
                    report.note(f"job {job} {peer}: {problem}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.jobs", description="Jobs W and D by every peer.")
    parser.add_argument("--readings", type=int, default=READINGS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--child", nargs=3, metavar=("PEER", "JOB", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _child(options.child[0], options.child[1], Path(options.child[2]))
    else:
        alone = Report()
        pin()
        run(alone, options.readings, options.rounds)
        alone.show()
