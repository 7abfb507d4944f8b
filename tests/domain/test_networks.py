"""What hangs on an asset."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.networks import Graph, hanging

NODES = "abcdefg"
edges = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] != e[1]), max_size=10)


def test_a_valve_in_a_main() -> None:
    """Behind a valve everything hangs on it, but what is fed from another side as well."""
    pipes = [("works", "valve"), ("valve", "a"), ("a", "b"), ("works", "c"), ("c", "b"), ("b", "d"), ("valve", "e")]
    graphs = (Graph(pipes),)
    assert hanging(graphs, "valve") == {"e"}
    assert hanging(graphs, "b") == {"d"}
    assert hanging(graphs, "works") == {"valve", "a", "b", "c", "d", "e"}
    assert hanging(graphs, "elsewhere") == frozenset()
    assert hanging((Graph([("a", "b"), ("b", "a")]),), "a") == frozenset()  # a ring that nothing feeds


@given(edges, st.sampled_from(NODES))
def test_hanging_as_every_way_says_it(pipes: list[tuple[str, str]], asset: str) -> None:
    """The same from the simple paths themselves: an asset hangs where each of them passes the other."""
    heads = {start for start, _ in pipes} - {end for _, end in pipes}
    ways: dict[str, list[set[str]]] = {}

    def walk(at: str, passed: frozenset[str]) -> None:
        passed |= {at}
        ways.setdefault(at, []).append(set(passed))
        for a, b in pipes:
            for here, there in ((a, b), (b, a)):
                if here == at and there not in passed:
                    walk(there, passed)

    for head in heads:
        walk(head, frozenset())
    expected = {node for node, found in ways.items() if node != asset and all(asset in way for way in found)}
    assert hanging((Graph(pipes),), asset) == expected
