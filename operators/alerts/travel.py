"""How long what happens at one place of a pipe network takes to another: too soon or too late is of another cause.

Pressure runs along water mains at hundreds of metres a second, sewage at less than one, gas creeps. The two speeds of a
network (`domain.correlation.NetworkRule`) bound the time between two onsets; a network without them bounds nothing.
"""

from __future__ import annotations

from domain.city import City
from domain.clock import SECOND
from domain.correlation import NetworkRule
from operators.alerts.places import Places, Site

__all__ = ["Travel"]


class Travel:
    """Knows how fast things travel in a city's networks."""

    def __init__(self, city: City, places: Places) -> None:
        self._places = places
        self._rules = {rule.network: rule for rule in city.correlation.network}
        self._felt = {name: rule for name, rule in self._rules.items() if rule.felt}

    def neighbours(self, a: Site, b: Site, lag: int) -> bool:
        """Whether onsets at two places, `lag` ns apart, may be of one cause.

        Which may be anywhere on the way between them, or beyond: so the one is at most as much later as the slowest
        takes from the other. Places that no network with speeds joins within `pipe_length` are not asked.
        """
        ways = self._ways(a, b) if a.key != b.key else []
        return not ways or any(abs(lag) <= latest(rule, length) for rule, length in ways)

    def follows(self, network: str, length: float, lag: int) -> bool:
        """Whether what happens at one place may begin at another, `length` m along the pipes, `lag` ns later."""
        rule = self._rules.get(network)
        return rule is None or earliest(rule, length) <= lag <= latest(rule, length)

    def felt(self, site: Site, elapsed: int) -> dict[str, float]:
        """Where what began at a place `elapsed` ns ago must be felt by now: keys of other sites, and metres to them."""
        found: dict[str, float] = {}
        for name, rule in self._felt.items():
            for key, length in self._places.reach(site, rule.felt, name).items():
                if key != site.key and elapsed > latest(rule, length):
                    found[key] = min(length, found.get(key, length))
        return found

    def _ways(self, a: Site, b: Site) -> list[tuple[NetworkRule, float]]:
        places = self._places
        found = (
            (rule, places.reach(a, places.pipe_length(name), name).get(b.key)) for name, rule in self._rules.items()
        )
        return [(rule, length) for rule, length in found if length is not None]


def earliest(rule: NetworkRule, length: float) -> int:
    """ns after which it is there at the earliest."""
    return round(length / rule.fastest * SECOND) - rule.tolerance


def latest(rule: NetworkRule, length: float) -> int:
    """ns after which it is there at the latest."""
    return round(length / rule.slowest * SECOND) + rule.tolerance
