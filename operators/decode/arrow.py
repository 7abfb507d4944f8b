"""Arrow IPC streams: the dense format, with the columns `sensor`, `ts` and `value`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domain.clock import TS_MAX, TS_MIN
from domain.records import Int32s, Int64s
from operators.decode.careful import Gathered
from operators.decode.names import find_all
from operators.decode.reject import Refusals, Refused, Reject, row_record, shown

__all__ = ["MARK", "read_arrow", "refuse_rows"]

#: What every Arrow IPC stream begins with.
MARK: Final = b"\xff\xff\xff\xff"

_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_BROKEN: Final = (pa.ArrowException, OSError, MemoryError, ValueError)


def read_arrow(payload: memoryview, table: Int64s, refusals: Refusals) -> Gathered:
    """Read the record batches of a stream; a break in the stream loses what follows it, nothing before it."""
    gathered = Gathered()
    try:
        reader = pa.ipc.open_stream(pa.py_buffer(payload))
        _check_schema(reader.schema)
    except Refused as refused:
        refusals.message(refused, payload)
        return gathered
    except _BROKEN as error:
        refusals.message(Refused(Reject.BAD_ARROW, f"expected an Arrow IPC stream, got: {error}"), payload)
        return gathered
    while True:
        try:
            batch = reader.read_next_batch()
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
        _read_batch(batch, table, gathered, refusals)
    if gathered.row == 0:
        refusals.message(Refused(Reject.EMPTY, "expected at least one row, got an Arrow stream with none"), payload)
    return gathered


def _check_schema(schema: pa.Schema) -> None:
    """Raise Refused unless the three columns are there, once each, with types that can be read."""

    def expect(name: str, fits: Callable[[pa.DataType], bool], expected: str) -> None:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            raise Refused(Reject.MISSING_FIELD, f"expected one column {name!r}, got {shown(', '.join(schema.names))}")
        kind = schema.field(places[0]).type
        if not fits(kind):
            raise Refused(Reject.WRONG_TYPE, f"column {name!r}: expected {expected}, got {kind}")

    expect("sensor", lambda kind: _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind), "text")
    expect("ts", pa.types.is_timestamp, "timestamp")
    expect("value", lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind), "float or integer")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _read_batch(batch: pa.RecordBatch, table: Int64s, gathered: Gathered, refusals: Refusals) -> None:
    names, times, values = batch.column("sensor"), batch.column("ts"), batch.column("value")
    sensor = _sensors(names, table)
    factor = _NS[times.type.unit]
    count = _plain(times, np.int64)
    timely = (count >= -(-TS_MIN // factor)) & (count < -(-TS_MAX // factor))
    ts = np.where(timely, count, 0) * factor
    value = _plain(values, values.type.to_pandas_dtype()).astype(np.float64)
    good = (sensor >= 0) & timely & np.isfinite(value) & _present(times) & _present(values)
    if good.all():
        gathered.add(sensor, ts, value)
    else:
        gathered.add(sensor[good], ts[good], value[good])

        def record(i: int) -> tuple[str | None, int | None, Any]:
            at = times[i].value
            return names[i].as_py(), None if at is None else at * factor, values[i].as_py()

        refuse_rows(good, timely, sensor, record, gathered.row, refusals)
    gathered.row += len(sensor)


def _sensors(names: pa.Array, table: Int64s) -> Int32s:
    """Index of each row's sensor, -1 where null or unknown."""
    if isinstance(names, pa.DictionaryArray):
        known = np.append(_sensors(names.dictionary, table), np.int32(-1))  # the last one stands for null
        code = _plain(names.indices, names.indices.type.to_pandas_dtype())
        return known[np.where(_present(names), code, -1) if names.null_count else code]
    if len(names) == 0:
        return np.empty(0, np.int32)
    _, bound, text = names.cast(pa.large_string()).buffers()
    found = find_all(table, np.frombuffer(text or b"", np.uint8), np.frombuffer(bound, np.int64, len(names) + 1))
    return np.where(_present(names), found, np.int32(-1)) if names.null_count else found


def _plain(array: pa.Array, kind: type[np.generic]) -> npt.NDArray[Any]:
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
