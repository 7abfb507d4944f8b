"""Run a dataflow: workers, processes, recovery, and a clean stop."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Final

from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main, run_main

from domain.errors import LifelineError, StateError
from domain.failures import first_failure
from flows.rewind import ANEW, rewind

__all__ = ["Cluster", "Recovery", "cause", "run", "stopping"]

log = logging.getLogger(__name__)

#: Partitions of a new recovery store: as many workers can share the writing. Fixed when the store is made.
RECOVERY_PARTITIONS = 4

#: Raised when what the steps keep changes its form or its meaning.
STATE_FORMAT: Final = 1


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
        """Make the store where there is none; raises StateError where a part of one is missing."""
        if not self._parts():
            self._make()
        parts = self._parts()
        if len(parts) != RECOVERY_PARTITIONS:
            raise StateError(
                f"{self.directory} holds {len(parts)} of {RECOVERY_PARTITIONS} parts of a recovery store: bring "
                "the missing ones back, or remove the directory to start from the beginning of the stream"
            )
        return RecoveryConfig(str(self.directory), self.backup)

    def fit(self, **kept: object) -> None:
        """See that a run can go on from the state: it is whole, of this format, and was written with these settings.

        Raises StateError where it is not.
        """
        self.prepare()
        used = [_used(part) for part in self._parts()]
        path = self.directory / "format.json"
        wanted = {"format": STATE_FORMAT, **kept}
        if not path.exists() and not any(used):
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(wanted))
            unfinished.replace(path)
            return
        try:
            there = {"format": 0} | (json.loads(path.read_bytes()) if path.exists() else {})
        except (ValueError, TypeError) as error:
            raise StateError(f"{path} is damaged ({error}): bring back a backup of the directory, or {ANEW}") from error
        if there["format"] != STATE_FORMAT:
            raise StateError(
                f"{self.directory} holds state of format {there['format']}, and this version keeps format "
                f"{STATE_FORMAT}: go on with the version that wrote it, or {ANEW}"
            )
        for name, value in wanted.items():
            if there.get(name) != value:
                raise StateError(
                    f"{self.directory} was written with {name} = {there.get(name)}, and it is {value} now: go back to "
                    f"that, or {ANEW}"
                )

    def begin(self) -> RecoveryConfig:
        """Take the store back to its last complete epoch, for a run that starts now."""
        config = self.prepare()
        if dropped := rewind(self._parts()):
            log.info("dropped %d states of an epoch that the last run had not completed", dropped)
        return config

    def _parts(self) -> list[Path]:
        return sorted(self.directory.glob("part-*.sqlite3")) if self.directory.is_dir() else []

    def _make(self) -> None:
        """Make it beside and move it into place, so that a crash on the way leaves no half of a store."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.directory.with_name(f".{self.directory.name}.{os.getpid()}")
        fresh.mkdir()
        init_db_dir(fresh, RECOVERY_PARTITIONS)
        try:
            fresh.replace(self.directory)
        except OSError as error:
            shutil.rmtree(fresh)
            if not self._parts():  # otherwise another process of the cluster was faster
                raise StateError(
                    f"{self.directory} holds files but no recovery store: name an empty or a new directory"
                ) from error


def _used(part: Path) -> bool:
    """Whether a part of a store holds any state; raises StateError where it cannot be read."""
    try:
        with closing(sqlite3.connect(part, timeout=60)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            return database.execute("SELECT 1 FROM snaps LIMIT 1").fetchone() is not None
    except sqlite3.Error as error:
        raise StateError(
            f"{part} is damaged ({error}): bring back a backup of the whole directory, or {ANEW}"
        ) from error


def run(flow: Dataflow, cluster: Cluster, recovery: Recovery | None, epoch: timedelta) -> None:
    """Run the flow to the end of its stream, or until it is told to stop.

    `epoch` is the snapshot interval of a run without recovery: it bounds what is in flight. Errors of ours come out as
    they were raised.
    """
    first_failure()  # of a run before
    interval = recovery.interval if recovery else epoch
    config = recovery.begin() if recovery else None
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
    except BaseException as error:  # a panic of the engine is no Exception
        ours = cause(error) or first_failure()
        if ours is None or isinstance(error, KeyboardInterrupt):
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
