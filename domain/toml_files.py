"""TOML with places: which line an entry, or a field in it, stands on; and the little of TOML that we write."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from domain.text_files import read_text
from domain.validation import Place, Problems

__all__ = ["Array", "Document", "Table", "read_toml", "table"]

_HEADER: Final = re.compile(r"\s*(\[\[?)\s*([^\]\[]+?)\s*\]")
_AT: Final = re.compile(r"\s*\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True)
class Document:
    """A parsed file with its lines."""

    file: str
    data: dict[str, Any]
    lines: list[str]

    def place(self, number: int = 0, field: str = "") -> Place:
        """The place of a field that stands above every table."""
        end = next((i for i, line in enumerate(self.lines) if line.lstrip().startswith("[")), len(self.lines))
        line = self.line_of(field, 0, end)
        return Place(self.file, line, f"line {line}" if line else "")

    def line_of(self, key: str, start: int, end: int) -> int:
        """The line (from 1) that sets a key among `lines[start:end]`, or 0 when that cannot be told."""
        pattern = re.compile(rf"\s*(\[+\s*)?([\w-]+\s*\.\s*)*{re.escape(key)}\s*[=\]]")
        at = [i + 1 for i in range(start, end) if pattern.match(self.lines[i])] if key else []
        return at[0] if len(at) == 1 else 0

    def spans(self, name: str) -> list[tuple[int, int]]:
        """For each `[name]` or `[[name]]`, the lines from its header up to the next that is no part of it."""
        headers = [(i, match[2]) for i, line in enumerate(self.lines) if (match := _HEADER.match(line))]
        outside = [i for i, title in headers if not title.startswith(f"{name}.")] + [len(self.lines)]
        return [(i, next(end for end in outside if end > i)) for i, title in headers if title == name]


class Array:
    """The entries `[[name]]` of a document."""

    def __init__(self, document: Document, name: str) -> None:
        self.document, self.name = document, name
        entries = document.data.get(name)
        self.entries: list[Any] = entries if isinstance(entries, list) else []
        self._spans = document.spans(name)

    def place(self, number: int, field: str = "") -> Place:
        """Where entry `number` (from 0) stands, with its id or name."""
        entry = self.entries[number]
        named = (entry.get(key) for key in ("id", "name", "type")) if isinstance(entry, dict) else ()
        title = next((f' "{text[:80]}"' for text in named if isinstance(text, str)), "")
        where = f"{self.name} {number + 1}{title}"
        if len(self._spans) != len(self.entries):  # written inline, or a header inside a text
            return Place(self.document.file, 0, where)
        start, end = self._spans[number]
        line = self.document.line_of(field, start + 1, end) or start + 1
        return Place(self.document.file, line, f"{where} (line {line})")


class Table:
    """The single table `[name]` of a document."""

    def __init__(self, document: Document, name: str) -> None:
        self.document, self.name = document, name
        self._spans = document.spans(name)

    def place(self, number: int = 0, field: str = "") -> Place:
        """Where it stands."""
        if len(self._spans) != 1:
            return Place(self.document.file, 0, f"[{self.name}]")
        start, end = self._spans[0]
        line = self.document.line_of(field, start + 1, end) or start + 1
        return Place(self.document.file, line, f"[{self.name}] (line {line})")


def read_toml(path: Path, problems: Problems) -> Document | None:
    """Parse a file; None, and the problem noted, when that fails."""
    text = read_text(path, problems)
    if text is None:
        return None
    try:
        return Document(path.name, tomllib.loads(text), text.replace("\r\n", "\n").split("\n"))
    except RecursionError:
        problems.add(Place(path.name), "", "expected TOML, got lists or tables nested too deeply")
    except ValueError as error:
        message = str(error)
        at = _AT.search(message)
        line = int(at[1]) if at else 0
        where = f"line {at[1]}, column {at[2]}" if at else ""
        problems.add(Place(path.name, line, where), "", f"expected TOML, got an error: {_AT.sub('', message)[:200]}")
    return None


def table(header: str, fields: Mapping[str, Any]) -> str:
    """TOML text of one table under its header (`[name]`, `[[name]]` or none), the tables in it after its values."""
    return "\n".join(_lines(header, fields)) + "\n"


def _lines(header: str, fields: Mapping[str, Any]) -> Iterator[str]:
    if header:
        yield header
    for key, value in fields.items():
        if not isinstance(value, Mapping):
            yield f"{_key(key)} = {_value(value)}"
    name = header.strip("[]")
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _lines(f"[{name}.{_key(key)}]" if name else f"[{_key(key)}]", value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, except that TOML refuses a bare DEL and knows no surrogate pairs.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _text(value)
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"TOML cannot hold {value!r}")
