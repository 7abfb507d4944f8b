"""The texts that a file holds: itself, plain or compressed, or the members of an archive."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, cast

__all__ = ["UNREADABLE", "natural", "texts_of"]

#: What reading such a file raises when it is damaged, or not there.
UNREADABLE: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile)


def texts_of(path: Path) -> list[tuple[str, Callable[[], BinaryIO]]]:
    """Name and opener of each text in a plain, .gz or .zip file, which is told by its first bytes.

    A single text has the file's own name; members of an archive go by name, 2 before 10. What reading raises is passed
    on: `UNREADABLE`.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PK\x03\x04":
        with zipfile.ZipFile(path) as archive:
            members = [item.filename for item in archive.infolist() if not item.is_dir() and item.file_size]
        members = sorted((member for member in members if not member.startswith("__MACOSX/")), key=natural)
        names = [path.name] if len(members) == 1 else [f"{path.name}/{member}" for member in members]
        return [(name, partial(_zip_member, path, member)) for name, member in zip(names, members, strict=True)]
    opened = partial(gzip.open, path) if magic[:2] == b"\x1f\x8b" else partial(path.open, "rb")
    return [(path.name, cast("Callable[[], BinaryIO]", opened))]


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key in which the numbers inside a name count as numbers.

    >>> sorted(["b10", "b2"], key=natural)
    ['b2', 'b10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _zip_member(path: Path, member: str) -> BinaryIO:
    """One member of an archive, which is let go of together with it."""
    archive = zipfile.ZipFile(path)
    file = archive.open(member)
    archive.close()  # the member keeps the file open for itself
    return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", file)))
