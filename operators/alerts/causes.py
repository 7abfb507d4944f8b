"""Cause and consequence: which of two cases of different kinds is the other's cause."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeVar

from domain.city import City
from domain.correlation import CauseRule
from operators.alerts.places import Index, Places, Site
from operators.alerts.signs import Case, Sign
from operators.alerts.travel import Travel

__all__ = ["Causes"]

M = TypeVar("M", Case, Sign)


class Causes:
    """Knows what follows from what in a city.

    A consequence is near its cause and begins when it may: within the rule's times, and, along the pipes of a network
    with speeds, no sooner and no later than it travels. No kind is its own cause, so neither is a case.
    """

    def __init__(self, city: City, places: Places, travel: Travel) -> None:
        self._places, self._travel = places, travel
        self._causes: defaultdict[str, list[CauseRule]] = defaultdict(list)
        self._consequences: defaultdict[str, list[CauseRule]] = defaultdict(list)
        for rule in city.correlation.cause:
            self._causes[rule.consequence].append(rule)
            self._consequences[rule.cause].append(rule)

    def of(self, sign: Sign, cases: Index[Case]) -> Case | None:
        """The case that a sign is a consequence of: the nearest, and of these the oldest; None where there is none."""
        fitting = (
            (distance, case.number, case)
            for rule in self._causes.get(sign.kinds[0], ())
            for distance, case in self._near(rule, rule.cause, sign.site, cases)
            if self._follows(rule, distance, sign.onset - case.began)
        )
        return min(fitting, default=(0.0, 0, None))[2]

    def consequences(self, case: Case, cases: Index[Case]) -> list[Case]:
        """The cases that are consequences of one and of nothing else yet, oldest first."""
        found = {
            other.number: other
            for rule in self._consequences.get(case.kind, ())
            for distance, other in self._near(rule, rule.consequence, case.site, cases)
            if other.cause is None and self._follows(rule, distance, other.began - case.began)
        }
        return [other for _, other in sorted(found.items())]

    def awaited(self, case: Case, signs: Index[Sign]) -> list[Sign]:
        """Signs without a case that are consequences of one."""
        return [
            sign
            for rule in self._consequences.get(case.kind, ())
            for distance, sign in self._near(rule, rule.consequence, case.site, signs)
            if sign.kinds[0] == rule.consequence and self._follows(rule, distance, sign.onset - case.began)
        ]

    def _near(self, rule: CauseRule, kind: str, site: Site, members: Index[M]) -> Iterator[tuple[float, M]]:
        reach = self._places.reach(site, rule.within, rule.network)
        near = members.among((kind,), site, reach, None if rule.network else rule.within)
        return ((distance, member) for distance, member in near if member.kinds[0] == kind)

    def _follows(self, rule: CauseRule, distance: float, lag: int) -> bool:
        in_time = rule.since - rule.tolerance <= lag <= rule.to + rule.tolerance
        return in_time and (not rule.network or self._travel.follows(rule.network, distance, lag))
