"""Parcels on disk: what waits for a receiver that is away, so that a restart finds it again.

One file is one parcel: a line of JSON that says what it is, and its bytes. A file is there as a whole or not at all.
Files are numbered, so that the oldest is sent first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

from domain.errors import StateError

__all__ = ["Parcel", "Spool", "size_of"]

#: Files that are kept for somebody to look at, of each kind.
KEPT: Final = 1000

_FORMAT: Final = 1


class Parcel(Protocol):
    """What is sent as one."""

    @property
    def runs(self) -> Sequence[bytes | memoryview]:
        """Its bytes, as they follow each other."""

    @property
    def head(self) -> dict[str, Any]:
        """What else there is to know of it, for JSON."""


P = TypeVar("P", bound=Parcel)


def size_of(parcel: Parcel) -> int:
    """Its bytes, in number."""
    return sum(map(len, parcel.runs))


class Spool(Generic[P]):
    """The parcels of one process in a folder. A class of its own says what they are: `suffix` and `parcel`.

    Parameters
    ----------
    folder
        Of this process; made when it is needed.
    limit
        Bytes that it may hold.
    adopt
        Folders of processes that are there no more: their parcels count as ours.
    """

    suffix: ClassVar[str]  # of its files

    def __init__(self, folder: Path, limit: int, adopt: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._limit = limit
        for place in (folder, *adopt):
            for unfinished in place.glob("*.tmp"):  # its epoch never ended: it will come again
                unfinished.unlink()
        found = [path for place in (folder, *adopt) for path in place.glob(f"*{self.suffix}")]
        #: Parcels of earlier runs, the oldest first.
        self.found = sorted(found, key=lambda path: (path.name, path.parent.name))
        self._next = max((int(path.stem) for path in found), default=0) + 1
        self._sizes = {path: path.stat().st_size for path in found}
        self._bytes = sum(self._sizes.values())
        self._lock = Lock()  # one thread writes, another removes

    @classmethod
    def of_process(cls, root: Path, limit: int, process: int = 0, processes: int = 1) -> Self:
        """The spool of one of several processes; the first takes over what processes have left that are no more."""
        left = [path for path in root.glob("[0-9]*") if int(path.name) >= processes] if process == 0 else []
        return cls(root / str(process), limit, sorted(left))

    def parcel(self, head: Mapping[str, Any], data: bytes) -> P:
        """A parcel from what was written of it; raises KeyError, TypeError or ValueError for what is none."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._bytes

    def write(self, parcel: P) -> Path | None:
        """Keep a parcel where a loss of power does not reach it; None where there is no room. Raises OSError."""
        length = size_of(parcel)
        head = json.dumps({"format": _FORMAT, "bytes": length, **parcel.head}).encode() + b"\n"
        size = len(head) + length
        if self._bytes + size > self._limit:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self._next:016d}{self.suffix}"
        unfinished = path.with_suffix(".tmp")
        try:
            with unfinished.open("wb") as file:
                file.write(head)
                file.writelines(parcel.runs)
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

    def read(self, path: Path) -> P:
        """Read a parcel back; raises StateError for a file that is damaged, or of another version."""
        try:
            head, _, data = path.read_bytes().partition(b"\n")
            said = json.loads(head)
            if said["format"] != _FORMAT:
                raise ValueError(f"it has format {said['format']}, this Lifeline reads {_FORMAT}")
            if len(data) != said["bytes"]:
                raise ValueError(f"{len(data)} of {said['bytes']} bytes are there")
            return self.parcel(said, data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path} cannot be used: {error}") from error

    def remove(self, path: Path) -> None:
        """Forget a parcel that has arrived."""
        path.unlink(missing_ok=True)
        self._forget(path)

    def set_aside(self, path: Path, where: str = "damaged") -> Path:
        """Keep a file out of the way, for somebody to look at; the oldest that were kept so make room."""
        aside = path.parent / where
        aside.mkdir(exist_ok=True)
        for old in sorted(aside.glob(f"*{self.suffix}"))[: 1 - KEPT]:
            old.unlink()
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
