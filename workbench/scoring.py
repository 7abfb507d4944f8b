"""Several sets at once, each in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from domain.errors import LifelineError
from workbench import sets
from workbench.result import SetResult

__all__ = ["Job", "Scored", "score_sets"]


@dataclass(frozen=True, slots=True)
class Job:
    """One set to score."""

    set: str
    folder: Path
    detector: str | None = None
    params: Mapping[str, Any] | None = None
    out: Path | None = None

    def run(self) -> Scored:
        """Score it; what we raise on purpose becomes part of the answer."""
        started = time.monotonic()
        try:
            result = sets.get(self.set).evaluate(self.folder, self.detector, self.params, self.out)
        except LifelineError as error:
            return Scored(self, None, str(error), time.monotonic() - started)
        return Scored(self, result, "", time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of a job."""

    job: Job
    result: SetResult | None
    error: str
    seconds: float


def score_sets(jobs: Sequence[Job], processes: int = 1) -> Iterator[Scored]:
    """Score sets side by side; yield each as it is done."""
    if processes == 1 or len(jobs) == 1:
        yield from (job.run() for job in jobs)
        return
    # Not forked: this process has threads of its own by now.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for future in as_completed([pool.submit(job.run) for job in jobs]):
            yield future.result()
