"""Where in a pipe network: a leak from the step of the pressures, a burst from the arrivals of its pressure wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from detectors.pipe_network import PipeNetwork, Sensitivity
from domain.records import Floats

__all__ = ["BurstPlace", "LeakPlace", "burst_place", "leak_place"]

#: Increase of chi-square that a 90 % region of two parameters (place and size) takes in.
_REGION: Final = 4.61
#: Of the probability.
_SURE: Final = 0.9
#: Part of a step that the linear model gets wrong at each sensor.
_MODEL: Final = 0.1


@dataclass(frozen=True, slots=True)
class LeakPlace:
    """Where a leak is that explains a step of the pressures.

    Parameters
    ----------
    pipe
        Index of the pipe in the middle: its expected distance to the leak is the least.
    flow
        Estimated leak, m3/h.
    fit
        Part of the step (as noise weighs it) which the leak explains, 0 to 1.
    radius
        The leak is within this distance of it, along the network, with a probability of 90 %, m.
    candidates
        Pipes that together hold 90 % of the probability, the likeliest first.
    """

    pipe: int
    flow: float
    fit: float
    radius: float
    candidates: tuple[int, ...]


def leak_place(step: Floats, noise: Floats, sensitivity: Sensitivity, between: Floats) -> LeakPlace | None:
    """Place a leak by the step that pressures made when it began; None if a repair explains it better.

    Every pipe is tried with the flow that fits best by weighted least squares.

    Parameters
    ----------
    step
        Change of each pressure against what the flow explains, m. Shape (sensors,).
    noise
        Covariance of `step` from noise. Shape (sensors, sensors).
    sensitivity
        What leaks do; `residual` is used.
    between
        Distances between the pipes' middles, m (`PipeNetwork.between`). Shape (pipes, pipes).

    Method: sensitivity matching, Pudar and Liggett, Leaks in Pipe Networks, J. Hydraulic Engineering 118 (1992).
    """
    model = (_MODEL * float(np.sqrt(np.mean(step**2)))) ** 2
    weight = np.linalg.inv(noise + model * np.eye(len(step)))
    toward = weight @ step
    s = sensitivity.residual
    along, size = s.T @ toward, np.einsum("ij,ij->j", s, weight @ s)
    flow = np.where(size > 0, along / np.where(size > 0, size, 1.0), 0.0)
    signed = flow * np.abs(along)
    gain = np.maximum(signed, 0.0)
    best = int(np.argmax(gain))
    total = float(step @ toward)
    if gain[best] <= max(0.0, -float(signed.min())) or total <= 0.0:
        return None
    chance = np.exp(0.5 * (gain - gain[best]))
    chance /= chance.sum()
    order = np.argsort(-chance, kind="stable")
    count = int(np.searchsorted(np.cumsum(chance[order]), _SURE)) + 1
    middle = int(np.argmin(np.minimum(between, 1e9) @ chance))
    near = np.argsort(between[middle], kind="stable")
    radius = between[middle, near[min(int(np.searchsorted(np.cumsum(chance[near]), _SURE)), len(near) - 1)]]
    return LeakPlace(middle, float(flow[best]), float(gain[best] / total), float(radius), tuple(order[:count].tolist()))


@dataclass(frozen=True, slots=True)
class BurstPlace:
    """Where a pressure wave came from.

    Parameters
    ----------
    pipe
        Index of the pipe.
    offset
        From the pipe's first end, m.
    time
        When it burst, s, in the arrivals' own clock.
    error
        Root mean square of the arrivals' residuals, s.
    radius
        Places within this distance along the network are 90 % of the probability, m.
    """

    pipe: int
    offset: float
    time: float
    error: float
    radius: float


def burst_place(
    network: PipeNetwork,
    arrivals: Mapping[str, float],
    speed: float = 1000.0,
    sigma: float = 0.01,
    speed_sigma: float = 0.05,
    spacing: float = 5.0,
) -> BurstPlace | None:
    """Place a burst by when its wave reached the sensors; None with fewer than two arrivals in one part of the network.

    The wave takes the quickest way along the pipes. Every place on every pipe, `spacing` apart, is tried with the
    time that fits best; arrivals are weighed by their own error and that of the speed on the way there.

    Parameters
    ----------
    network
        The pipes.
    arrivals
        When the wave reached each sensor's node, s. Three or more tell a place, two a line of places.
    speed
        Of pressure waves, m/s: about 1,200 in steel and iron, 300 to 500 in plastics.
    sigma
        Standard deviation of an arrival, s: clocks and picking.
    speed_sigma
        Standard deviation of the speed, as a part of it.
    spacing
        Of the places that are tried, m.

    Method: Misiunas et al., Pipeline Break Detection Using Pressure Transient Monitoring, J. Water Resources Planning
    and Management 131 (2005), on a graph.
    """
    names = sorted(name for name in arrivals if name in network.nodes)
    if len(names) < 2:
        return None
    times = np.array([arrivals[name] for name in names])
    a, b = network.ends.T
    n = len(network.nodes)
    graph = coo_array((np.maximum(network.length, 1e-6), (np.minimum(a, b), np.maximum(a, b))), (n, n))
    graph = _shortest_parallel(graph)
    apart = dijkstra(graph, False, indices=[network.nodes.index(name) for name in names])
    best: tuple[float, int, float, float, float] | None = None
    places: list[tuple[float, int, float]] = []
    for pipe, (i, j) in enumerate(network.ends.tolist()):
        length = float(network.length[pipe])
        x = np.linspace(0.0, length, max(2, int(length / spacing) + 1))
        way = np.minimum(apart[:, i, None] + x, apart[:, j, None] + (length - x))  # (sensors, places)
        if not np.isfinite(way).all():
            continue
        travel = way / speed
        weight = 1.0 / (sigma**2 + (speed_sigma * (travel - travel.min(axis=0))) ** 2)
        start = ((times[:, None] - travel) * weight).sum(axis=0) / weight.sum(axis=0)
        rest = times[:, None] - travel - start
        cost = (rest**2 * weight).sum(axis=0) + np.log(1.0 / weight).sum(axis=0)
        places += [(float(c), pipe, float(at)) for c, at in zip(cost.tolist(), x.tolist(), strict=True)]
        k = int(np.argmin(cost))
        if best is None or cost[k] < best[0]:
            best = (
                float(cost[k]),
                pipe,
                float(x[k]),
                float(start[k]),
                float(np.sqrt(np.mean(rest[:, k] ** 2))),
            )
    if best is None:
        return None
    cost_least, pipe, offset, time, error = best
    i, j = network.ends[pipe]
    length = float(network.length[pipe])
    ends = dijkstra(graph, False, indices=[i, j])
    radius = 0.0
    for cost_there, other, at in places:
        if cost_there > cost_least + _REGION:
            continue
        if other == pipe:
            distance = abs(at - offset)
        else:
            u, v = network.ends[other]
            rest_length = float(network.length[other]) - at
            distance = min(
                offset + min(ends[0, u] + at, ends[0, v] + rest_length),
                length - offset + min(ends[1, u] + at, ends[1, v] + rest_length),
            )
        radius = max(radius, float(distance))
    return BurstPlace(pipe, offset, time, error, max(radius, 0.5 * spacing))


def _shortest_parallel(graph: coo_array) -> npt.NDArray[np.float64]:
    """A dense graph in which of parallel pipes the shortest counts (0: none)."""
    dense = np.full(graph.shape, np.inf)
    np.minimum.at(dense, (graph.row, graph.col), graph.data)
    return np.where(np.isfinite(dense), dense, 0.0)
