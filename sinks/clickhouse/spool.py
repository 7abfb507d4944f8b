"""Inserts on disk: what waits for a database that is away, so that a restart finds it again.

One file is one insert: a line of JSON that says what it is, and its Native block. A file is there as a whole or not at
all. Files are numbered, so that the oldest is sent first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from domain.errors import StateError
from sinks.clickhouse.insert import Insert

__all__ = ["Spool"]

_SUFFIX: Final = ".insert"
_FORMAT: Final = 1


class Spool:
    """The inserts of one process in a folder.

    Parameters
    ----------
    folder
        Of this process; made when it is needed.
    limit
        Bytes that it may hold.
    adopt
        Folders of processes that are there no more: their inserts count as ours.
    """

    def __init__(self, folder: Path, limit: int, adopt: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._limit = limit
        for place in (folder, *adopt):
            for unfinished in place.glob("*.tmp"):  # its epoch never ended: it will come again
                unfinished.unlink()
        found = [path for place in (folder, *adopt) for path in place.glob(f"*{_SUFFIX}")]
        #: Inserts of earlier runs, the oldest first.
        self.found = sorted(found, key=lambda path: (path.name, path.parent.name))
        self._next = max((int(path.stem) for path in found), default=0) + 1
        self._sizes = {path: path.stat().st_size for path in found}
        self._bytes = sum(self._sizes.values())
        self._lock = Lock()  # one thread writes, another removes

    @classmethod
    def of_process(cls, root: Path, limit: int, process: int = 0, processes: int = 1) -> Spool:
        """The spool of one of several processes; the first takes over what processes have left that are no more."""
        left = [path for path in root.glob("[0-9]*") if int(path.name) >= processes] if process == 0 else []
        return cls(root / str(process), limit, sorted(left))

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return self._bytes

    def write(self, insert: Insert) -> Path | None:
        """Keep an insert where a loss of power does not reach it; None where there is no room. Raises OSError."""
        said = {"format": _FORMAT, "bytes": len(insert.data)}
        said |= {name: getattr(insert, name) for name in ("table", "columns", "rows", "token")}
        head = json.dumps(said).encode() + b"\n"
        size = len(head) + len(insert.data)
        if self._bytes + size > self._limit:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self._next:016d}{_SUFFIX}"
        unfinished = path.with_suffix(".tmp")
        try:
            with unfinished.open("wb") as file:
                file.write(head)
                file.write(insert.data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
            self._sync()
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise
        self._next += 1
        with self._lock:
            self._sizes[path] = size
            self._bytes += size
        return path

    def read(self, path: Path) -> Insert:
        """Read an insert back; raises StateError for a file that is damaged, or of another version."""
        try:
            head, _, data = path.read_bytes().partition(b"\n")
            said = json.loads(head)
            if said["format"] != _FORMAT:
                raise ValueError(f"it has format {said['format']}, this Lifeline reads {_FORMAT}")
            insert = Insert(said["table"], tuple(said["columns"]), said["rows"], said["token"], data)
            if len(data) != said["bytes"]:
                raise ValueError(f"{len(data)} of {said['bytes']} bytes are there")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} cannot be used: {error}") from error
        return insert

    def remove(self, path: Path) -> None:
        """Forget an insert that was stored."""
        path.unlink(missing_ok=True)
        self._forget(path)

    def set_aside(self, path: Path) -> Path:
        """Keep a file out of the way, for somebody to look at."""
        aside = path.parent / "damaged"
        aside.mkdir(exist_ok=True)
        self._forget(path)
        return path.rename(aside / path.name)

    def _forget(self, path: Path) -> None:
        with self._lock:
            self._bytes -= self._sizes.pop(path, 0)

    def _sync(self) -> None:
        """The name of a file is safe when its folder is."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
