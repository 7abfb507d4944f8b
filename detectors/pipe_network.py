"""A pipe network as EPANET files describe it: distances along it, and what a leak does to its pressures.

>>> text = '''
... [JUNCTIONS]
... a 10 0
... b 10 36
... [RESERVOIRS]
... r 60
... [PIPES]
... p1 r a 100 300 130 0 Open ;
... p2 a b 50 300 130 0 Open ;
... '''
>>> network = PipeNetwork.parse(text)
>>> network.pipes, float(network.between()[0, 1])
(('p1', 'p2'), 75.0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu

from domain.errors import SourceError
from domain.records import Floats

__all__ = ["PipeNetwork", "Sensitivity"]

Indices = npt.NDArray[np.int64]

#: m3/h in m3/s, by EPANET's names of units.
_UNITS: Final = {"CMH": 3600.0, "LPS": 1000.0, "LPM": 60_000.0, "CMD": 86_400.0, "MLD": 86.4}
_POWER: Final = 1.852
_ROUNDS: Final = 60


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What a leak of 1 m3/h does to pressures at the sensors, for each pipe it may be in.

    Parameters
    ----------
    pressure
        In m, at fixed demands. Shape (sensors, pipes).
    residual
        The same less what a rise of the measured inflow alone would let expect: what is left once pressures are
        explained by the flow. Shape (sensors, pipes).
    """

    pressure: Floats
    residual: Floats


