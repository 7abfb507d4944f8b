"""From what a source delivers to columns of readings, whatever the wire format."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from domain.actions import Action
from domain.city import City
from domain.clock import TS_MAX, TS_MIN
from domain.findings import VideoEvent
from domain.records import Columns, DeadLetter, Decoded, Floats, Int32s, Int64s, RawBatch
from domain.reports import Report
from operators.decode.arrow import MARK, ArrowReader, refuse_rows
from operators.decode.careful import Gathered, read_json
from operators.decode.names import name_table
from operators.decode.reject import Refusals, Refused, Reject
from operators.decode.scan import Rows, scan

__all__ = ["Decoder"]

#: Rows of scratch space that are kept from batch to batch.
_KEPT_ROWS: Final = 1 << 20


class Decoder:
    """Bytes to columns: JSON readings and packets, Arrow streams, events, actions, reports, told apart by message.

    What cannot be used becomes a dead letter; everything else of the same message and batch is kept. The result does
    not depend on how messages are batched. One decoder serves one thread at a time.

    Parameters
    ----------
    city
        The registry that sensors and cameras are looked up in.
    max_message
        Longest message that is read, in bytes.
    keep
        Bytes of a refused message or row that its dead letter keeps.

    Examples
    --------
    >>> from domain.city import Sensor
    >>> decoder = Decoder(City("X", "UTC", (Sensor("G1", "gas-lel", "%LEL", "north"),)))
    >>> messages = [b'{"sensor":"G1","ts":1764000000123,"value":0.42}', b'{"sensor":"G1"}']
    >>> decoded = decoder.decode(RawBatch.of("p0", messages, [7, 8], [0, 0]))
    >>> decoded.value, [(letter.offset, letter.reason) for letter in decoded.dead]
    (array([0.42]), [(8, 'missing-field')])
    """

    def __init__(self, city: City, max_message: int = 16 << 20, keep: int = 64 << 10) -> None:
        self.city = city
        self.max_message = max_message
        self.keep = keep
        self._table = name_table([sensor.id for sensor in city.sensors])
        self._arrow = ArrowReader(self._table)
        self._scratch = Rows.empty(1 << 12)
        self._names: tuple[str, ...] = ()  # of the last columns, and their sensors
        self._known = np.empty(0, np.int32)

    def decode(self, batch: RawBatch | Columns) -> Decoded:
        """Decode one batch; dead letters, video events, actions and reports come in the order of their messages."""
        return self._columns(batch) if isinstance(batch, Columns) else self._raw(batch)

    def _raw(self, batch: RawBatch) -> Decoded:
        fast, careful = self._scan(batch)
        pieces: list[tuple[int, Gathered]] = []
        video: list[tuple[int, VideoEvent]] = []
        actions: list[tuple[int, Action]] = []
        reports: list[tuple[int, Report]] = []
        dead: list[DeadLetter] = []
        for i in np.flatnonzero(careful).tolist():
            refusals = Refusals(batch.partition, int(batch.offset[i]), int(batch.recorded[i]), self.keep)
            gathered = self._message(memoryview(batch.data)[batch.start[i] : batch.end[i]], refusals)
            if gathered.sensor:
                pieces.append((i, gathered))
            video.extend((i, event) for event in gathered.video)
            actions.extend((i, action) for action in gathered.actions)
            reports.extend((i, report) for report in gathered.reports)
            dead.extend(refusals.close())
        columns = None if len(fast.sensor) else self._alone(pieces)
        if columns is None:
            columns = _splice(fast, pieces)
            self._arrow.release()
        return Decoded(*columns, tuple(video), tuple(dead), tuple(actions), tuple(reports))

    def _alone(self, pieces: list[tuple[int, Gathered]]) -> tuple[Int32s, Int64s, Floats, Int32s] | None:
        """The rows of a batch that holds nothing but good Arrow streams: they need not be copied together."""
        columns = self._arrow.hand_over([sensor for _, gathered in pieces for sensor in gathered.sensor])
        if columns is None:
            return None
        count = [sum(map(len, gathered.sensor)) for _, gathered in pieces]
        return (*columns, np.repeat(np.array([message for message, _ in pieces], np.int32), count))

    def _scan(self, batch: RawBatch) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Rows of the messages that the scanner understands, and which messages it does not."""
        data = np.frombuffer(batch.data, np.uint8)
        data.flags.writeable = False
        if len(batch) and (batch.start.min() < 0 or batch.end.max() > len(data) or (batch.start > batch.end).any()):
            raise ValueError(f"messages of {batch.partition!r} lie outside their buffer of {len(data)} bytes")
        careful = np.empty(len(batch), np.bool_)
        message = row = 0
        while True:
            rows = self._scratch
            message, row = scan(
                data, batch.start, batch.end, self.max_message, self._table, rows, careful, message, row
            )
            if message == len(batch):
                break
            self._scratch = rows.resized(row, 2 * len(rows.sensor))
        if len(rows.sensor) > _KEPT_ROWS:
            self._scratch = Rows.empty(1 << 12)
        return rows.resized(row, row), careful

    def _message(self, payload: memoryview, refusals: Refusals) -> Gathered:
        """Read one message the careful way."""
        if len(payload) > self.max_message:
            detail = f"expected at most {self.max_message} bytes, got {len(payload)}"
            refusals.message(Refused(Reject.TOO_LARGE, detail), payload)
        elif not len(payload):
            refusals.message(Refused(Reject.EMPTY, "expected a reading, packet or event, got no bytes"), payload)
        elif bytes(payload[: len(MARK)]) == MARK:
            return self._arrow.read(payload, refusals)
        else:
            return read_json(payload, self.city, refusals)
        return Gathered()

    def _columns(self, batch: Columns) -> Decoded:
        if batch.names is not self._names:
            index = self.city.sensor_index
            self._known = np.fromiter((index.get(name, -1) for name in batch.names), np.int32, len(batch.names))
            self._names = batch.names
        ts, value = _own(batch.ts), _own(batch.value)
        sensor = np.empty(len(batch.code), np.int32)
        if _map(_own(batch.code), self._known, ts, value, sensor):
            return Decoded(sensor, ts, value, _own(batch.message))
        timely = (ts >= TS_MIN) & (ts < TS_MAX)
        good = (sensor >= 0) & timely & np.isfinite(value)
        dead: list[DeadLetter] = []
        bad = np.flatnonzero(~good)
        for message in np.unique(batch.message[bad]).tolist():
            first, last = np.searchsorted(batch.message, [message, message + 1]).tolist()
            refusals = Refusals(batch.partition, int(batch.offset[message]), int(batch.recorded[message]), self.keep)

            def record(i: int, first: int = first) -> tuple[str, int, Any]:
                i += first
                return batch.names[batch.code[i]], int(batch.ts[i]), float(batch.value[i])

            refuse_rows(good[first:last], timely[first:last], sensor[first:last], record, 0, refusals)
            dead.extend(refusals.close())
        return Decoded(sensor[good], batch.ts[good], batch.value[good], batch.message[good], (), tuple(dead))


