"""Arrivals of one pressure wave at the sensors of a pipe network: which belong together, and where it came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import dijkstra

from detectors.locate import burst_place, pipe_graph
from detectors.negative_pressure_wave import NegativePressureWave
from domain.city import City, Pipe
from domain.clock import SECOND
from domain.findings import Finding
from domain.records import Floats
from operators.alerts.rules import DEFAULT, Rules

__all__ = ["Spot", "Waves"]

#: Sensors whose distances along their networks are remembered.
REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on a pipe."""

    pipe: str
    start: str  # the asset that `offset` counts from
    offset: float  # m
    radius: float  # m: the cause is within it with a probability of 90 %
    lon: float  # 0, 0 where an end of the pipe has no coordinates
    lat: float


@dataclass(frozen=True)
class _Network:
    """Pipes of one network, in the order of the city's files."""

    pipes: tuple[Pipe, ...]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(end for pipe in self.pipes for end in (pipe.start, pipe.end)))

    @cached_property
    def index(self) -> Mapping[str, int]:
        return {node: i for i, node in enumerate(self.nodes)}

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        return np.array([(self.index[pipe.start], self.index[pipe.end]) for pipe in self.pipes], np.int64)

    @cached_property
    def length(self) -> Floats:
        return np.array([pipe.length for pipe in self.pipes])

    def from_node(self, node: str, limit: float) -> Floats:
        """Distance of every node from one, m; infinite beyond `limit`. Shape (nodes,)."""
        return np.asarray(dijkstra(pipe_graph(self), False, indices=self.index[node], limit=limit))

    def around(self, distance: Floats) -> _Network:
        """The pipes that touch a node at a finite distance."""
        return _Network(tuple(self.pipes[i] for i in np.flatnonzero(np.isfinite(distance)[self.ends].any(axis=1))))


class Waves:
    """Knows the pipe networks of a city.

    Two arrivals are of one wave when they differ by no more than the wave takes from one sensor to the other, along the
    pipes of one network and at most `rules.wave_reach`.
    """

    def __init__(self, city: City, rules: Rules = DEFAULT) -> None:
        self._rules = rules
        self._assets = city.assets
        self._sensors = {sensor.id: sensor for sensor in city.sensors if sensor.asset}
        by_name: defaultdict[str, list[Pipe]] = defaultdict(list)
        for pipe in city.pipes:
            by_name[pipe.network].append(pipe)
        self._networks = {name: _Network(tuple(pipes)) for name, pipes in by_name.items()}
        self._apart: dict[tuple[str, str], Floats] = {}

    def arrival(self, record: object) -> int | None:
        """When a wave arrived at a sensor on a pipe network, ns; None where the record tells of none."""
        if not isinstance(record, Finding) or record.detector != NegativePressureWave.name:
            return None
        return record.onset if self._parts(record.sensor) else None

    def together(self, sensor: str, at: int, other: str, then: int) -> bool:
        """Whether arrivals at two sensors may be of one wave."""
        rules = self._rules
        apart = abs(at - then) / SECOND - 4.0 * self._error(sensor, other)
        slowest = rules.wave_speed * (1.0 - 2.0 * rules.wave_speed_error)
        shared = set(self._parts(sensor)) & set(self._parts(other))
        ways = (self._distances(name, self._node(sensor))[self._index(name, other)] for name in shared)
        return any(way <= rules.wave_reach and apart <= way / slowest for way in ways)

    def place(self, arrivals: Mapping[str, int]) -> Spot | None:
        """Where a wave came from that reached each sensor at its time, ns; None for fewer than two assets."""
        rules = self._rules
        first = min(arrivals, key=lambda sensor: (arrivals[sensor], sensor))
        shared = [(-sum(name in self._parts(other) for other in arrivals), name) for name in self._parts(first)]
        if not shared or len({self._node(sensor) for sensor in arrivals}) < 2:
            return None
        network = min(shared)[1]  # what most of them are part of
        graph = self._networks[network].around(self._distances(network, self._node(first)))
        since: dict[str, float] = {}
        for sensor, at in sorted(arrivals.items()):
            node, elapsed = self._node(sensor), (at - arrivals[first]) / SECOND
            since[node] = min(elapsed, since.get(node, elapsed))
        error = self._error(*sorted(arrivals))
        found = burst_place(graph, since, rules.wave_speed, error, rules.wave_speed_error)
        if found is None:
            return None
        pipe = graph.pipes[found.pipe]
        lon, lat = self._between(pipe, found.offset / pipe.length)
        return Spot(pipe.id, pipe.start, round(found.offset, 1), round(found.radius, 1), lon, lat)

    def _node(self, sensor: str) -> str:
        return self._sensors[sensor].asset

    def _parts(self, sensor: str) -> list[str]:
        """Names of the networks that a sensor's asset is part of."""
        known = self._sensors.get(sensor)
        return [name for name, network in self._networks.items() if known and known.asset in network.index]

    def _index(self, network: str, sensor: str) -> int:
        return self._networks[network].index[self._node(sensor)]

    def _distances(self, network: str, node: str) -> Floats:
        found = self._apart.get((network, node))
        if found is None:
            if len(self._apart) >= REMEMBERED:
                self._apart.clear()
            found = self._apart[network, node] = self._networks[network].from_node(node, self._rules.wave_reach)
        return found

    def _error(self, *sensors: str) -> float:
        """Of an arrival, s: that of the clocks, or a reading of the slowest sensor."""
        return max(self._rules.wave_error, *(1.0 / self._sensors[sensor].rate for sensor in sensors))

    def _between(self, pipe: Pipe, part: float) -> tuple[float, float]:
        """Coordinates on a straight line between the ends of a pipe."""
        start, end = self._assets.get(pipe.start), self._assets.get(pipe.end)
        if start is None or end is None or (0.0, 0.0) in ((start.lon, start.lat), (end.lon, end.lat)):
            return 0.0, 0.0
        return (
            round(start.lon + part * (end.lon - start.lon), 7),
            round(start.lat + part * (end.lat - start.lat), 7),
        )
