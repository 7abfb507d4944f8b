"""How far panes may have been closed, noted before they are: what a crash leaves behind says what was written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from threading import Lock

from domain.clock import NEVER
from domain.errors import StateError

__all__ = ["HighWater"]


class HighWater:
    """The largest watermark that a partition has told to a shard. May be used by several workers.

    After a crash the engine repeats some of its work: blocks are there that its state knows nothing of. Who joins the
    stream then must not change them. After a clean end the state knows of all, and the mark is forgotten.

    Parameters
    ----------
    folder
        Where the processes of a run keep their marks; None: nothing is kept.
    process
        Number of this process.

    Attributes
    ----------
    before
        What a run that was killed may have closed, ns; NEVER: there was none.

    Raises
    ------
    StateError
        Where a mark cannot be read.
    """

    def __init__(self, folder: Path | None = None, process: int = 0) -> None:
        self._folder, self._process = folder, process
        self._lock = Lock()
        marks = map(_read, sorted(folder.glob("*.mark"))) if folder is not None else ()
        self.before = self._mark = max(marks, default=NEVER)

    def reach(self, watermark: int) -> None:
        """Called before anybody hears of a watermark (ns)."""
        if self._folder is None or watermark <= self._mark:
            return
        with self._lock:
            if watermark > self._mark:
                self._mark = watermark
                _write(self._folder / f"{self._process}.mark", watermark)

    def forget(self) -> None:
        """The run has ended in order: all that is closed is in its state."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _write(path: Path, mark: int) -> None:
    """Over what is there, in a single call: a kill leaves the one mark or the other."""
    path.parent.mkdir(exist_ok=True)
    file = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.pwrite(file, b"%20d" % mark, 0)
    finally:
        os.close(file)


def _read(path: Path) -> int:
    text = path.read_bytes()
    try:
        return int(text) if text else NEVER  # killed before the first mark
    except ValueError as error:
        raise StateError(f"{path} is damaged ({error}): bring back a backup of the whole directory") from error
