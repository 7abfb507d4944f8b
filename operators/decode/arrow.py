"""Arrow IPC streams: the dense format, with the columns `sensor`, `ts` and `value`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from domain.clock import TS_MAX, TS_MIN
from domain.records import Floats, Int32s, Int64s
from operators.decode.careful import Gathered
from operators.decode.names import find_all
from operators.decode.reject import Refusals, Refused, Reject, row_record, shown
from operators.decode.words import load_float, load_int32, load_int64

__all__ = ["MARK", "ArrowReader", "refuse_rows"]

#: What every Arrow IPC stream begins with.
MARK: Final = b"\xff\xff\xff\xff"

#: Dictionaries whose sensors are remembered, and the bytes of the largest: a gateway sends the same names every time.
_KEPT: Final = 64
_KEPT_BYTES: Final = 1 << 18

#: Rows of memory that are kept from batch to batch.
_KEPT_ROWS: Final = 1 << 20

_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_BROKEN: Final = (pa.ArrowException, OSError, MemoryError, ValueError)


class _Layout(NamedTuple):
    """Where the columns of a schema are, and of what types."""

    sensor: int
    ts: int
    value: int
    others: tuple[int, ...]
    code: np.dtype[Any] | None  # of the dictionary's codes; None where the column holds the names themselves
    wide: bool  # codes of 64 bits, which the kernel does not read
    factor: int  # ns in the unit of `ts`
    number: np.dtype[Any]  # of `value`


class _Kept(NamedTuple):
    """A dictionary that was read before, and what its entries mean."""

    kind: int  # id of its type
    buffers: list[pa.Buffer | None]
    sensor: Int32s

    def holds(self, names: pa.Array, buffers: list[pa.Buffer | None]) -> bool:
        """Whether it is this one."""
        return (self.kind, len(self.sensor), len(self.buffers)) == (names.type.id, len(names), len(buffers)) and all(
            map(_same, self.buffers, buffers)
        )


class ArrowReader:
    """Reads streams; what it remembers from one to the next saves time and changes no result.

    What it returns is overwritten after `release`, unless it was handed over.

    Parameters
    ----------
    table
        The registry's ids, of `name_table`.
    """

    def __init__(self, table: Int64s) -> None:
        self._table = table
        self._schema: pa.Schema | None = None
        self._layout: _Layout
        self._known: dict[tuple[object, ...], _Kept] = {}
        self._latest: _Kept | None = None
        self._columns = _columns(1 << 12)
        self._used = 0

    def read(self, payload: memoryview, refusals: Refusals) -> Gathered:
        """Read the record batches of a stream; a break in the stream loses what follows it, nothing before it."""
        gathered = Gathered()
        try:
            reader = pa.ipc.open_stream(pa.py_buffer(payload))
            if reader.schema != self._schema:
                self._layout = _layout(reader.schema)
                self._schema = reader.schema
        except Refused as refused:
            refusals.message(refused, payload)
            return gathered
        except _BROKEN as error:
            refusals.message(Refused(Reject.BAD_ARROW, f"expected an Arrow IPC stream, got: {error}"), payload)
            return gathered
        while True:
            try:
                batch = reader.read_next_batch()
                good = self._good(batch)
                if not good:
                    batch.validate(full=True)
            except StopIteration:
                break
            except _BROKEN as error:
                detail = f"expected a record batch after row {gathered.row}, got: {error}"
                if gathered.row == 0:
                    refusals.message(Refused(Reject.BAD_ARROW, detail), payload)
                else:
                    refusals.row(gathered.row, Reject.BAD_ARROW, detail, None)
                return gathered
            if good:
                gathered.add(*good)
                gathered.row += len(good[0])
            else:
                self._sift(batch, gathered, refusals)
        if gathered.row == 0:
            refusals.message(Refused(Reject.EMPTY, "expected at least one row, got an Arrow stream with none"), payload)
        return gathered

    def _good(self, batch: pa.RecordBatch) -> tuple[Int32s, Int64s, Floats] | None:
        """The columns of a valid batch of which every row can be used; None for any other.

        What is checked here and in the kernel is all that `validate(full=True)` checks.
        """
        layout, n = self._layout, batch.num_rows
        names, times, values = batch.column(layout.sensor), batch.column(layout.ts), batch.column(layout.value)
        try:
            batch.validate()  # the buffers are as long as they must be: before this, nothing may look into them
            if n == 0 or layout.wide or names.null_count or times.null_count or values.null_count:
                return None
            for other in layout.others:
                batch.column(other).validate(full=True)
            known = self._all(names) if layout.code is None else self._entries(names.dictionary)
        except _BROKEN:
            return None
        code = 0  # where the codes are; without any, row i is of entry i
        if layout.code is not None:
            code = names.indices.buffers()[1].address
            if layout.code.itemsize < 4:
                codes = _plain(names.indices, layout.code).astype(np.int32)
                code = codes.ctypes.data
        number = values.buffers()[1].address
        if layout.number != np.float64:
            numbers = _plain(values, layout.number).astype(np.float64)
            number = numbers.ctypes.data
        columns = self._room(n)
        return columns if _take(code, known, times.buffers()[1].address, layout.factor, number, *columns) else None

    def hand_over(self, pieces: Sequence[Int32s]) -> tuple[Int32s, Int64s, Floats] | None:
        """All columns that were read since the last release, for good, where they lie in one piece.

        Parameters
        ----------
        pieces
            The sensors of all rows that shall be in them, in order. None is returned unless these are all that was
            read into the present memory (a batch that was refused leaves a gap), and fill at least half of it.
        """
        sensor, ts, value = self._columns
        rows = sum(map(len, pieces))
        if rows != self._used or 2 * rows < len(sensor) or any(piece.base is not sensor for piece in pieces):
            return None
        self._columns = _columns(len(sensor))
        self._used = 0
        return sensor[:rows], ts[:rows], value[:rows]

    def release(self) -> None:
        """Use the memory of all that was read again: it has been copied."""
        if len(self._columns[0]) > _KEPT_ROWS:
            self._columns = _columns(1 << 12)
        self._used = 0

    def _room(self, n: int) -> tuple[Int32s, Int64s, Floats]:
        """Columns of `n` rows to write to."""
        if self._used + n > len(self._columns[0]):
            self._columns = _columns(2 * (self._used + n))
            self._used = 0
        first, self._used = self._used, self._used + n
        sensor, ts, value = self._columns
        return sensor[first : self._used], ts[first : self._used], value[first : self._used]

    def _all(self, names: pa.Array) -> Int32s:
        """Index of each name's sensor, -1 where null or unknown; raises one of _BROKEN."""
        names.validate(full=True)
        return _sensors(names, self._table)

    def _entries(self, names: pa.Array) -> Int32s:
        """`_all` of a dictionary, which may have been read before."""
        buffers = names.buffers()
        if self._latest and self._latest.holds(names, buffers):
            return self._latest.sensor
        sizes = tuple([-1 if buffer is None else buffer.size for buffer in buffers])
        if sum(sizes) > _KEPT_BYTES or not buffers[-1]:
            return self._all(names)
        text = memoryview(buffers[-1])
        key = (names.type.id, len(names), names.null_count, sizes, bytes(text[:64]), bytes(text[-64:]))
        kept = self._known.get(key)
        if kept is None or not kept.holds(names, buffers):
            sensor = self._all(names)
            if kept is None and len(self._known) == _KEPT:
                del self._known[next(iter(self._known))]
            copies = [None if buffer is None else pa.py_buffer(buffer.to_pybytes()) for buffer in buffers]
            kept = self._known[key] = _Kept(names.type.id, copies, sensor)
        self._latest = kept
        return kept.sensor

    def _sift(self, batch: pa.RecordBatch, gathered: Gathered, refusals: Refusals) -> None:
        """Take the rows of a valid batch that can be used and refuse the others."""
        layout = self._layout
        names, times, values = batch.column(layout.sensor), batch.column(layout.ts), batch.column(layout.value)
        sensor = _sensors(names, self._table)
        factor, count = layout.factor, _plain(times, np.dtype(np.int64))
        timely = (count >= -(-TS_MIN // factor)) & (count < -(-TS_MAX // factor))
        ts = np.where(timely, count, 0) * factor
        value = _plain(values, layout.number).astype(np.float64)
        good = (sensor >= 0) & timely & np.isfinite(value) & _present(times) & _present(values)
        gathered.add(sensor[good], ts[good], value[good])

        def record(i: int) -> tuple[str | None, int | None, Any]:
            at = times[i].value
            return names[i].as_py(), None if at is None else at * factor, values[i].as_py()

        refuse_rows(good, timely, sensor, record, gathered.row, refusals)
        gathered.row += len(sensor)


def _layout(schema: pa.Schema) -> _Layout:
    """Raise Refused unless the three columns are there, once each, with types that can be read."""

    def place(name: str, fits: Callable[[pa.DataType], bool], expected: str) -> int:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            raise Refused(Reject.MISSING_FIELD, f"expected one column {name!r}, got {shown(', '.join(schema.names))}")
        kind = schema.field(places[0]).type
        if not fits(kind):
            raise Refused(Reject.WRONG_TYPE, f"column {name!r}: expected {expected}, got {kind}")
        return int(places[0])

    sensor = place("sensor", lambda kind: _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind), "text")
    ts = place("ts", pa.types.is_timestamp, "timestamp")
    value = place("value", lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind), "float or integer")
    kinds = schema.types
    code = np.dtype(kinds[sensor].index_type.to_pandas_dtype()) if pa.types.is_dictionary(kinds[sensor]) else None
    return _Layout(
        sensor,
        ts,
        value,
        tuple(i for i in range(len(kinds)) if i not in (sensor, ts, value)),
        code,
        code is not None and code.itemsize > 4,
        _NS[kinds[ts].unit],
        np.dtype(kinds[value].to_pandas_dtype()),
    )


