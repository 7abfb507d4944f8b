"""Wide CSV recordings: a time column and one column a sensor, as `City.recording` describes them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from domain.clock import NEVER
from domain.errors import SourceError
from domain.recording import RecordingFormat
from domain.records import Bools, Columns, Floats, Int64s
from sources.batches import CHUNK, Batch, drop
from sources.timestamps import TimeReader

__all__ = ["OPTIONS", "read_wide_csv"]

log = logging.getLogger(__name__)

#: What `[recording.options]` may say, with what holds where it does not.
OPTIONS: Final[Mapping[str, str]] = {
    "encoding": "utf-8",
    "decimal": ".",  # decimal mark
    "missing": "",  # words, separated by |, that stand for "no reading" as an empty cell does: "NA|null"
}


def read_wide_csv(
    name: str, opened: Callable[[], BinaryIO], form: RecordingFormat, first: int = 0, chunk: int = CHUNK
) -> Iterator[Batch]:
    """Yield a file's rows from row `first` on; offsets count data rows from 0 (offset n is line n + 2 of the file).

    A row is one message; its cells that are not empty are its readings, in the order of `form.columns`. A cell that is
    not a number becomes NaN, a time that cannot be read becomes `NEVER`, and a row with too few or too many cells
    becomes one reading with both: the decoder makes dead letters of them, and nothing beside them is lost. The file
    does not tell when it was recorded: `recorded` is 0, which stands for the running maximum of event time.

    Raises SourceError where a column is missing or the file cannot be read as text.
    """
    unknown = sorted(set(form.options) - set(OPTIONS))
    if unknown:
        raise SourceError(f"[recording.options] has no {', '.join(unknown)}; known are {', '.join(OPTIONS)}")
    return drop(_chunks(name, opened, form, chunk), first, name)


def _chunks(name: str, opened: Callable[[], BinaryIO], form: RecordingFormat, chunk: int) -> Iterator[Batch]:
    options = {**OPTIONS, **form.options}
    reading = csv.ReadOptions(use_threads=False, block_size=chunk, encoding=options["encoding"])
    malformed: deque[int] = deque()  # rows with too few or too many cells; the parser is ahead of the blocks it yields

    def skip(row: csv.InvalidRow) -> str:
        malformed.append(row.number - 2)
        return "skip"

    parsing = csv.ParseOptions(delimiter=form.delimiter, ignore_empty_lines=False, invalid_row_handler=skip)
    with opened() as file:
        columns = _columns_of(name, _header(name, file, reading, parsing), form)
    malformed.clear()
    wanted = [form.time, *columns]
    converting = csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        strings_can_be_null=False,
        check_utf8=False,  # a broken cell is a dead letter, not the end
    )
    sensors = tuple(columns.values())
    times = TimeReader(form.format, form.timezone, form.rate)
    missing = pa.array(["", *(word for word in options["missing"].split("|") if word)])
    row = 0
    with opened() as file:
        try:
            for block in csv.open_csv(file, reading, parsing, converting):
                ts = times.read(block.column(0))
                value, present = _values(block.columns[1:], missing, options["decimal"])
                place, end = _places(len(ts), row, malformed)
                yield _batch(name, sensors, row, end, place, ts, value, present)
                row = end
                while malformed and malformed[0] < row:
                    malformed.popleft()
        except pa.ArrowInvalid as error:
            raise SourceError(f"{name}, after data row {row}: {error}") from error
    if malformed:
        end, none = malformed[-1] + 1, np.empty(0, np.int64)
        nothing = np.empty((0, len(sensors)))
        yield _batch(name, sensors, row, end, none, none, nothing, nothing.astype(np.bool_))


def _header(name: str, file: BinaryIO, reading: csv.ReadOptions, parsing: csv.ParseOptions) -> list[str]:
    try:
        names: list[str] = csv.open_csv(file, reading, parsing, csv.ConvertOptions(check_utf8=False)).schema.names
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{name}: the header is not {reading.encoding}: {error}. Set encoding in [recording.options]."
        ) from error
    except pa.ArrowInvalid as error:
        raise SourceError(
            f"{name}: no header and rows of CSV with the delimiter {parsing.delimiter!r}: {error}"
        ) from error
    return names


def _columns_of(name: str, header: list[str], form: RecordingFormat) -> dict[str, str]:
    """Those of the wanted columns that this file has: the files of one recording need not all have the same."""
    found = {column: sensor for column, sensor in form.columns.items() if column in header}
    absent = [column for column in (form.time, *form.columns) if column not in header]
    twice = [column for column in (form.time, *found) if header.count(column) > 1]
    if form.time in absent or not found or twice:
        raise SourceError(
            f"{name}: expected the time column {form.time!r} and at least one of {', '.join(map(repr, form.columns))}, "
            f"each once, separated by {form.delimiter!r}; the header has {', '.join(map(repr, header))}"
        )
    if absent:
        log.warning("%s has no column %s; its sensors stay silent", name, ", ".join(map(repr, absent)))
    return found


def _values(columns: list[pa.StringArray], missing: pa.StringArray, decimal: str) -> tuple[Floats, Bools]:
    """Values and which of them are there, both of shape (rows, columns)."""
    rows = len(columns[0])
    value = np.empty((rows, len(columns)))
    present = np.empty((rows, len(columns)), np.bool_)
    for k, cells in enumerate(columns):
        text = pc.ascii_trim_whitespace(cells)
        there = pc.invert(pc.is_in(text, value_set=missing))
        if decimal != ".":
            text = pc.replace_substring(text, decimal, ".")
        text = pc.if_else(there, text, pa.scalar(None, pa.string()))
        present[:, k] = there.to_numpy(zero_copy_only=False)
        try:
            value[:, k] = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            value[:, k] = [_number(cell) for cell in text.view(pa.binary()).to_pylist()]
    return value, present


def _number(cell: bytes | None) -> float:
    try:
        return float("nan") if cell is None or b"_" in cell else float(cell)
    except ValueError:
        return float("nan")


def _places(count: int, row: int, malformed: deque[int]) -> tuple[Int64s, int]:
    """Numbers of the next `count` good rows and of the row after the last of them, with malformed rows in between."""
    bad = np.array(malformed, np.int64)
    candidates = np.arange(row, row + count + len(bad))
    place = candidates[~np.isin(candidates, bad)][:count]
    return place, int(place[-1]) + 1 if count else row


def _batch(
    name: str, sensors: tuple[str, ...], row: int, end: int, place: Int64s, ts: Int64s, value: Floats, present: Bools
) -> Columns:
    """Rows `row` to `end` as columns: good ones stand at `place`, the others become one unusable reading each."""
    good, code = np.nonzero(present)
    message = place[good] - row
    offset = np.arange(row, end, dtype=np.int64)
    missing = np.ones(end - row, np.bool_)
    missing[place - row] = False
    malformed = np.flatnonzero(missing)
    at = np.searchsorted(message, malformed)
    return Columns(
        name,
        sensors,
        np.insert(code, at, 0).astype(np.int32),
        np.insert(ts[good], at, NEVER),
        np.insert(value[present], at, np.nan),
        np.insert(message, at, malformed).astype(np.int32),
        offset,
        np.zeros(len(offset), np.int64),
    )
