"""A scenario as columns, without wires: days and weeks of a city for whoever proves detectors.

What the sensors measure is the same in kind as what `SimulatedCity` sends, but nothing is delayed, repeated, spoiled or
written as bytes, and the noise is drawn in longer chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import orjson

from domain.clock import MILLISECOND, SECOND
from domain.errors import SourceError
from domain.records import Columns, RawBatch
from domain.streams import Partition, Source
from simulators.instruments import Instruments
from simulators.scenario import Scenario

__all__ = ["MeasuredCity"]

NAMES: Final = ("sensors", "cameras")


class MeasuredCity(Source):
    """A city without gateways: one partition of readings, one of camera events. Raises SourceError for any other.

    Parameters
    ----------
    scenario
        What happens.
    chunk
        What one poll brings, whole s of event time; the slow curves of the world are straight in it.
    """

    def __init__(self, scenario: Scenario, chunk: int = 60) -> None:
        self.scenario, self._chunk = scenario, chunk

    def partitions(self) -> Sequence[str]:
        """Of sensors and of cameras."""
        return NAMES

    def open(self, partition: str, resume: Any | None) -> Partition:
        """Open a partition; what it brings does not depend on where it is taken up."""
        if partition not in NAMES:
            raise SourceError(f"expected a partition of {', '.join(NAMES)}, got {partition!r}")
        kind = _Sensors if partition == NAMES[0] else _Cameras
        return kind(self.scenario, self._chunk, resume or 0)


class _Chunks(Partition):
    """A partition that is read chunk by chunk; a snapshot is the number of the next."""

    def __init__(self, scenario: Scenario, seconds: int, chunk: int) -> None:
        self._scenario, self._seconds, self._chunk = scenario, seconds, chunk

    def _next(self) -> int:
        """The number of the next chunk."""
        chunk = self._chunk
        if chunk * self._seconds * SECOND >= self._scenario.span:
            raise StopIteration
        self._chunk += 1
        return chunk

    @property
    def caught_up(self) -> bool:
        return False

    def snapshot(self) -> int:
        return self._chunk


class _Sensors(_Chunks):
    """Readings: what is measured within a second is one message, recorded as the second ends."""

    def __init__(self, scenario: Scenario, seconds: int, chunk: int) -> None:
        super().__init__(scenario, seconds, chunk)
        self._tools = Instruments(scenario, range(len(scenario.city.sensors)))
        self._ids = tuple(sensor.id for sensor in scenario.city.sensors)

    def poll(self) -> Columns:
        chunk, n = self._next(), self._seconds
        noise, faults = (np.random.default_rng([self._scenario.seed, use, chunk]) for use in (9, 10))
        begin = chunk * n
        rows, stamped, number, sent = self._tools.measure(begin * 1000, (begin + n) * 1000, noise, faults)
        slot = np.repeat(np.arange(len(rows.sensor), dtype=np.int32), np.diff(rows.bound))
        second = rows.ts // 1000 - begin
        order = np.argsort(second, kind="stable")
        order = order[sent[order]]
        slot = slot[order]
        seconds = np.arange(begin, begin + n)
        return Columns(
            NAMES[0],
            self._ids,
            slot,
            stamped[order] * MILLISECOND,
            number[order] / self._tools.scale[slot],
            second[order].astype(np.int32),
            seconds,
            self._scenario.start + (seconds + 1) * SECOND,
        )


class _Cameras(_Chunks):
    """Camera events, recorded as they are seen."""

    def poll(self) -> RawBatch | None:
        chunk, epoch = self._next(), self._scenario.start // MILLISECOND
        seen = []
        for number, sighting in enumerate(self._scenario.sightings):
            at = round(sighting.at * 1000)
            if at // (1000 * self._seconds) == chunk:
                event = {"camera": sighting.camera, "ts": epoch + at, "type": sighting.type}
                seen.append((number, epoch + at, orjson.dumps(event | {"confidence": sighting.confidence})))
        if not seen:
            return None
        number_of, at_of, payload = zip(*seen, strict=True)
        return RawBatch.of(NAMES[1], payload, number_of, np.array(at_of, np.int64) * MILLISECOND)