def _columns(n: int) -> tuple[Int32s, Int64s, Floats]:
    return np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n)


@njit(nogil=True, cache=True)
def _take(
    code: int, known: Int32s, time: int, factor: int, number: int, sensor: Int32s, ts: Int64s, value: Floats
) -> bool:
    """Write rows to the last three columns; return False at the first that cannot be used.

    Row i is of the sensor `known[i]`, or `known` of the int32 at address `code` where that is not 0; its time is the
    int64 at `time`, in units of `factor` ns, and its value the double at `number`.
    """
    least, most = -(-TS_MIN // factor), -(-TS_MAX // factor)
    for i in range(len(sensor)):
        at = load_int32(code + 4 * i) if code else i
        if at < 0 or at >= len(known):
            return False
        index, count, x = known[at], load_int64(time + 8 * i), load_float(number + 8 * i)
        if index < 0 or count < least or count >= most or not np.isfinite(x):
            return False
        sensor[i], ts[i], value[i] = index, count * factor, x
    return True


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _same(a: pa.Buffer | None, b: pa.Buffer | None) -> bool:
    return a is b or (a is not None and b is not None and bool(a.equals(b)))


def _sensors(names: pa.Array, table: Int64s) -> Int32s:
    """Index of each row's sensor, -1 where null or unknown."""
    if isinstance(names, pa.DictionaryArray):
        known = np.append(_sensors(names.dictionary, table), np.int32(-1))  # the last one stands for null
        code = _plain(names.indices, np.dtype(names.indices.type.to_pandas_dtype()))
        return known[np.where(_present(names), code, -1) if names.null_count else code]
    if len(names) == 0:
        return np.empty(0, np.int32)
    _, bound, text = names.cast(pa.large_string()).buffers()
    found = find_all(table, np.frombuffer(text or b"", np.uint8), np.frombuffer(bound, np.int64, len(names) + 1))
    return np.where(_present(names), found, np.int32(-1)) if names.null_count else found


def _plain(array: pa.Array, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """A column's own memory, as it came from the stream; where the column is null there may stand anything."""
    return np.frombuffer(array.buffers()[1], kind, len(array)) if len(array) else np.empty(0, kind)


def _present(array: pa.Array) -> npt.NDArray[np.bool_] | np.bool_:
    """Where a column is not null."""
    return array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else np.bool_(True)


def refuse_rows(
    good: npt.NDArray[np.bool_],
    timely: npt.NDArray[np.bool_],
    sensor: Int32s,
    record: Callable[[int], tuple[str | None, int | None, Any]],
    first: int,
    refusals: Refusals,
) -> None:
    """Make the dead letters of the rows that are not good; `record` gives a row's name, time in ns, and value."""
    for i in np.flatnonzero(~good).tolist():
        name, ts, value = record(i)
        if name is None or ts is None or value is None:
            what = "sensor" if name is None else "ts" if ts is None else "value"
            reason, detail = Reject.WRONG_TYPE, f"{what}: expected a value, got null"
        elif sensor[i] < 0:
            reason, detail = Reject.UNKNOWN_SENSOR, f"sensor: expected one of the city's, got {shown(name)}"
        elif not timely[i]:
            reason, detail = Reject.BAD_TIME, f"ts: expected a time from 1990 and before 2200, got {ts} ns"
        else:
            reason, detail = Reject.NOT_FINITE, f"value: expected a finite number, got {shown(value)}"
        refusals.row(first + i, reason, detail, row_record(name, ts, value))
