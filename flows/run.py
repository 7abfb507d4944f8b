"""Run a dataflow: workers, processes, recovery, and a clean stop."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from types import FrameType

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main, run_main

from domain.errors import LifelineError, StateError
from flows.rewind import rewind

__all__ = ["Cluster", "Recovery", "cause", "run", "stopping"]

log = logging.getLogger(__name__)

#: Partitions of a new recovery store: as many workers can share the writing. Fixed when the store is made.
RECOVERY_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Cluster:
    """How many workers in how many processes; the meaning of Bytewax's own flags."""

    workers: int = 1
    process: int = 0
    addresses: Sequence[str] = ()

    @property
    def first(self) -> bool:
        """Whether this is the first process, which does what must be done once."""
        return self.process == 0


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where state is kept between runs, and how often it is written."""

    directory: Path
    interval: timedelta = timedelta(seconds=5)
    backup: timedelta = timedelta(0)

    def prepare(self) -> RecoveryConfig:
        """Make the store where there is none, else take it back to its last whole epoch; raises StateError where one is
        damaged.
        """
        parts = sorted(self.directory.glob("part-*.sqlite3")) if self.directory.is_dir() else []
        if not parts:
            # Made beside and moved into place, so that a crash on the way leaves no half of a store.
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.directory.with_name(f".{self.directory.name}.{os.getpid()}")
            fresh.mkdir()
            init_db_dir(fresh, RECOVERY_PARTITIONS)
            if self.directory.is_dir() and any(self.directory.iterdir()):
                raise StateError(
                    f"{self.directory} holds files but no recovery store: name an empty or a new directory"
                )
            fresh.replace(self.directory)
        elif len(parts) != RECOVERY_PARTITIONS:
            raise StateError(
                f"{self.directory} holds {len(parts)} of {RECOVERY_PARTITIONS} parts of a recovery store: bring "
                "the missing ones back, or remove the directory to start from the beginning of the stream"
            )
        if dropped := rewind(parts):
            log.info("dropped %d states of an epoch that the last run had not completed", dropped)
        return RecoveryConfig(str(self.directory), self.backup)


def run(flow: Dataflow, cluster: Cluster, recovery: Recovery | None, epoch: timedelta) -> None:
    """Run the flow to the end of its stream, or until it is told to stop.

    `epoch` is the snapshot interval of a run without recovery: it bounds what is in flight. Errors of ours come out as
    they were raised.
    """
    interval = recovery.interval if recovery else epoch
    config = recovery.prepare() if recovery else None
    try:
        if cluster.workers == 1 and not cluster.addresses:
            # One worker needs none of what passes data between workers: a batch costs a sixth.
            run_main(flow, epoch_interval=interval, recovery_config=config)
        else:
            cluster_main(
                flow,
                list(cluster.addresses),
                cluster.process,
                epoch_interval=interval,
                recovery_config=config,
                worker_count_per_proc=cluster.workers,
            )
    except BytewaxRuntimeError as error:
        ours = cause(error)
        if ours is None:
            raise
        raise ours  # noqa: B904 - what the engine wrapped around it says nothing more


def cause(error: BaseException | None) -> LifelineError | None:
    """The error of ours that an engine's error comes from, if there is one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, LifelineError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def stopping() -> Iterator[Event]:
    """An event that SIGTERM and Ctrl-C set; a second Ctrl-C interrupts at once."""
    stop = Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
