"""Gateways: what they send for one partition of the stream, ten seconds of event time after ten seconds.

A chunk's bytes depend on the scenario, the partition and the chunk alone, so a stream can be taken up anywhere. A
message belongs to the chunk of its recorded time: what is delayed past a chunk's end goes over to the next one.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from domain.clock import MILLISECOND
from domain.records import Bools, Int64s
from simulators.instruments import Instruments
from simulators.scenario import Scenario
from simulators.signals import Rows
from simulators.wire import PACKET, RAW, READING, Messages, Templates, encode

__all__ = ["CHUNK", "Chunk", "Gateway", "Network", "spread"]

#: Event time in a chunk, ms. Every delay is shorter.
CHUNK: Final = 10_000

#: Sensors at or above this rate send packets of a second, readings/s.
PACKET_RATE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Network:
    """How the way from gateway to broker treats messages. Shares are 0 to 1, delays ms."""

    delay: float = 30.0  # of every message
    jitter: float = 40.0  # mean of a further, exponential one
    slow: float = 0.015  # share that is held up
    slow_delay: float = 1_500.0  # by at most
    late: float = 0.00005  # share that comes later than any reader waits
    late_delay: tuple[float, float] = (4_000.0, 8_500.0)
    repeated: float = 0.002  # share that is sent twice
    garbage: float = 0.00003  # malformed messages, as a share
    stranger: str = "BZ-G-9999"  # a sensor that no registry knows, once a chunk; empty: none
    arrow: float = 0.35  # share of the assets with packets whose gateway sends Arrow


@dataclass(frozen=True, slots=True)
class Chunk:
    """Messages recorded in one chunk, in order, and what goes over to the next."""

    data: bytes
    start: Int64s
    end: Int64s
    recorded: Int64s  # ns
    over: Chunk | None = None

    def __len__(self) -> int:
        return len(self.start)


def spread(scenario: Scenario, partitions: int) -> list[list[str]]:
    """Assets of every partition: each to the least loaded one, the busiest first, so that load is even.

    Sensors without an asset go by their own id. A reading in a packet is taken to be a tenth of the work of one alone.
    """
    rate: dict[str, float] = {}
    for sensor in scenario.city.sensors:
        load = sensor.rate if sensor.rate < PACKET_RATE else sensor.rate / 10
        rate[sensor.asset or sensor.id] = rate.get(sensor.asset or sensor.id, 0.0) + load
    loads = [(0.0, p) for p in range(partitions)]
    found: list[list[str]] = [[] for _ in range(partitions)]
    for asset in sorted(rate, key=lambda a: (-rate[a], a)):
        total, p = heapq.heappop(loads)
        found[p].append(asset)
        heapq.heappush(loads, (total + rate[asset], p))
    return found


class Gateway:
    """Everything that partition `partition` of `partitions` records of a scenario."""

    def __init__(self, scenario: Scenario, partition: int, partitions: int, network: Network) -> None:
        self._scenario, self._partition, self._network = scenario, partition, network
        self._span = scenario.span // MILLISECOND
        self._epoch = scenario.start // MILLISECOND
        city = scenario.city
        mine = set(spread(scenario, partitions)[partition])
        index = [i for i, s in enumerate(city.sensors) if (s.asset or s.id) in mine]
        fast = {s.asset for s in city.sensors if s.asset and s.rate >= PACKET_RATE}
        dense = {asset for i, asset in enumerate(sorted(fast)) if int((i + 1) * network.arrow) > int(i * network.arrow)}
        # Slots: what goes out as Arrow first, gateway by gateway, then packets, then single readings.
        index.sort(key=lambda i: (*self._order(city.sensors[i].asset, city.sensors[i].rate, dense), i))
        sensors = [city.sensors[i] for i in index]
        self._tools = Instruments(scenario, index)
        self._packet = np.array([s.rate >= PACKET_RATE for s in sensors], bool)
        self._hertz = 1000 // np.minimum(self._tools.period, 1000)
        self._templates = Templates([s.id for s in sensors], self._hertz.tolist())
        # Slots [first, last) of each gateway that sends Arrow, and the ids of its sensors.
        owner = [s.asset if s.asset in dense else "" for s in sensors]
        self._dense = sum(1 for asset in owner if asset)
        edges = [0, *(k for k in range(1, self._dense + 1) if k == self._dense or owner[k] != owner[k - 1])]
        self._arrow = [(a, b, _strings([s.id for s in sensors[a:b]])) for a, b in pairwise(edges)]
        cameras = {id for i, id in enumerate(city.cameras) if i % partitions == partition}
        self._sightings = [s for s in scenario.sightings if s.camera in cameras]

    @staticmethod
    def _order(asset: str, rate: float, dense: set[str]) -> tuple[int, str]:
        return (0, asset) if asset in dense else (1 if rate >= PACKET_RATE else 2, "")

    @property
    def chunks(self) -> int:
        """How many chunks there are; the last one holds what went over from the one before."""
        return -(-self._span // CHUNK) + 1

    def readings(self, chunk: int) -> tuple[Rows, Int64s, Int64s, Bools]:
        """Rows of a chunk by slot: of each its stamped ms, the value in its last digit, and whether it is sent."""
        seeds = (self._partition, chunk)
        noise, faults = (np.random.default_rng([self._scenario.seed, use, *seeds]) for use in (6, 7))
        return self._tools.measure(chunk * CHUNK, (chunk + 1) * CHUNK, noise, faults)

    def _own(self, rows: Rows, stamped: Int64s, number: Int64s, sent: Bools) -> Messages:
        """Readings and packets; a message is recorded once its last row is measured."""
        count = np.diff(rows.bound)
        size = np.where(self._packet, self._hertz, 1)
        slots = np.repeat(np.arange(len(count), dtype=np.int32)[self._dense :], (count // size)[self._dense :])
        number_of = np.arange(len(slots)) - np.searchsorted(slots, slots)  # within the sensor's messages
        first = rows.bound[slots] + number_of * size[slots]
        kept = sent[first]
        slots, first = slots[kept], first[kept]
        kind = np.where(self._packet[slots], PACKET, READING).astype(np.uint8)
        return Messages(kind, first, size[slots], slots, rows.ts[first + size[slots] - 1])

    def _tables(self, rows: Rows, stamped: Int64s, number: Int64s, sent: Bools) -> list[tuple[int, bytes]]:
        """Arrow messages: one a gateway and second, sensors one after the other."""
        found = []
        for a, b, names in self._arrow:
            part = np.arange(rows.bound[a], rows.bound[b])[sent[rows.bound[a] : rows.bound[b]]]
            slot = np.repeat(np.arange(a, b, dtype=np.int32), np.diff(rows.bound[a : b + 1]))[part - rows.bound[a]]
            second = rows.ts[part] // 1000
            order = np.argsort(second, kind="stable")
            part, slot, second = part[order], slot[order], second[order]
            ts = stamped[part] * MILLISECOND
            value = number[part] / self._tools.scale[slot]
            edges = np.flatnonzero(np.diff(second, prepend=-1, append=-1))
            for i, j in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                columns = [
                    pa.DictionaryArray.from_arrays(_column(pa.int32(), slot[i:j] - a), names),
                    _column(pa.timestamp("ns", "UTC"), ts[i:j]),
                    _column(pa.float64(), value[i:j]),
                ]
                batch = pa.RecordBatch.from_arrays(columns, ["sensor", "ts", "value"])
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, batch.schema) as writer:
                    writer.write_batch(batch)
                found.append((int(rows.ts[part[i:j]].max()), sink.getvalue().to_pybytes()))
        return found

    def _others(self, chunk: int, expected: int, rng: np.random.Generator) -> list[tuple[int, bytes]]:
        """Camera events, a sensor that nobody knows, and garbage."""
        begin, end = chunk * CHUNK, min((chunk + 1) * CHUNK, self._span)
        found = []
        for sighting in self._sightings:
            at = round(sighting.at * 1000)
            if begin <= at < end:
                event = {
                    "camera": sighting.camera,
                    "ts": self._epoch + at,
                    "type": sighting.type,
                    "confidence": sighting.confidence,
                    "place": self._scenario.city.cameras[sighting.camera].name,
                    "clip": f"clips/{sighting.camera}/{self._epoch + at}.mp4",
                }
                found.append((at, orjson.dumps(event)))
        if self._partition == 0 and self._network.stranger:
            reading = {"sensor": self._network.stranger, "ts": self._epoch + begin, "value": 0.5}
            found.append((begin, orjson.dumps(reading)))
        for _ in range(int(rng.poisson(expected * self._network.garbage))):
            sensor = self._scenario.city.sensors[int(rng.choice(self._tools.sensor))]
            at = int(rng.integers(begin, end))
            found.append((at, _garbage(sensor.id, self._epoch + at, int(rng.integers(8)))))
        return found

    def chunk(self, chunk: int, over: Chunk | None) -> Chunk:
        """Everything recorded in a chunk, given what went over from the one before."""
        parts, raw = [], []
        rows = Rows(np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
        stamped = number = np.empty(0, np.int64)
        if chunk * CHUNK < self._span:
            rng = np.random.default_rng([self._scenario.seed, 8, self._partition, chunk])
            rows, stamped, number, sent = self.readings(chunk)
            own = self._own(rows, stamped, number, sent)
            made = self._tables(rows, stamped, number, sent)
            made += self._others(chunk, len(own) + len(made), rng)
            raw = [text for _, text in made]
            bulk = _raw(np.array([len(text) for text in raw], np.int64), np.array([at for at, _ in made], np.int64), 0)
            parts.append(self._send(Messages.join([own, bulk]), rng))
        if over is not None and len(over):
            at = sum(map(len, raw))
            parts.append(_raw(over.end - over.start, over.recorded // MILLISECOND - self._epoch, at))
            raw.append(over.data)
        if not parts:
            none = np.empty(0, np.int64)
            return Chunk(b"", none, none, none)
        messages = Messages.join(parts)
        messages = messages.take(np.argsort(messages.recorded, kind="stable"))
        data, start, end = encode(messages, self._templates, stamped, number, self._tools.decimals, b"".join(raw))
        recorded = (messages.recorded + self._epoch) * MILLISECOND
        cut = int(np.searchsorted(messages.recorded, (chunk + 1) * CHUNK))
        if cut == len(start) or chunk + 1 == self.chunks:
            return Chunk(data, start, end, recorded)
        at = int(start[cut])
        rest = Chunk(data[at:], start[cut:] - at, end[cut:] - at, recorded[cut:])
        return Chunk(data[:at], start[:cut], end[:cut], recorded[:cut], rest)

    def _send(self, messages: Messages, rng: np.random.Generator) -> Messages:
        """Delay messages and repeat some."""
        net, n = self._network, len(messages)
        delay = net.delay + np.minimum(rng.exponential(net.jitter, n), 10 * net.jitter)
        luck = rng.random(n)
        delay += np.where(luck < net.slow, rng.random(n) * net.slow_delay, 0.0)
        delay = np.where(luck > 1 - net.late, rng.uniform(*net.late_delay, n), delay)
        again = np.flatnonzero(rng.random(n) < net.repeated)
        recorded = messages.recorded + np.rint(delay).astype(np.int64)
        index = np.concatenate([np.arange(n), again])
        extra = np.concatenate([np.zeros(n, np.int64), rng.integers(20, 500, len(again))])
        sent = messages.take(index)
        return Messages(sent.kind, sent.first, sent.count, sent.slot, recorded[index] + extra)


def _raw(length: Int64s, recorded: Int64s, at: int) -> Messages:
    n = len(length)
    first = at + np.cumsum(length) - length
    return Messages(np.full(n, RAW, np.uint8), first, length, np.zeros(n, np.int32), recorded)


# `pa.array` would do both, but it imports pandas, which takes more than a second.
def _column(type: pa.DataType, values: npt.NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(type, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _strings(texts: Sequence[str]) -> pa.Array:
    data = [text.encode() for text in texts]
    at = np.concatenate([[0], np.cumsum([len(text) for text in data])]).astype(np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(at), pa.py_buffer(b"".join(data)))


def _garbage(sensor: str, ts: int, way: int) -> bytes:
    """A message that a broken gateway might send."""
    head = b'{"sensor":"%s","ts":%d,"value":' % (sensor.encode(), ts)
    ways: Sequence[bytes] = (
        b"",
        head[: len(head) // 2],  # cut off
        head + b'"n/a"}',
        head + b"NaN}",
        head[:-9] + b"}",  # without a value
        b"\xff\xfe\x00" + head,
        b'{"sensor":"%s","ts":%d,"value":1.0}' % (sensor.encode(), ts // 1000),  # seconds for milliseconds
        b"AT+CSQ\r\nOK\r\n",  # a modem's chatter
    )
    return ways[way]
