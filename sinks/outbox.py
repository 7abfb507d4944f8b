"""The outbox: results on their way to a receiver that may be slow, away, full, or of another mind.

One thread sends parcels in the order in which they came, while the flow goes on computing. What a flow has put in is
safe once `flush` returns: delivered, or on disk where a restart finds it. So the flow, and with it what is on its way
to other receivers, never waits for one that is away; it waits when neither memory nor disk has room for more.
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
from typing import Final, Generic, TypeVar

from domain import metrics
from domain.errors import LifelineError, SinkError, SinkRefused, StateError
from domain.health import HEALTH
from sinks.spool import Parcel, Spool, size_of

__all__ = ["Entry", "Outbox"]

log = logging.getLogger(__name__)

#: Bytes that wait in memory.
MEMORY: Final = 32 << 20

#: Seconds for which the flow waits for a slow receiver before what waits is put on disk.
GRACE: Final = 1.0

#: Seconds for which a run that was told to stop waits for a receiver, where there is no disk to put things on.
DEADLINE: Final = 10.0

#: Seconds before a failed parcel is tried again: they double, up to the last.
PAUSES: Final = (0.1, 30.0)

#: Seconds for which a run that is over waits for one parcel to be taken: by who is in trouble, and by who is slow.
PATIENCE: Final = 5.0
SLOWEST: Final = 60.0

#: Seconds between two words about one trouble.
QUIET: Final = 10.0

P = TypeVar("P", bound=Parcel)


@dataclass(slots=True, eq=False)
class Entry(Generic[P]):
    """A parcel that waits."""

    since: float  # when it was put in, Unix time
    size: int = 0  # bytes in memory
    parcel: P | None = None  # in memory, and not delivered yet
    path: Path | None = None  # on disk
    delivered: bool = False


class Outbox(Generic[P]):
    """Sends parcels to one receiver; a class of its own says how (`deliver`).

    Attributes
    ----------
    stands
        Seconds of silence after which `stand` is called; None: never.
    leave
        Seconds that an attempt under way has to end when the run does.

    Parameters
    ----------
    name
        Of the receiver, for people.
    label
        Of the receiver, in metrics.
    spool
        Where parcels wait that cannot be sent in time; None: they wait in memory, and the flow with them.
    stop
        Set when the run is to end.
    memory, grace, pauses
        See the constants of this module.
    """

    stands: float | None = None
    leave: float = 5.0

    def __init__(
        self,
        name: str,
        label: str,
        spool: Spool[P] | None = None,
        stop: threading.Event | None = None,
        *,
        memory: int = MEMORY,
        grace: float = GRACE,
        pauses: tuple[float, float] = PAUSES,
    ) -> None:
        self.name, self._label, self._spool = name, label, spool
        self._stop = stop or threading.Event()
        self._memory, self._grace, self._pauses = memory, grace, pauses
        self._changed = threading.Condition()
        self._spooling = threading.Lock()
        # The oldest first; those on disk come before those in memory.
        self._entries: deque[Entry[P]] = deque(Entry(path.stat().st_mtime, path=path) for path in _found(spool))
        self._on_disk = len(self._entries)
        self._bytes = 0  # in memory
        self._put = self._safe = 0  # so many parcels came, so many of them are safe
        self._trying: float | None = None  # when the oldest was first tried
        self._troubled: float | None = None  # since when it takes nothing
        self._full_until = 0.0  # when to ask the disk again
        self._said: tuple[object, float] = None, 0.0  # about what, and when
        self._failure: LifelineError | None = None
        self._ending = self._closing = False
        self._random = random.Random()  # never the same in two processes, so that they do not knock together
        self._thread = threading.Thread(target=self._run, name=f"outbox {label}", daemon=True)
        self._watch()
        if self._entries:
            log.info("%d parcels of an earlier run wait for %s", len(self._entries), name)
        self._thread.start()

    # ---- the flow's side

    def put(self, parcel: P) -> None:
        """Take a parcel; waits only where there is no room. Raises what has ended the outbox."""
        size = size_of(parcel)
        self._until(lambda: not self._bytes or self._bytes + size <= self._memory)
        with self._changed:
            self._entries.append(Entry(time.time(), size, parcel))
            self._bytes += size
            self._put += 1
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all that was put in is delivered or on disk. Raises what has ended the outbox."""
        upto = self._put
        self._until(lambda: self._safe >= upto)

    def close(self, *, wait: bool = True) -> None:
        """End it. With `wait`, what waits is sent first, as long as it is taken."""
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
        self._thread.join(self._grace + self.leave)
        if left and self._spool is not None:
            log.warning(
                "%d parcels (%d bytes) wait for %s in %s: the next start sends them",
                left, self._spool.size, self.name, self._spool.folder,
            )  # fmt: skip
        self._unwatch()

    @property
    def ready(self) -> bool:
        """Whether what is sent is taken."""
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
        """Seconds since the oldest parcel was first tried."""
        since = self._trying
        return 0.0 if since is None else time.monotonic() - since

    def _to_disk(self) -> None:
        """Put what waits in memory on disk, the oldest first, as far as there is room."""
        assert self._spool is not None
        with self._spooling:
            with self._changed:
                waiting = [entry for entry in self._entries if entry.parcel is not None]
            written: list[tuple[Entry[P], Path]] = []
            try:
                for entry in waiting:
                    parcel = entry.parcel
                    if parcel is None:  # delivered meanwhile
                        continue
                    path = self._spool.write(parcel)
                    if path is None:
                        self._no_room("it is as large as it may be")
                        break
                    written.append((entry, path))
            except OSError as error:
                self._no_room(str(error))
            with self._changed:
                for entry, path in written:
                    if entry.delivered:
                        self._spool.remove(path)
                        continue
                    entry.parcel, entry.path = None, path
                    self._on_disk += 1
                    self._bytes -= entry.size
                    self._safe += 1
                self._changed.notify_all()

    def _no_room(self, why: str) -> None:
        self._full_until = time.monotonic() + self._grace
        self._say("spool", "nothing more goes into the spool: %s. The flow waits for %s", why, self.name)

    # ---- the thread's side

    def deliver(self, parcel: P) -> None:
        """Send one. Raises SinkError where it is to be tried again, SinkRefused where the run must end."""
        raise NotImplementedError

    def stand(self) -> None:
        """Say again what still stands, where nothing has been sent for `stands` seconds. Raises as `deliver` does."""

    def disconnect(self) -> None:
        """What is done last, by the thread that delivers."""

    def _run(self) -> None:
        try:
            self._work()
        except SinkRefused as error:
            self._fail(error)
        except Exception as error:
            log.exception("the outbox for %s has failed", self.name)
            self._fail(SinkError(f"the outbox for {self.name} has failed: {error!r}"))
        finally:
            self.disconnect()

    def _work(self) -> None:
        failures = 0
        while not self._closing:
            entry = self._next()
            try:
                if entry is not None:
                    self._deliver(entry)
                elif not self._closing:
                    self.stand()
            except SinkRefused:
                raise
            except SinkError as error:
                failures += 1
                self._rest(error, failures)
            else:
                failures = 0
                self._done(entry)

    def _next(self) -> Entry[P] | None:
        """The oldest parcel; None when there is none for as long as that is worth a word, or when it is time to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._closing, self.stands)
            if self._closing or not self._entries:
                return None
            entry = self._entries[0]
            if self._trying is None:
                self._trying = time.monotonic()
            return entry

    def _deliver(self, entry: Entry[P]) -> None:
        with self._changed:
            parcel, path = entry.parcel, entry.path
        if parcel is None:
            assert self._spool is not None
            assert path is not None
            try:
                parcel = self._spool.read(path)
            except StateError as error:
                log.error("%s; it is kept as %s", error, self._spool.set_aside(path))  # noqa: TRY400
                return
        self.deliver(parcel)

    def _done(self, entry: Entry[P] | None) -> None:
        with self._changed:
            if entry is not None:
                self._entries.popleft()
                self._gone(entry)
            self._trying = None
            if self._troubled is not None:
                log.info("%s takes results again, after %.0f s", self.name, time.monotonic() - self._troubled)
                self._troubled = None
                metrics.SINK_UP.labels(self._label).set(1)
                HEALTH.well(self.name)
            self._changed.notify_all()
        if entry is not None and entry.path is not None and self._spool is not None:
            self._spool.remove(entry.path)

    def _gone(self, entry: Entry[P]) -> None:
        """An entry waits no longer."""
        entry.delivered = True
        if entry.path is None:
            entry.parcel = None
            self._bytes -= entry.size
            self._safe += 1
        else:
            self._on_disk -= 1

    def _rest(self, error: SinkError, failures: int) -> None:
        """Wait before the next try: longer each time, and never just as long as everybody else."""
        metrics.SINK_RETRIES.labels(self._label).inc()
        if self._troubled is None:
            self._troubled = time.monotonic()
            metrics.SINK_UP.labels(self._label).set(0)
        HEALTH.trouble(self.name, str(error))
        disk = self._spool.size if self._spool is not None else 0
        self._say(
            (type(error.__cause__), getattr(error.__cause__, "code", None)),
            "%s. Trying again; %d bytes wait in memory, %d on disk",
            error,
            self._bytes,
            disk,
        )
        first, longest = self._pauses
        pause = min(longest, first * 2.0 ** min(failures - 1, 30)) * self._random.uniform(0.5, 1.0)
        pause = max(pause, error.after)
        with self._changed:
            ending = self._ending
            self._changed.wait_for(lambda: self._closing or self._ending != ending, pause)

    def _fail(self, error: LifelineError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
        HEALTH.trouble(self.name, str(error))
        metrics.SINK_UP.labels(self._label).set(0)

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
        metrics.SINK_UP.labels(self._label).set(1)
        metrics.OUTBOX_BYTES.labels(self._label, "memory").set_function(lambda: self._bytes)
        metrics.OUTBOX_BYTES.labels(self._label, "disk").set_function(lambda: self._spool.size if self._spool else 0)
        metrics.OUTBOX_AGE.labels(self._label).set_function(self._oldest)

    def _unwatch(self) -> None:
        HEALTH.well(self.name)
        disk = self._spool.size if self._spool else 0
        metrics.OUTBOX_BYTES.labels(self._label, "memory").set_function(lambda: 0)
        metrics.OUTBOX_BYTES.labels(self._label, "disk").set_function(lambda: disk)
        metrics.OUTBOX_AGE.labels(self._label).set_function(lambda: 0.0)


def _found(spool: Spool[P] | None) -> Sequence[Path]:
    return spool.found if spool is not None else ()