@njit(nogil=True, cache=True)
def _map(code: Int32s, known: Int32s, ts: Int64s, value: Floats, sensor: Int32s) -> bool:
    """Write the sensors `known[code]`; return whether every row can be used. Raises IndexError."""
    good = True
    for i in range(len(code)):
        if code[i] < 0 or code[i] >= len(known):
            raise IndexError("a code of a column of names lies outside the names")
        index = known[code[i]]
        sensor[i] = index
        good &= index >= 0 and ts[i] >= TS_MIN and ts[i] < TS_MAX and np.isfinite(value[i])
    return good


def _own(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column that is contiguous and may be written to: kernels are compiled for one kind of array."""
    return np.require(column, requirements=["C", "W"])


def _splice(fast: Rows, pieces: list[tuple[int, Gathered]]) -> tuple[Any, Any, Any, Int32s]:
    """All rows in the order of their messages."""
    if not pieces:
        return fast.sensor, fast.ts, fast.value, fast.message
    columns: list[tuple[npt.NDArray[Any], ...]] = [tuple(fast)] if len(fast.sensor) else []
    for message, gathered in pieces:
        for sensor, ts, value in zip(gathered.sensor, gathered.ts, gathered.value, strict=True):
            columns.append((sensor, ts, value, np.full(len(sensor), message, np.int32)))
    sensor, ts, value, of = (np.concatenate(column) for column in zip(*columns, strict=True))
    if len(fast.sensor):
        order = np.argsort(of, kind="stable")
        return sensor[order], ts[order], value[order], of[order]
    return sensor, ts, value, of