@dataclass(frozen=True)
class PipeNetwork:
    """Nodes, pipes, valves and pumps.

    Parameters
    ----------
    nodes
        Names of junctions, reservoirs and tanks.
    elevation
        Of each node, m; of reservoirs their head. Shape (nodes,).
    demand
        Mean demand of each node, m3/h. Shape (nodes,).
    sources
        Indices of reservoirs and tanks: their heads are given.
    pipes
        Names of pipes.
    ends
        Indices of the two nodes of each pipe. Shape (pipes, 2).
    length, resistance
        m; head loss in m at 1 m3/h (Hazen and Williams). Shape (pipes,).
    regulators
        Pressure reducing valves: upstream node, downstream node, and the pressure held there, m.
    pumps
        Upstream and downstream node.
    """

    nodes: tuple[str, ...]
    elevation: Floats
    demand: Floats
    sources: tuple[int, ...]
    pipes: tuple[str, ...]
    ends: Indices
    length: Floats
    resistance: Floats
    regulators: tuple[tuple[int, int, float], ...] = ()
    pumps: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PipeNetwork:
        """Read an EPANET 2 input file in metric units with Hazen and Williams' head loss; raises SourceError."""
        sections = _sections(text)
        options = {row[0].upper(): row[1].upper() for row in sections.get("OPTIONS", []) if len(row) > 1}
        if options.get("HEADLOSS", "H-W") != "H-W" or options.get("UNITS", "CMH") not in _UNITS:
            raise SourceError(f"expected head loss H-W and units {', '.join(_UNITS)}, got {options}")
        per_second = _UNITS[options.get("UNITS", "CMH")]
        try:
            return cls._built(sections, 3600.0 / per_second)
        except (IndexError, KeyError, ValueError) as error:
            raise SourceError(f"not a whole EPANET file: {type(error).__name__}: {error}") from error

    @classmethod
    def _built(cls, sections: dict[str, list[list[str]]], hourly: float) -> PipeNetwork:
        patterns: dict[str, list[float]] = {}
        for row in sections.get("PATTERNS", []):
            patterns.setdefault(row[0], []).extend(map(float, row[1:]))
        mean = {name: sum(values) / len(values) for name, values in patterns.items()}
        nodes: dict[str, tuple[float, float]] = {}
        for row in sections["JUNCTIONS"]:
            base = float(row[2]) if len(row) > 2 else 0.0
            nodes[row[0]] = float(row[1]), base * mean.get(row[3] if len(row) > 3 else "1", 1.0)
        named: dict[str, float] = {}
        for row in sections.get("DEMANDS", []):
            named[row[0]] = named.get(row[0], 0.0) + float(row[1]) * mean.get(row[2] if len(row) > 2 else "1", 1.0)
        nodes |= {name: (nodes[name][0], demand) for name, demand in named.items()}
        heads = {row[0]: float(row[1]) for row in sections.get("RESERVOIRS", [])}
        heads |= {row[0]: float(row[1]) + float(row[2]) for row in sections.get("TANKS", [])}
        nodes |= {name: (head, 0.0) for name, head in heads.items()}
        index = {name: i for i, name in enumerate(nodes)}
        rows = [row for row in sections["PIPES"] if len(row) < 8 or row[7].upper() != "CLOSED"]
        length, diameter, rough = (np.array([float(row[k]) for row in rows]) for k in (3, 4, 5))
        return cls(
            tuple(nodes),
            np.array([elevation for elevation, _ in nodes.values()]),
            np.array([demand for _, demand in nodes.values()]) * hourly,
            tuple(index[name] for name in heads),
            tuple(row[0] for row in rows),
            np.array([(index[row[1]], index[row[2]]) for row in rows], np.int64),
            length,
            10.667 * length * rough**-_POWER * (diameter / 1000.0) ** -4.871 / 3600.0**_POWER,
            tuple(
                (index[row[1]], index[row[2]], float(row[5]))
                for row in sections.get("VALVES", [])
                if row[4].upper() == "PRV"
            ),
            tuple((index[row[1]], index[row[2]]) for row in sections.get("PUMPS", [])),
        )

    def between(self) -> Floats:
        """Distance along the network between the middles of each two pipes, m. Shape (pipes, pipes).

        Valves and pumps have no length.
        """
        a, b = self.ends.T
        links = [(up, down) for up, down, _ in self.regulators] + list(self.pumps)
        rows = np.concatenate([a, [up for up, _ in links]]).astype(np.int64)
        columns = np.concatenate([b, [down for _, down in links]]).astype(np.int64)
        weights = np.concatenate([np.maximum(self.length, 1e-6), np.full(len(links), 1e-6)])
        order = np.argsort(-weights, kind="stable")  # of parallel pipes the last, the shortest, counts
        n = len(self.nodes)
        graph = np.zeros((n, n))
        graph[rows[order], columns[order]] = weights[order]
        apart = dijkstra(csc_array(np.where((graph == 0) | ((graph.T > 0) & (graph > graph.T)), graph.T, graph)), False)
        ends = np.minimum.reduce([apart[np.ix_(x, y)] for x in (a, b) for y in (a, b)])
        distance = ends + 0.5 * (self.length[:, None] + self.length[None, :])
        np.fill_diagonal(distance, 0.0)
        return np.asarray(distance)

    def sensitivity(self, sensors: Sequence[str]) -> Sensitivity:
        """What leaks do to the pressures at the nodes `sensors`, linear about the mean demand.

        Reservoirs, tanks and the downstream sides of pressure reducing valves hold their heads; what flows through a
        valve is drawn upstream of it. Tanks are large: what is drawn from one is not drawn upstream of its pump.
        Raises SourceError for a node that is not there.
        """
        missing = [name for name in sensors if name not in self.nodes]
        if missing:
            raise SourceError(f"the network has no node {', '.join(missing)}")
        fixed = {i: self.elevation[i] for i in self.sources}
        fixed |= {down: self.elevation[down] + pressure for _, down, pressure in self.regulators}
        free = np.array([i for i in range(len(self.nodes)) if i not in fixed], np.int64)
        flow, solve = self._steady(fixed, free)
        at = np.full(len(self.nodes), -1)
        at[free] = np.arange(len(free))
        # Rows of the inverse: what a draw of 1 m3/h anywhere does at the sensors.
        unit = np.zeros((len(free), len(sensors)))
        for k, name in enumerate(sensors):
            if (i := at[self.nodes.index(name)]) >= 0:
                unit[i, k] = 1.0
        draw = np.zeros((len(sensors), len(self.nodes)))
        draw[:, free] = -solve(unit).T
        metered, feed = self._feeds(fixed, flow)
        # A zone behind a valve draws at the valve, too; zones in turn, from the last to the first.
        for _ in self.regulators:
            draw_all = draw + draw @ feed
        full = draw_all if self.regulators else draw
        pressure = 0.5 * (full[:, self.ends[:, 0]] + full[:, self.ends[:, 1]])
        share = self.demand * metered
        mean = full @ (share / share.sum()) if share.sum() > 0 else np.zeros(len(sensors))
        inside = metered[self.ends].any(axis=1)
        return Sensitivity(np.asarray(pressure), np.asarray(pressure - np.outer(mean, inside)))

    def _steady(self, fixed: dict[int, float], free: Indices):  # type: ignore[no-untyped-def]
        """Flows at mean demand by Newton's method on heads, and the solver of the last linear system."""
        a, b = self.ends.T
        n = len(self.nodes)
        head = np.full(n, max(fixed.values()))
        for node, value in fixed.items():
            head[node] = value
        demand = self.demand.copy()
        flow = np.full(len(self.pipes), 1.0)
        for _ in range(_ROUNDS):
            size = np.maximum(np.abs(flow), 0.01)
            slope = 1.0 / (_POWER * self.resistance * size ** (_POWER - 1.0))
            rest = flow - slope * self.resistance * flow * size ** (_POWER - 1.0)
            matrix = coo_array(
                (
                    np.concatenate([slope, slope, -slope, -slope]),
                    (np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])),
                ),
                (n, n),
            ).tocsc()
            right = -demand.astype(np.float64)
            np.subtract.at(right, a, rest)
            np.add.at(right, b, rest)
            known = np.array(list(fixed), np.int64)
            right = right[free] - matrix[free][:, known] @ head[known]
            factor = splu(csc_array(matrix[free][:, free] + 1e-12 * _eye(len(free))))
            head[free] = factor.solve(right)
            after = slope * (head[a] - head[b]) + rest
            done = np.abs(after - flow).max() < 1e-6 * max(1.0, float(np.abs(after).max()))
            flow = 0.5 * (flow + after) if not done else after
            demand = self.demand.copy()
            for up, down, _ in self.regulators:  # what flows through a valve is drawn upstream of it
                if up not in fixed:
                    demand[up] += flow[a == down].sum() - flow[b == down].sum()
            if done:
                break
        return flow, factor.solve

    def _feeds(self, fixed: dict[int, float], flow: Floats) -> tuple[npt.NDArray[np.bool_], csc_array]:
        """Which nodes draw on metered inlets (not on a tank), and at which node upstream of a valve each draws."""
        n = len(self.nodes)
        a, b = self.ends.T
        # Zones: parts that pipes join when fixed heads are taken out as bridges.
        zone = np.arange(n)
        for _ in range(n):
            before = zone.copy()
            np.minimum.at(zone, a, zone[b])
            np.minimum.at(zone, b, zone[a])
            if (zone == before).all():
                break
        metered = np.zeros(n, bool)
        tanks = {down for _, down in self.pumps}
        rows, columns = [], []
        for i in range(n):
            heads = [j for j in fixed if zone[j] == zone[i]]
            metered[i] = not any(j in tanks for j in heads)
            valves = [up for up, down, _ in self.regulators if zone[down] == zone[i] and up not in fixed]
            for up in valves:
                rows.append(up)
                columns.append(i)
        feed = coo_array((np.ones(len(rows)), (rows, columns)), (n, n)).tocsc()
        return metered, feed


def _eye(n: int) -> csc_array:
    return csc_array((np.ones(n), (np.arange(n), np.arange(n))), (n, n))


def _sections(text: str) -> dict[str, list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in text.splitlines():
        words = line.partition(";")[0].split()
        if words and words[0].startswith("["):
            current = sections.setdefault(words[0].strip("[]").upper(), [])
        elif words:
            current.append(words)
    return sections
