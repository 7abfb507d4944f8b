"""Decoding beside `orjson.loads` alone over the same messages: readings, packets of 100 samples, and Arrow.

`python -m perf.decode` runs this benchmark alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import orjson
import pyarrow as pa

from domain.city import City, Sensor
from domain.records import RawBatch
from operators.decode import Decoder
from perf.report import Report, by_itself, compare

__all__ = ["run"]

SENSORS: Final = 1000
ROWS: Final = 200_000
PACKET: Final = 100  # samples
ARROW: Final = 4000  # rows a message
T0: Final = 1_764_000_000_000  # ms


def run(report: Report) -> None:
    """Add ns per row of each format, and the speed of each as a ratio to `orjson.loads` alone."""
    rng = np.random.default_rng(20240607)
    ids = [f"P-{i:06d}" for i in range(SENSORS)]
    decoder = Decoder(City("Bench", "UTC", tuple(Sensor(name, "gas-lel", "%LEL", "zone") for name in ids)))
    sensor = np.arange(ROWS) % SENSORS
    ts = T0 + np.arange(ROWS) // SENSORS * 100 + rng.integers(0, 100, SENSORS)[sensor]
    exact = rng.uniform(10, 100, SENSORS)[sensor] + rng.normal(0, 1, ROWS)
    value = np.round(exact, 4)

    plain = readings(ids, sensor, ts, value)
    for name, messages, rows_a_message in (
        ("JSON readings", plain, 1),
        ("JSON readings of 17 digits", readings(ids, sensor, ts, exact), 1),
        ("JSON readings in lists of 100", lists(plain, 100), 100),
        (f"JSON packets of {PACKET}", packets(ids, value), PACKET),
    ):
        measure(report, name, decoder, messages, rows_a_message, messages)
    dense = arrow(ids, sensor, ts, value)
    measure(report, f"Arrow of {ARROW} rows (against JSON readings)", decoder, dense, ARROW, plain)


def measure(
    report: Report, name: str, decoder: Decoder, messages: list[bytes], rows_a_message: int, of_orjson: list[bytes]
) -> None:
    """Decode `messages` beside `orjson.loads` of `of_orjson`, which say the same, and add what that took."""
    batch = RawBatch.of("p", messages, np.arange(len(messages)), np.zeros(len(messages), np.int64))
    rows = len(messages) * rows_a_message
    if len(decoder.decode(batch)) != rows:
        raise AssertionError(f"{name}: not every row was decoded")

    found = compare(lambda: decoder.decode(batch), alone(of_orjson))
    report.figure(f"decode: {name}", found.a / rows * 1e9, "ns/row")
    report.figure(f"decode: {name} / orjson.loads alone", found.ratio, "ratio")
    report.note(f"{name}: orjson.loads alone takes {found.b / rows * 1e9:.0f} ns/row; ratios from {found.spread}.")


def alone(messages: list[bytes]) -> Callable[[], None]:
    """A run of `orjson.loads` over messages that throws its results away."""

    def parse() -> None:
        loads = orjson.loads
        for message in messages:
            loads(message)

    return parse


def readings(ids: list[str], sensor: np.ndarray, ts: np.ndarray, value: np.ndarray) -> list[bytes]:
    """One JSON reading a message."""
    columns = zip(sensor.tolist(), ts.tolist(), value.tolist(), strict=True)
    return [f'{{"sensor":"{ids[s]}","ts":{t},"value":{v!r}}}'.encode() for s, t, v in columns]


def lists(messages: list[bytes], n: int) -> list[bytes]:
    """Lists of `n` messages each, as gateways batch them."""
    return [b"[" + b",".join(messages[i : i + n]) + b"]" for i in range(0, len(messages), n)]


def packets(ids: list[str], value: np.ndarray) -> list[bytes]:
    """JSON packets of 100 Hz."""
    samples = [b",".join(repr(v).encode() for v in part) for part in value.reshape(-1, PACKET).tolist()]
    return [
        b'{"sensor":"%s","t0":%d,"hz":100,"v":[%s]}' % (ids[i % SENSORS].encode(), T0 + i // SENSORS * 1000, part)
        for i, part in enumerate(samples)
    ]


def arrow(ids: list[str], sensor: np.ndarray, ts: np.ndarray, value: np.ndarray) -> list[bytes]:
    """Arrow IPC streams with a dictionary of all sensors each."""
    messages = []
    for i in range(0, len(sensor), ARROW):
        part = slice(i, i + ARROW)
        names = pa.DictionaryArray.from_arrays(pa.array(sensor[part], pa.int32()), pa.array(ids))
        columns = {"sensor": names, "ts": pa.array(ts[part], pa.timestamp("ms")), "value": pa.array(value[part])}
        batch = pa.record_batch(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        messages.append(bytes(sink.getvalue()))
    return messages


if __name__ == "__main__":
    by_itself(run)
