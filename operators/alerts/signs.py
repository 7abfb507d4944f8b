"""Signs, and the cases that signs of one cause at one place make."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from domain.clock import NEVER
from domain.findings import Finding, Verdict, VideoEvent
from domain.reports import Report
from operators.alerts.places import Site
from operators.alerts.rules import Rules
from operators.alerts.timing import FOREVER, Record
from operators.alerts.waves import Spot

__all__ = ["Case", "Sign", "corroboration", "doubts"]


@dataclass(slots=True, eq=False)
class Sign:
    """What a monitor says of a sensor, a camera or a reporter of a type of event: now, and while its case is open."""

    source: str  # id of the sensor or camera; of a report: who reports, and of where
    by: str  # the monitor; or "video" or "report", and the type
    site: Site
    kinds: tuple[str, ...]  # of cases that it speaks for; the first is what it is a sign of
    owner: str  # responsible unit, when the monitor or video rule names one
    on_delay: int
    off_delay: int
    latest: Record
    weight: float = 0.0  # of a report
    level: int = 0  # city level that it asks for now; 0: none
    onset: int = 0
    began: int = 0  # event time of the record that it began with
    due: int = 0  # event time until which it must last before it counts
    end: int = FOREVER  # event time of its end; FOREVER while it lasts
    ripe: bool = False  # has lasted so long
    holds: bool = False  # keeps its case open until it ends
    doubt: str = ""  # reason of a fault that was found on its sensor while the case was open
    case: Case | None = None

    @property
    def video(self) -> bool:
        """Whether it is a camera's."""
        return isinstance(self.latest, VideoEvent)

    @property
    def momentary(self) -> bool:
        """Whether it is over at once, as what a camera or a person sees is."""
        return not isinstance(self.latest, Finding)

    @property
    def fault(self) -> bool:
        """Whether it says that the sensor itself is faulty."""
        return isinstance(self.latest, Finding) and self.latest.verdict is Verdict.FAULT

    @property
    def lasting(self) -> bool:
        """Whether it has not ended."""
        return self.end == FOREVER


@dataclass(slots=True, eq=False)
class Case:
    """Signs of one cause at one place."""

    number: int  # cases count up in the order in which they open
    kind: str
    kinds: tuple[str, ...]  # of signs that belong to it
    site: Site  # where its first sign is: what is near this joins
    first: Sign
    id: UUID
    hold: int  # it stays open for at least so long after its last sign
    flaps: int  # how often it has come back before
    level: int  # the gravest that any of its signs has asked for
    onset: int
    began: int  # onset of its first sign
    filmed: bool = False  # a camera's sign is among them
    agreed: bool = False  # a sensor and a camera have agreed
    news: bool = False  # something the desk has not been told yet
    lasting: int = 0  # signs that hold it open
    until: int = NEVER  # it stays open until then after they have ended
    signs: dict[tuple[str, str], Sign] = field(default_factory=dict)
    evidence: dict[UUID, None] = field(default_factory=dict)
    clips: dict[str, None] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)  # of its pressure wave, ns, by sensor
    spot: Spot | None = None  # where the arrivals place the cause
    moved: bool = False  # it was placed anew, or its cause was found, since the desk was told
    cause: Case | None = None  # another case that this one is a consequence of; people hear of that one
    folded: dict[int, Case] = field(default_factory=dict)  # consequences that were open before it, by number
    over: bool = False
    held: dict[tuple[str, str], Finding] = field(default_factory=dict)  # of a fault's: what its sensor may not say

    def takes(self, sign: Sign) -> bool:
        """Whether a sign near it belongs to it: one speaks for what the other is."""
        return self.kind in sign.kinds or sign.kinds[0] in self.kinds

    def stir(self) -> None:
        """There is something that the desk has not been told, of it and so of its cause."""
        case: Case | None = self
        while case is not None:
            case.news, case = True, case.cause

    @property
    def outlasted(self) -> bool:
        """Whether a consequence of it is still open."""
        return any(not case.over for case in self.folded.values())

    def together(self) -> Iterator[Case]:
        """It, and what are its consequences."""
        yield self
        for case in self.folded.values():
            yield from case.together()

    def all_signs(self) -> Iterator[Sign]:
        """Its signs, and those of its consequences, each once."""
        return iter({key: sign for case in self.together() for key, sign in case.signs.items()}.values())


def doubts(case: Case) -> dict[str, str]:
    """The sensors of a case that were found faulty while it was open, and the reasons of their faults."""
    return {sign.source: sign.doubt for sign in case.all_signs() if sign.doubt}


def corroboration(case: Case, rules: Rules, explained: Collection[str] = (), more: float = 0.0) -> float:
    """How sure the signs of a case make it, 0 to 1: the noisy-or of its independent sources, 1 - prod(1 - weight).

    A sensor weighs `sensor_weight`, joined in the same way with `detector_weight` for each further detector that found
    the same on it; a camera weighs `camera_weight` and a report its rule's weight, times its confidence. Signs of the
    kinds that are `explained` by something else weigh less; `more` is a further source's weight. The model is Pearl's
    (Probabilistic Reasoning in Intelligent Systems, 1988, chapter 4): each source by itself would suffice, and they err
    independently. The weights are settings, not estimates: the score grades alerts, it is no probability.
    """
    detectors: dict[str, set[str]] = {}
    doubted = doubts(case)
    others: dict[str, float] = {}  # cameras and reporters
    plain: set[str] = set()  # sources of which something is not explained
    for sign in case.all_signs():
        latest = sign.latest
        if isinstance(latest, Finding):
            detectors.setdefault(sign.source, set()).add(latest.detector)
        else:
            most = sign.weight if isinstance(latest, Report) else rules.camera_weight
            others[sign.source] = max(others.get(sign.source, 0.0), most * min(max(latest.confidence, 0.0), 1.0))
        if sign.kinds[0] not in explained:
            plain.add(sign.source)
    wrong = 1.0 - more
    for sensor, names in detectors.items():
        weight = 1.0 - (1.0 - rules.sensor_weight) * (1.0 - rules.detector_weight) ** (len(names) - 1)
        weight *= rules.doubted if sensor in doubted else 1.0
        wrong *= 1.0 - weight * (1.0 if sensor in plain else rules.explained)
    wrong *= math.prod(
        1.0 - weight * (1.0 if source in plain else rules.explained) for source, weight in others.items()
    )
    return round(1.0 - wrong, 4)
