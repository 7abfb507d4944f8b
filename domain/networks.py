"""What hangs on what: the assets that lose their supply, or their way out, with another."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from domain.city import City

__all__ = ["Graph", "Networks", "hanging"]


class Networks:
    """The pipe networks of a city."""

    def __init__(self, city: City) -> None:
        self._pipes = city.pipes
        self._below: dict[str, frozenset[str]] = {}

    def below(self, asset: str) -> frozenset[str]:
        """The assets that hang on one: every way along the pipes from where a network is fed leads through it."""
        if asset not in self._below:
            self._below[asset] = hanging(self._graphs, asset)
        return self._below[asset]

    @cached_property
    def _graphs(self) -> tuple[Graph, ...]:
        by_network: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for pipe in self._pipes:
            by_network[pipe.network].append((pipe.start, pipe.end))
        return tuple(Graph(pipes) for pipes in by_network.values())


class Graph:
    """The pipes of one network, as the pairs of assets that they join."""

    def __init__(self, pipes: list[tuple[str, str]]) -> None:
        self.neighbours: defaultdict[str, set[str]] = defaultdict(set)
        for start, end in pipes:
            self.neighbours[start].add(end)
            self.neighbours[end].add(start)
        #: Where the network is fed: assets at which no pipe ends.
        self.heads = {start for start, _ in pipes} - {end for _, end in pipes}

    def reached(self, without: str) -> set[str]:
        """The assets that a way from a head leads to which does not pass one of them."""
        reached = self.heads - {without}
        todo = list(reached)
        while todo:
            new = self.neighbours[todo.pop()] - reached - {without}
            reached |= new
            todo += new
        return reached


def hanging(graphs: tuple[Graph, ...], asset: str) -> frozenset[str]:
    """The assets that every way along the pipes from the heads of a network leads to through `asset`.

    >>> main = Graph([("works", "valve"), ("valve", "house"), ("works", "school")])
    >>> sorted(hanging((main,), "valve")), sorted(hanging((main,), "house"))
    (['house'], [])
    """
    found: set[str] = set()
    for graph in graphs:
        if asset in graph.neighbours:
            found |= graph.reached("") - graph.reached(asset) - {asset}
    return frozenset(found)
