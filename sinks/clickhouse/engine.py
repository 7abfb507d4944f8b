"""Handles into the embedded engine for many requests at once, and sessions.

chdb allows any number of handles to the one engine of a process; each has settings, a database and temporary tables of
its own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import chdb

from domain.errors import SinkError
from sinks.clickhouse.client import Dsn
from sinks.clickhouse.protocol import Unsupported

__all__ = ["Engine"]

#: Requests that run at once, and sessions that are kept.
MAX_RUNNING: Final = 16
MAX_SESSIONS: Final = 100


class Engine:
    """The embedded engine of one directory. One handle is held open, so that the engine stays up between requests.

    Raises SinkError when another process holds the directory.
    """

    def __init__(self, target: Dsn) -> None:
        if target.path != ":memory:":
            Path(target.path).mkdir(parents=True, exist_ok=True)
        # The spelling that the client library uses as well: the engine compares paths letter by letter.
        self.path = target.path if target.path == ":memory:" else os.path.realpath(target.path)
        self.running = threading.BoundedSemaphore(MAX_RUNNING)
        self._kept = 0  # permits to run that are given to nobody any more
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()
        try:
            self._keeper = self.open()
        except RuntimeError as error:
            raise SinkError(f"cannot open the embedded database {target.path}: {error}") from error
        rows = self._keeper.query("SELECT timezone(), version()", "TSV").bytes().decode()
        self.timezone, self.version = rows.rstrip("\n").split("\t")

    def open(self) -> Any:
        """A new handle."""
        return chdb.connect(self.path)

    @contextmanager
    def handle(self, session: tuple[str, str] | None, lifetime: float, stateful: bool, check: bool) -> Iterator[Any]:
        """A fresh handle; or a session's own, once something was done in it that later requests must see."""
        found = self._session(session, lifetime, stateful, check) if session else None
        if found is None:
            handle = self.open()
            try:
                yield handle
            finally:
                handle.close()
            return
        try:
            yield found.handle
        finally:
            found.used = time.monotonic()
            found.busy.release()

    def _session(self, key: tuple[str, str], lifetime: float, stateful: bool, check: bool) -> _Session | None:
        with self._lock:
            now = time.monotonic()
            for name, old in list(self._sessions.items()):
                if now - old.used > old.lifetime and old.busy.acquire(blocking=False):
                    self._sessions.pop(name).handle.close()
            found = self._sessions.get(key)
            if found is None:
                if check:
                    raise Unsupported(372, "SESSION_NOT_FOUND", "Session not found")
                if not stateful:
                    return None
                if len(self._sessions) >= MAX_SESSIONS:
                    raise Unsupported(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "Too many sessions")
                found = self._sessions[key] = _Session(self.open(), now, lifetime)
            if not found.busy.acquire(blocking=False):
                raise Unsupported(373, "SESSION_IS_LOCKED", f"Session {key[1]} is locked by a concurrent client")
            return found

    def drained(self, seconds: float, *, cancel: bool = False) -> bool:
        """Whether no request runs any more, after so long at most; then no other will.

        `cancel` ends all queries of the process meanwhile.
        """
        deadline = time.monotonic() + seconds
        while self._kept < MAX_RUNNING:
            if cancel:
                self._keeper.query("KILL QUERY WHERE 1 ASYNC")
            if self.running.acquire(timeout=0.1):
                self._kept += 1
            elif time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Close every handle. While a request runs the engine would crash, or wait for ever: see `drained`."""
        with self._lock:
            for session in self._sessions.values():
                session.handle.close()
            self._sessions.clear()
            self._keeper.close()


@dataclass(slots=True)
class _Session:
    handle: Any
    used: float
    lifetime: float
    busy: threading.Lock = field(default_factory=threading.Lock)
