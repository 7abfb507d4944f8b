"""Runs the benchmarks: `python -m perf [--only NAME ...] [--out build/bench.json]`.

A benchmark is a module of this package with a function `run(report)` that adds figures to the report.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import perf
from domain.kernel_cache import use_kernel_cache
from perf.report import Report, pin

NOT_BENCHMARKS = {"__main__", "report", "peers"}


def benchmarks() -> dict[str, Callable[[Report], None]]:
    """Every benchmark by its name, in alphabetical order."""
    found = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(perf.__path__)):
        if name in NOT_BENCHMARKS:
            continue
        run = getattr(importlib.import_module(f"perf.{name}"), "run", None)
        if callable(run):
            found[name] = run
    return found


def main() -> int:
    """Run what was asked for, show and write the figures; 1 when one fails or misses a bar."""
    use_kernel_cache(Path("build/cache/numba").absolute())
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m perf", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=sorted(known), default=sorted(known), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("build/bench.json"), help="where the figures go (%(default)s)")
    options = parser.parse_args()

    report = Report()
    core = pin()
    cores = os.cpu_count() or 1
    report.note(
        f"{'pinned to core ' + str(core) if core is not None else 'not pinned'} of {cores}; load when started: "
        f"{os.getloadavg()[0]:.2f}. Figures in seconds or per second are this machine's; compare the ratios."
    )
    failed = False
    for name in options.only:
        print(f"{name} ...", end="", flush=True, file=sys.stderr)
        start = time.perf_counter()
        try:
            known[name](report)
        except Exception:  # one benchmark that fails must not take the others' figures with it
            failed = True
            report.note(f"{name} failed.")
            traceback.print_exc()
        print(f" {time.perf_counter() - start:.0f} s", file=sys.stderr)
    report.show()
    report.write(options.out)
    print(f"written to {options.out}")
    return int(failed or any(figure.holds is False for figure in report.figures))


if __name__ == "__main__":
    sys.exit(main())
