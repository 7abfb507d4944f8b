"""How grave an alert is, by the city's policy.

What its signs ask for is the base. Each rule that fits makes it graver or leaves it; the gravest holds, so neither the
order of the rules nor one more of them ever makes an alert milder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.city import City
from domain.exposure import Exposures
from domain.findings import Finding
from domain.policy import Grade
from domain.reports import Report
from operators.alerts.context import Weighed
from operators.alerts.signs import Case, Sign
from operators.alerts.timing import FOREVER

__all__ = ["Graded", "Grading"]


@dataclass(frozen=True, slots=True)
class Graded:
    """How grave a case is."""

    level: int
    rules: tuple[str, ...]  # of the city's policy, that made it graver than its signs ask
    due: int  # when it will have lasted long enough to be graver, should nothing else happen, ns


class Grading:
    """Knows the policy of a city.

    Parameters
    ----------
    city
        Its policy, levels, and what is exposed where.
    weigh
        How sure a case is at a time.
    """

    def __init__(self, city: City, weigh: Callable[[Case, int], Weighed]) -> None:
        self._weigh, self._grades = weigh, city.policy.grades
        self._rank = {level.name: level.rank for level in city.levels}
        self._ranks = sorted(self._rank.values())
        self._exposures = Exposures(city)

    def look(self, case: Case, asked: int, has: int, raised: int, now: int) -> Graded:
        """How grave a case is now; only rules are looked at that would make it graver than it is.

        Parameters
        ----------
        case
            Signs of one cause.
        asked
            The level that they ask for.
        has
            The level that its alert has.
        raised
            When its alert was, ns.
        now
            Event time, ns.
        """
        fitting = self._fitting(case, asked, has, now)
        stands = any(rule.lasting for rule, _ in fitting) and _stands(case, now)
        holding = [
            (level, rule.name)
            for rule, level in fitting
            if not rule.lasting or (stands and now - raised >= rule.lasting)
        ]
        gravest = min((level for level, _ in holding), default=asked)
        awaited = (raised + rule.lasting for rule, level in fitting if rule.lasting and level < min(gravest, has))
        due = min((time for time in awaited if time > now), default=FOREVER) if stands else FOREVER
        return Graded(gravest, tuple(name for level, name in holding if level == gravest), due)

    def _fitting(self, case: Case, asked: int, has: int, now: int) -> list[tuple[Grade, int]]:
        """The rules that fit now or will after a while, with the level, graver than it has, that each demands."""
        demanded = [
            (rule, level)
            for rule in self._grades
            if (level := self._demanded(rule, asked)) < min(asked, has)
            and (not rule.kinds or case.kind in rule.kinds)
            and (not rule.levels or any(self._rank.get(name) == asked for name in rule.levels))
        ]
        # There may be many signs: nobody looks at them whom no rule asks to.
        rules = [rule for rule, _ in demanded]
        score = max(map(_times_threshold, case.all_signs()), default=0.0) if any(one.score for one in rules) else 0.0
        sure = self._weigh(case, now).score if any(one.corroboration for one in rules) else 0.0
        exposed = self._exposed(case) if any(one.exposure for one in rules) else set()
        return [
            (rule, level)
            for rule, level in demanded
            if exposed.issuperset(rule.exposure) and score >= rule.score and sure >= rule.corroboration
        ]

    def _demanded(self, rule: Grade, asked: int) -> int:
        if rule.level:
            return self._rank[rule.level]
        graver = [rank for rank in self._ranks if rank < asked]
        return graver[-min(rule.steps, len(graver))] if graver else asked

    def _exposed(self, case: Case) -> set[str]:
        """What is exposed where its signs are."""
        signs = list(case.all_signs())
        sensors = (sign.source for sign in signs if not sign.momentary)
        found = set(self._exposures.around(sensors, (sign.source for sign in signs if sign.video)))
        for sign in signs:
            told = sign.latest
            if isinstance(told, Report):
                found.update(self._exposures.of(told.zone or sign.site.zone, told.asset, told.lon, told.lat))
        return found


def _times_threshold(sign: Sign) -> float:
    """How far a finding is past its threshold: its score in multiples of it; 0 where that says nothing."""
    latest = sign.latest
    if not isinstance(latest, Finding) or not latest.score * latest.threshold > 0.0:
        return 0.0
    return latest.score / latest.threshold


def _stands(case: Case, now: int) -> bool:
    """Whether one of its signs lasts; what is seen or reported does until it has not been for a while."""
    return case.lasting > 0 or any(
        sign.holds or (sign.momentary and sign.end + sign.off_delay > now) for sign in case.all_signs()
    )
