"""Jobs W and D by every peer, each alone in a process on one core: readings per second, memory, and ratios.

What the jobs are stands in `perf.peers.job`.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import pkgutil
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pyarrow import feather

from perf import peers
from perf.peers.job import Job, Result, differences, make_input
from perf.report import Report, by_itself

__all__ = ["Timing", "available", "oracle", "run", "time_jobs"]

READINGS: Final = 2_000_000
ROUNDS: Final = 3
FOLDER: Final = Path("build/jobs")

JOBS: Final[tuple[Job, ...]] = ("W", "D")
ORACLE: Final = "python_loop"
OURS: Final = "lifeline"
#: Every file in perf/peers/ but the one that says what the jobs are.
PEERS: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(peers.__path__) if module.name != "job"))
#: A peer is left out, with a note, where one of these is not installed.
LIBRARIES: Final = {"polars", "duckdb"}


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
    names: Sequence[str] = PEERS, jobs: Sequence[Job] = JOBS, readings: int = READINGS, rounds: int = ROUNDS
) -> dict[tuple[str, Job], Timing]:
    """Run every peer and job in processes of their own, interleaved: one round of all, then the next."""
    limits = {peer: getattr(importlib.import_module(f"perf.peers.{peer}"), "LIMIT", readings) for peer in names}
    sizes = {peer: min(readings, limit) for peer, limit in limits.items()}
    took: dict[tuple[str, Job], list[dict[str, float]]] = {(peer, job): [] for job in jobs for peer in names}
    for _ in range(rounds):
        for (peer, job), runs in took.items():
            runs.append(_in_child(peer, job, make_input(sizes[peer], FOLDER)))
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


@cache
def oracle(job: Job, readings: int) -> Result:
    """The plain loop's result on that many lines."""
    _in_child(ORACLE, job, make_input(readings, FOLDER))
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
    module.run(make_input(20_000, FOLDER), job)
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
    """The peers that can run here: whose libraries are installed."""
    found = []
    for peer in PEERS:
        try:
            importlib.import_module(f"perf.peers.{peer}")
        except ModuleNotFoundError as error:
            if error.name not in LIBRARIES:
                raise
            continue
        found.append(peer)
    return tuple(found)


def run(report: Report, readings: int = READINGS, rounds: int = ROUNDS) -> None:
    """Time all peers, compare their rows with the oracle's, and report rates and ratios."""
    present = available()
    report.note("jobs: each peer alone in a process on one core; start-up and a warm-up run are not counted.")
    for missing in sorted(set(PEERS) - set(present)):
        report.note(f"jobs: {missing} left out, not installed.")
    base = OURS if OURS in present else ORACLE
    timings = time_jobs(present, readings=readings, rounds=rounds)
    for job in JOBS:
        for peer in present:
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
        by_itself(run, options.readings, options.rounds)
