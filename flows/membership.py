"""Which partitions a deployment reads: a list that only grows, kept beside the state that is numbered by it.

Partitions that are added to a stream join while the engine runs: it comes to a clean stop, so that every shard has
closed the same panes, and goes on in the same process with the longer list. To a partition that joins, what was closed
then is closed from the start: its readings from before are late. After a crash so is what the run that was killed
may have closed, since its blocks are written.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from domain.clock import NEVER, iso
from domain.errors import SourceError, StateError
from domain.files import put
from domain.health import HEALTH
from domain.streams import Source
from flows.run import Cluster, Recovery
from operators.inlet import Member

__all__ = ["Membership"]

log = logging.getLogger(__name__)

#: Seconds that the processes of a cluster wait for each other when partitions join.
_PATIENCE: Final = 60.0


@dataclass
class Membership:
    """The partitions of one run.

    Processes of a cluster agree through the recovery directory: the first decides who joins, all of them stop and say
    how far they had come, and the first then writes the new list.

    Parameters
    ----------
    every
        Seconds between two looks for new partitions; None: only the start is one.
    """

    source: Source
    recovery: Recovery | None
    cluster: Cluster
    every: float | None = 5.0

    def begin(self) -> tuple[Member, ...]:
        """The partitions to start with: those of the last run, where there was one; others join soon.

        Raises StateError where one of them is gone, or the list cannot be read.
        """
        names = tuple(self.source.partitions())
        members = tuple(Member(name) for name in names)
        if self.recovery is None or not names:
            return members
        self.recovery.prepare()
        if self._list.exists():
            members = self._read()
            if gone := [member.name for member in members if member.name not in names]:
                raise StateError(
                    f"{self.recovery.directory} holds the state of a stream that had {', '.join(gone[:5])}; it has "
                    f"{', '.join(names[:5])} now. Start with a new recovery directory, or with the stream as it was."
                )
        if self.cluster.first:
            shutil.rmtree(self._joining, ignore_errors=True)  # of a run that was killed: they will be found again
            self._write(members)
        return members

    @contextmanager
    def watching(self, members: Sequence[Member], pause: Event) -> Iterator[None]:
        """Set `pause` when partitions have been added that are to join."""
        done = Event()
        thread = Thread(target=self._watch, args=(members, pause, done), name="partitions", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def join(self, members: Sequence[Member], reached: int | None, before: int = NEVER) -> tuple[Member, ...]:
        """The members after a run that was paused.

        Parameters
        ----------
        reached
            What is closed to the partitions of this process, ns; None where it has none. Nothing is closed to the city
            that is not closed to all of them, so each of these times is late enough.
        before
            What may have been closed by a run that was killed, ns; not all of it need be closed again by now.
        """
        processes = max(1, len(self.cluster.addresses))
        _put(self._joining / f"{self.cluster.process}.json", reached)
        if not self.cluster.first:
            _wait(lambda: not self._joining.exists(), "the first process to let partitions join")
            return self._read()
        told = [self._joining / f"{process}.json" for process in range(processes)]
        _wait(lambda: all(path.exists() for path in told), "the other processes to let partitions join")
        since = min((at for path in told if (at := json.loads(path.read_bytes())) is not None), default=NEVER)
        since = max(since, before)
        new = [Member(name, since) for name in json.loads((self._joining / "names.json").read_bytes())]
        grown = (*members, *new)
        self._write(grown)
        shutil.rmtree(self._joining)
        log.warning("%s joined; readings from before %s are late in it", ", ".join(m.name for m in new), iso(since))
        return grown

    def _watch(self, members: Sequence[Member], pause: Event, done: Event) -> None:
        known = {member.name for member in members}
        if self.recovery is None and not self.cluster.first:
            return
        if not self.cluster.first:
            while not self._joining.exists():
                if done.wait(0.5):
                    return
            pause.set()
            return
        while not (new := self._new(known)):
            if self.every is None or done.wait(self.every):
                return
        log.warning("%s were added: stopping for a moment to let them join", ", ".join(new))
        _put(self._joining / "names.json", new)
        pause.set()

    def _new(self, known: set[str]) -> list[str]:
        """Partitions that are to join."""
        try:
            new = [name for name in self.source.refresh() if name not in known]
        except SourceError as error:
            log.warning("cannot look for new partitions: %s", error)
            HEALTH.trouble("source", str(error))
            return []
        HEALTH.well("source")
        if new and self.recovery is None:
            log.error("%s were added and are not read: a run that keeps no state must be restarted", ", ".join(new))
            known.update(new)
            return []
        return new

    @property
    def _list(self) -> Path:
        assert self.recovery is not None
        return self.recovery.directory / "partitions.json"

    @property
    def _joining(self) -> Path:
        assert self.recovery is not None
        return self.recovery.directory / "joining"

    def _read(self) -> tuple[Member, ...]:
        try:
            rows = json.loads(self._list.read_bytes())
            return tuple(Member(str(row["name"]), None if row["since"] is None else int(row["since"])) for row in rows)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self._list} is damaged ({error}): start with a new recovery directory") from error

    def _write(self, members: Sequence[Member]) -> None:
        _put(self._list, [{"name": member.name, "since": member.since} for member in members])


def _put(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    put(path, json.dumps(content).encode())


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise StateError(f"waited {_PATIENCE:g} s for {what}: start the cluster again")
        time.sleep(0.05)
