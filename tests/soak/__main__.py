"""The long tests: `python -m tests.soak [--kills 50] [--seed 1] [--only one ...] [--out build/soak.json]`.

Faults are injected for real: `kill -9` and SIGSTOP of the engine, of the database it writes to and of the broker it
reads from. Exit code 1 where a row was lost or is there twice.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import monotonic

os.environ["LIFELINE_SOAK"] = "1"

import tests.conftest  # noqa: F401 - chooses the kernel cache before numba is imported
from perf.report import Report
from tests.soak.crashes import Toll
from tests.soak.scenarios import SCENARIOS, World


def main() -> int:
    """Run the scenarios; print and write what they found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills of the engine in the main scenario (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which faults come (%(default)s)")
    parser.add_argument("--only", nargs="*", choices=list(SCENARIOS), default=list(SCENARIOS), help="scenarios")
    parser.add_argument("--out", type=Path, default=Path("build/soak.json"), help="where the figures go (%(default)s)")
    given = parser.parse_args()
    tolls: list[Toll] = []
    with tempfile.TemporaryDirectory() as folder:
        world = World.of(Path(folder), given.seed, given.kills)
        for name in given.only:
            began = monotonic()
            toll = SCENARIOS[name](world)
            tolls.append(toll)
            print(f"{toll.scenario}: {toll.faults} faults in {monotonic() - began:.0f} s", file=sys.stderr)
    report = Report()
    for toll in tolls:
        _put(report, toll)
    report.note(f"seed {given.seed}; every table compared row for row with that of a run that nothing disturbed")
    report.write(given.out)
    report.show()
    return 0 if all(toll.holds for toll in tolls) else 1


def _put(report: Report, toll: Toll) -> None:
    report.figure(f"{toll.scenario}: faults injected", toll.faults, "faults")
    counts = {
        "rows lost": toll.lost,
        "rows doubled": toll.doubled,
        "alerts lost": toll.alerts_lost,
        "alerts doubled": toll.alerts_doubled,
    }
    for name, count in counts.items():
        report.figure(f"{toll.scenario}: {name}", count, "rows", at_most=0)
    if toll.recoveries:
        report.figure(f"{toll.scenario}: worst recovery", max(toll.recoveries), "s")


if __name__ == "__main__":
    sys.exit(main())
