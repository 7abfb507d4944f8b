"""Where in a pipe network: a leak from the step of the pressures, a burst from the arrivals of its pressure wave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from detectors.pipe_network import Sensitivity
from domain.records import Floats

__all__ = ["BurstPlace", "LeakPlace", "Pipes", "burst_place", "leak_place", "pipe_graph"]

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


class Pipes(Protocol):
    """Pipes between nodes: a `PipeNetwork`, or what a city's files say of one."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names."""

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """Indices of the two nodes of each pipe. Shape (pipes, 2)."""

    @property
    def length(self) -> Floats:
        """Of each pipe, m. Shape (pipes,)."""


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
    network: Pipes,
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

    Method: arrivals on the graph of the pipes as in Srirangarajan et al., Wavelet-Based Burst Event Detection and
    Localization in Water Distribution Systems, Journal of Signal Processing Systems 72 (2013), by least squares.
    """
    names = sorted(name for name in arrivals if name in network.nodes)
    if len(names) < 2:
        return None
    times = np.array([arrivals[name] for name in names])
    origin = float(times.min())
    graph = pipe_graph(network)
    apart = dijkstra(graph, False, indices=[network.nodes.index(name) for name in names])
    # The places: `at` m from the first end of `pipe`, and as far from the other as `rest`.
    count = np.maximum(2, (network.length / spacing).astype(np.int64) + 1)
    pipe = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(pipe)) - np.repeat(np.cumsum(count) - count, count)
    at = network.length[pipe] * step / (count[pipe] - 1)
    rest = network.length[pipe] - at
    first, second = network.ends[pipe].T
    way = np.minimum(apart[:, first] + at, apart[:, second] + rest)  # (sensors, places)
    reached = np.isfinite(way).all(axis=0)
    if not reached.any():
        return None
    pipe, at, rest, first, second, way = (
        pipe[reached],
        at[reached],
        rest[reached],
        first[reached],
        second[reached],
        way[:, reached],
    )
    travel = way / speed
    weight = 1.0 / (sigma**2 + (speed_sigma * (travel - travel.min(axis=0))) ** 2)
    since = (times - origin)[:, None] - travel
    start = (since * weight).sum(axis=0) / weight.sum(axis=0)
    cost = ((since - start) ** 2 * weight).sum(axis=0) - np.log(weight).sum(axis=0)
    k = int(np.argmin(cost))
    near = cost <= cost[k] + _REGION
    ends = dijkstra(graph, False, indices=[first[k], second[k]])
    around = np.minimum(
        at[k] + np.minimum(ends[0, first] + at, ends[0, second] + rest),
        rest[k] + np.minimum(ends[1, first] + at, ends[1, second] + rest),
    )
    around = np.where(pipe == pipe[k], np.minimum(np.abs(at - at[k]), around), around)
    error = float(np.sqrt(np.mean((since[:, k] - start[k]) ** 2)))
    radius = max(float(around[near].max()), 0.5 * spacing)
    return BurstPlace(int(pipe[k]), float(at[k]), origin + float(start[k]), error, radius)


def pipe_graph(network: Pipes) -> csr_array:
    """Lengths between nodes, m, with either end first; of parallel pipes the shortest counts."""
    low, high = np.sort(network.ends, axis=1).T
    order = np.lexsort((network.length, high, low))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    kept = order[new]
    n = len(network.nodes)
    return coo_array((np.maximum(network.length[kept], 1e-6), (low[kept], high[kept])), (n, n)).tocsr()
