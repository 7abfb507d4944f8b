"""The outbox: results on their way to a database that may be slow, away, full, or of another mind.

One thread sends inserts in the order in which they came, while the flow goes on computing. What a flow has put in is
safe once `flush` returns: stored, or on disk where a restart finds it. So the flow, and with it the alerts on their way
to other sinks, never waits for a database that is away; it waits when neither memory nor disk has room for more.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from domain import metrics
from domain.errors import LifelineError, SinkError, SinkRefused, StateError
from domain.health import HEALTH
from domain.records import DeadLetter
from sinks.clickhouse.client import code_of
from sinks.clickhouse.insert import Insert
from sinks.clickhouse.refused import salvage
from sinks.clickhouse.spool import Spool

__all__ = ["Outbox"]

log = logging.getLogger(__name__)

#: Bytes that wait in memory.
MEMORY: Final = 32 << 20

#: Seconds for which the flow waits for a slow database before what waits is put on disk.
GRACE: Final = 1.0

#: Seconds for which a run that was told to stop waits for a database, where there is no disk to put things on.
DEADLINE: Final = 10.0

#: Seconds before a failed insert is tried again: they double, up to the last.
PAUSES: Final = (0.1, 30.0)

#: Seconds for which a run that is over waits for one insert to be taken: by a database in trouble, and by a slow one.
PATIENCE: Final = 5.0
SLOWEST: Final = 60.0

#: Seconds between two words about one trouble.
QUIET: Final = 10.0

_PART: Final = "ClickHouse"  # what /readyz calls it

# The schema is gone: nothing that could be done without it would be right.
_NO_SCHEMA: Final = frozenset({60, 81})


@dataclass(slots=True, eq=False)
class _Entry:
    since: float  # when it was put in, Unix time
    size: int = 0  # bytes in memory
    insert: Insert | None = None  # in memory, and not stored yet
    path: Path | None = None  # on disk
    stored: bool = False


class Outbox:
    """Sends inserts to one database.

    Parameters
    ----------
    connect
        Opens a connection to a database that has the schema; tried again like everything else.
    letters
        Encodes dead letters: the rows that the database refuses.
    spool
        Where inserts wait that cannot be sent in time; None: they wait in memory, and the flow with them.
    stop
        Set when the run is to end.
    memory, grace, pauses
        See the constants of this module.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        letters: Callable[[Sequence[DeadLetter]], Insert],
        spool: Spool | None = None,
        stop: threading.Event | None = None,
        *,
        memory: int = MEMORY,
        grace: float = GRACE,
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        self._connect, self._letters, self._spool = connect, letters, spool
        self._stop = stop or threading.Event()
        self._memory, self._grace, self._pauses = memory, grace, pauses
        self._client: Client | None = None
        self._changed = threading.Condition()
        self._spooling = threading.Lock()
        # The oldest first; those on disk come before those in memory.
        self._entries: deque[_Entry] = deque(_Entry(path.stat().st_mtime, path=path) for path in _found(spool))
        self._on_disk = len(self._entries)
        self._bytes = 0  # in memory
        self._put = self._safe = 0  # so many inserts came, so many of them are safe
        self._trying: float | None = None  # when the oldest was first tried
        self._troubled: float | None = None  # since when the database takes nothing
        self._full_until = 0.0  # when to ask the disk again
        self._said: tuple[object, float] = None, 0.0  # about what, and when
        self._failure: LifelineError | None = None
        self._ending = self._closing = False
        self._random = random.Random()  # never the same in two processes, so that they do not knock together
        self._thread = threading.Thread(target=self._run, name="clickhouse-outbox", daemon=True)
        self._watch()
        if self._entries:
            log.info("%d inserts of an earlier run wait for ClickHouse", len(self._entries))
        self._thread.start()

    # ---- the flow's side

    def put(self, insert: Insert) -> None:
        """Take an insert; waits only where there is no room. Raises what has ended the outbox."""
        size = len(insert.data)
        self._until(lambda: not self._bytes or self._bytes + size <= self._memory)
        with self._changed:
            self._entries.append(_Entry(time.time(), size, insert))
            self._bytes += size
            self._put += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all that was put in is stored or on disk. Raises what has ended the outbox."""
        upto = self._put
        self._until(lambda: self._safe >= upto)

    def close(self, *, wait: bool = True) -> None:
        """End it. With `wait`, what is on disk is sent first, as long as the database takes it."""
        with self._changed:
            self._pauses = (self._pauses[0], min(self._pauses[1], 0.5))
            self._ending = True
            self._changed.notify_all()
            left, since = len(self._entries), time.monotonic()
            while wait and left and self._failure is None:
                if time.monotonic() - since >= (SLOWEST if self.ready else PATIENCE):
                    break
                self._changed.wait(0.5)
                if len(self._entries) < left:
                    left, since = len(self._entries), time.monotonic()
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._grace + 5.0)
        if left and self._spool is not None:
            log.warning(
                "%d inserts (%d bytes) wait for ClickHouse in %s: the next start sends them",
                left, self._spool.bytes, self._spool.folder,
            )  # fmt: skip
        self._unwatch()

    @property
    def ready(self) -> bool:
        """Whether the database takes what it is sent."""
        return self._troubled is None and self._failure is None

    def _until(self, holds: Callable[[], bool]) -> None:
        begun = time.monotonic()
        while True:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                if holds():
                    return
                waited = time.monotonic() - begun
                spool = self._spool is not None and time.monotonic() >= self._full_until
                if not spool or not (self._on_disk or max(waited, self._tried_for) >= self._grace):
                    if self._stop.is_set() and waited >= DEADLINE:
                        raise SinkError(
                            f"stopped while {self._bytes} bytes could not be stored; the next start reads them again"
                        )
                    left = self._grace - waited
                    self._changed.wait(min(left, 0.5) if left > 0 else 0.5)
                    continue
            self._to_disk()

    @property
    def _tried_for(self) -> float:
        """Seconds since the oldest insert was first tried."""
        since = self._trying
        return 0.0 if since is None else time.monotonic() - since

    def _to_disk(self) -> None:
        """Put what waits in memory on disk, the oldest first, as far as there is room."""
        assert self._spool is not None
        with self._spooling:
            with self._changed:
                waiting = [entry for entry in self._entries if entry.insert is not None]
            written: list[tuple[_Entry, Path]] = []
            try:
                for entry in waiting:
                    insert = entry.insert
                    if insert is None:  # stored meanwhile
                        continue
                    path = self._spool.write(insert)
                    if path is None:
                        self._no_room("it is as large as it may be")
                        break
                    written.append((entry, path))
            except OSError as error:
                self._no_room(str(error))
            with self._changed:
                for entry, path in written:
                    if entry.stored:
                        self._spool.remove(path)
                        continue
                    entry.insert, entry.path = None, path
                    self._on_disk += 1
                    self._bytes -= entry.size
                    self._safe += 1
                self._changed.notify_all()

    def _no_room(self, why: str) -> None:
        self._full_until = time.monotonic() + self._grace
        self._say("spool", "nothing more goes into the spool: %s. The flow waits for ClickHouse", why)

    # ---- the thread's side

    def _run(self) -> None:
        try:
            self._work()
        except SinkRefused as error:
            self._fail(error)
        except Exception as error:
            log.exception("the outbox has failed")
            self._fail(SinkError(f"the outbox has failed: {error!r}"))
        finally:
            if self._client is not None:
                self._client.close()

    def _work(self) -> None:
        failures = 0
        while (entry := self._next()) is not None:
            try:
                self._deliver(entry)
            except SinkRefused:
                raise
            except SinkError as error:
                failures += 1
                self._rest(error, failures)
            else:
                failures = 0
                self._done(entry)

    def _next(self) -> _Entry | None:
        """The oldest insert; None when it is time to end."""
        with self._changed:
            while not self._entries and not self._closing:
                self._changed.wait()
            if self._closing:
                return None
            entry = self._entries[0]
            if self._trying is None:
                self._trying = time.monotonic()
            return entry

    def _deliver(self, entry: _Entry) -> None:
        if self._client is None:
            self._client = self._connect()
        with self._changed:
            insert, path = entry.insert, entry.path
        if insert is None:
            assert self._spool is not None
            assert path is not None
            try:
                insert = self._spool.read(path)
            except StateError as error:
                log.error("%s; it is kept as %s", error, self._spool.set_aside(path))  # noqa: TRY400
                return
        try:
            insert.send(self._client)
        except SinkRefused as refusal:
            if code_of(refusal) in _NO_SCHEMA:
                raise
            self._bury(insert, refusal, self._client)

    def _bury(self, insert: Insert, refusal: SinkRefused, client: Client) -> None:
        """Store what can be stored of a refused insert, and the rest as dead letters."""
        dead = salvage(insert, refusal, lambda part: part.send(client))
        if not dead:
            return
        try:
            self._letters(dead).send(client)
        except SinkRefused as error:
            # Nothing is taken at all, so the rows are not to blame.
            raise SinkError(f"{error}; before that: {refusal}") from error
        for letter in dead:
            metrics.DEAD_LETTERS.labels(letter.partition, letter.reason).inc()
        self._say(insert.table, "ClickHouse refuses %d of %d rows: %s", len(dead), insert.rows, refusal)

    def _done(self, entry: _Entry) -> None:
        with self._changed:
            self._entries.popleft()
            entry.stored = True
            if entry.path is None:
                entry.insert = None
                self._bytes -= entry.size
                self._safe += 1
            else:
                self._on_disk -= 1
            self._trying = None
            if self._troubled is not None:
                log.info("ClickHouse takes results again, after %.0f s", time.monotonic() - self._troubled)
                self._troubled = None
                metrics.SINK_UP.labels("clickhouse").set(1)
                HEALTH.well(_PART)
            self._changed.notify_all()
        if entry.path is not None and self._spool is not None:
            self._spool.remove(entry.path)

    def _rest(self, error: SinkError, failures: int) -> None:
        """Wait before the next try: longer each time, and never just as long as everybody else."""
        metrics.SINK_RETRIES.labels("clickhouse").inc()
        if self._troubled is None:
            self._troubled = time.monotonic()
            metrics.SINK_UP.labels("clickhouse").set(0)
        HEALTH.trouble(_PART, str(error))
        disk = self._spool.bytes if self._spool is not None else 0
        self._say(code_of(error), "%s. Trying again; %d bytes wait in memory, %d on disk", error, self._bytes, disk)
        first, longest = self._pauses
        pause = min(longest, first * 2.0 ** min(failures - 1, 30)) * self._random.uniform(0.5, 1.0)
        with self._changed:
            ending = self._ending
            self._changed.wait_for(lambda: self._closing or self._ending != ending, pause)

    def _fail(self, error: LifelineError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
        HEALTH.trouble(_PART, str(error))
        metrics.SINK_UP.labels("clickhouse").set(0)

    # ---- what is told

    def _say(self, about: object, words: str, *values: object) -> None:
        before, at = self._said
        if about != before or time.monotonic() - at >= QUIET:
            self._said = about, time.monotonic()
            log.warning(words, *values)

    def _oldest(self) -> float:
        with self._changed:
            return max(0.0, time.time() - self._entries[0].since) if self._entries else 0.0

    def _watch(self) -> None:
        metrics.SINK_UP.labels("clickhouse").set(1)
        metrics.OUTBOX_BYTES.labels("memory").set_function(lambda: self._bytes)
        metrics.OUTBOX_BYTES.labels("disk").set_function(lambda: self._spool.bytes if self._spool else 0)
        metrics.OUTBOX_AGE.set_function(self._oldest)

    def _unwatch(self) -> None:
        HEALTH.well(_PART)
        disk = self._spool.bytes if self._spool else 0
        metrics.OUTBOX_BYTES.labels("memory").set_function(lambda: 0)
        metrics.OUTBOX_BYTES.labels("disk").set_function(lambda: disk)
        metrics.OUTBOX_AGE.set_function(lambda: 0.0)


def _found(spool: Spool | None) -> Sequence[Path]:
    return spool.found if spool is not None else ()
