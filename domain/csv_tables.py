"""Tables of one dataclass as CSV: the fields are the columns, an empty cell stands for the default."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

from domain.text_files import read_text
from domain.validation import Entry, Place, Problems, did_you_mean, validated

__all__ = ["read_table", "write_table"]

T = TypeVar("T")


class _Rows:
    def __init__(self, file: str) -> None:
        self.file: Final = file

    def place(self, number: int, field: str = "") -> Place:
        return Place(self.file, number, f"row {number}")


def read_table(path: Path, of: type[T], problems: Problems, ids: set[str]) -> list[Entry[T]] | None:
    """Read the valid rows of a table and note what is wrong with the others.

    None when the table as a whole cannot be read.

    Parameters
    ----------
    path
        A CSV file with commas and a header.
    of
        A dataclass with a field `id`, its fields' types known to pydantic.
    ids
        Takes the ids of all rows, the invalid ones too, so that a reference to one is not reported as unknown.
    """
    text = read_text(path, problems)
    if text is None:
        return None
    rows = _Rows(path.name)
    names = [field.name for field in fields(of)]  # type: ignore[arg-type]
    parse = TypeAdapter(of).validate_strings
    found: list[Entry[T]] = []
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        header = next(lines, [])
        if not _header_fits(header, of, names, Place(path.name, 1, "row 1"), problems):
            return None
        start = lines.line_num + 1
        for cells in lines:
            number, start = start, lines.line_num + 1
            if not cells:
                continue
            row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
            ids.add(row.get("id", ""))
            if len(cells) != len(header):
                problems.add(rows.place(number), "", f"expected {len(header)} cells, got {len(cells)}")
            elif (entry := validated(parse, rows, number, row, names, problems)) is not None:
                found.append(entry)
    except csv.Error as error:
        problems.add(rows.place(start), "", f"expected comma-separated values, got a broken row: {error}")
        return None
    return found


def _header_fits(header: Sequence[str], of: Any, names: Sequence[str], place: Place, problems: Problems) -> bool:
    before = len(problems)
    if not any(header):
        problems.add(place, "", f"expected a header with the columns {', '.join(names)}, got nothing")
        return False
    for i, name in enumerate(header):
        if name not in names:
            hint = did_you_mean(name, names)
            problems.add(place, name[:80], f"unknown column{hint}; known columns are {', '.join(names)}")
        elif name in header[:i]:
            problems.add(place, name, "expected each column once, got it twice")
    for field in fields(of):
        if field.default is MISSING and field.name not in header:
            problems.add(place, field.name, "expected this column, got none: it is required")
    return len(problems) == before


def write_table(path: Path, items: Iterable[object], of: type[Any]) -> None:
    """Write dataclass instances as a table that `read_table` reads back; defaults become empty cells."""
    columns = [(field.name, field.default) for field in fields(of)]
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(name for name, _ in columns)
        out.writerows([_cell(getattr(item, name), default) for name, default in columns] for item in items)


def _cell(value: object, default: object) -> str:
    if value == default:
        return ""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
