"""The fast lane, live: how long a finding takes from the arrival of its reading to the sink.

A child process on another core writes bursts of JSON readings into a pipe, as a live gateway does. One reading of each
burst deviates, and its value is the time at which the burst was handed to the pipe. Ours is the whole engine (panes,
aggregates and blocks are at work beside the fast lane, with panes of 100 ms); stock Bytewax does nothing but parse
and score with a plain dict. They run in turn; a ratio is the median of the ratios of one turn.

`python -m perf.latency [--seconds S] [--rounds N]` runs this benchmark alone.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import numpy as np

from domain.findings import Phase
from domain.settings import EngineSettings, TimeRules
from flows.engine import Engine
from perf.engine import IDS, bench_city, in_turn
from perf.report import Report, by_itself
from perf.stock import Each, scores
from sources.pipe import PipeSource

__all__ = ["run"]

RATES: Final = (20_000, 100_000)  # readings/s
SECONDS: Final = 5.0
ROUNDS: Final = 3
BURST: Final = 0.005  # s
#: What closes with a pane holds up the fast lane of its worker: short panes spread it out.
PANE: Final = 100_000_000  # ns
#: No reading deviates at first: every sensor must have been learned.
LEARNING: Final = 2.0  # s
#: Makes a value that carries a time deviate, on a machine that was just started too.
BASE: Final = 10_000.0
PIPE_SIZE: Final = 1 << 20

Latencies = list[float]  # s
Contender = Callable[[int], Latencies]


def run(report: Report, length: float = SECONDS, rounds: int = ROUNDS) -> None:
    """Add p50 and p99 of ours and of stock Bytewax at every rate, and their ratios."""
    report.note(
        f"latency: a burst every {BURST * 1e3:g} ms, from handing it to the pipe to the finding at the sink; {rounds} "
        f"rounds of {length:g} s. Ratios are of times: below 1 is sooner than stock."
    )
    measure(ours, RATES[0], 0.1)  # loads the kernels
    for rate in RATES:
        name = f"fast lane at {rate:,}/s"
        jobs = {"ours": partial(measure, ours, rate, length), "stock": partial(measure, stock, rate, length)}
        found = in_turn(jobs, rounds, warm_up=False)
        for q in (50, 99):
            times = {who: [float(np.percentile(run, q)) for run in runs] for who, runs in found.items()}
            for who in times:
                report.figure(f"{name}: {who} p{q}", statistics.median(times[who]) * 1e3, "ms")
            pairs = [a / b for a, b in zip(times["ours"], times["stock"], strict=True)]
            report.figure(f"{name}: ours / stock p{q}", statistics.median(pairs), "ratio", at_most=1.5)
            report.note(f"{name}, p{q}: ratios from {min(pairs):.2f} to {max(pairs):.2f}.")


def ours(descriptor: int) -> Latencies:
    """The engine over the pipe; one core needs no more than one shard."""
    found: Latencies = []

    def take(items: list[Any]) -> None:
        now = time.monotonic() + BASE
        for findings in items:
            if isinstance(findings, tuple):
                found.extend(now - finding.value for finding in findings if finding.phase is not Phase.END)

    settings = EngineSettings(shards=1, time=TimeRules(pane=PANE))
    sinks = {"taken": Each(take)}
    Engine(bench_city(), settings, PipeSource(descriptor), None, live=True, store=sinks).run()
    return found


def stock(descriptor: int) -> Latencies:
    """The stock flow over the pipe."""
    found: Latencies = []

    def take(items: list[Any]) -> None:
        now = time.monotonic() + BASE
        found.extend(now - value for _, _, value, _ in items)

    scores(descriptor, take)
    return found


def measure(contender: Contender, rate: int, length: float) -> Latencies:
    """Let a child process write while the contender reads; how late each finding came."""
    reader, writer = os.pipe()
    with suppress(AttributeError, OSError):  # other systems than Linux
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    command = [sys.executable, "-m", "perf.latency", "--write", str(writer), str(rate), str(length)]
    with subprocess.Popen(command, pass_fds=(writer,)) as child:
        os.close(writer)
        found = contender(reader)
    if child.returncode or len(found) < 0.9 * length / BURST:
        bursts = f"{length / BURST:.0f} bursts; the writer ended with {child.returncode}"
        raise RuntimeError(f"{len(found)} findings of {bursts}")
    return found


def write(descriptor: int, rate: int, length: float) -> None:
    """The child: bursts on time, from another core than the reader's where there is one."""
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0))
    random = np.random.default_rng(20240607)
    each = round(rate * BURST)
    cycle = len(IDS) // each  # bursts after which a sensor's turn comes again
    start = time.monotonic()
    for burst in range(round((LEARNING + length) / BURST)):
        due = start + burst * BURST
        first = burst % cycle * each
        ts = time.time_ns() // 1_000_000
        lines = [
            b'{"sensor":"%s","ts":%d,"value":%.4f}' % (name.encode(), ts, value)
            for name, value in zip(IDS[first : first + each], random.normal(50, 1, each).tolist(), strict=True)
        ]
        time.sleep(max(due - time.monotonic(), 0))
        if due - start >= LEARNING:
            at = burst // cycle % each
            lines[at] = b'{"sensor":"%s","ts":%d,"value":%.6f}' % (
                IDS[first + at].encode(), ts, BASE + time.monotonic()
            )  # fmt: skip
        data = b"\n".join(lines) + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m perf.latency", description="Findings of the fast lane, live.")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(int(options.write[0]), int(options.write[1]), float(options.write[2]))
    else:
        by_itself(run, options.seconds, options.rounds)
