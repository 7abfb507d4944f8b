"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["UNFINISHED", "put"]

#: What a file's name ends in while it is written: one that is found with it was never finished.
UNFINISHED = ".tmp"


def put(path: Path, content: Any) -> None:
    """Write a file so that whoever finds it finds all of it, after a crash and after a loss of power.

    Parameters
    ----------
    path
        In a folder that exists; a file that is there already is replaced.
    content
        Bytes, or what shows its memory as bytes.

    Raises OSError; then nothing is there that was not before.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)  # the name of a file is safe when its folder is
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
