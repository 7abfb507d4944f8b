"""Read the text files that people write: UTF-8, a byte order mark and any line ends tolerated."""

from __future__ import annotations

from pathlib import Path

from domain.validation import Place, Problems

__all__ = ["read_text"]


def read_text(path: Path, problems: Problems) -> str | None:
    """The text of a file; None, and the problem noted, when it cannot be read as text."""
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        problems.add(Place(path.name), "", f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        message = f"expected text in UTF-8, got the byte 0x{data[error.start]:02x} at column {column}"
        problems.add(Place(path.name, line, f"line {line}"), "", message)
    return None
