"""What follows from what in a city, how fast it travels, what rain explains: the `[correlation]` table of city.toml.

[[correlation.cause]]
cause = "water-burst"
consequence = "waterlogging"
within = 300.0
to = "30 min"

[[correlation.network]]
network = "drain"
slowest = 0.3
fastest = 5.0

[correlation.rain]
kind = "rain"
explains = ["waterlogging"]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from domain.clock import HOUR, MINUTE
from domain.fields import Id, Nanoseconds, NotNegative, Positive, Reference

__all__ = ["CauseRule", "Correlation", "NetworkRule", "RainRule"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class CauseRule:
    """Alerts of one kind bring about those of another: near enough, and in time, the two are one alert."""

    cause: Id  # kind of an alert
    consequence: Id
    within: Positive = 300.0  # m, from the first sign of the cause: over ground, in whatever zones, ...
    network: Reference = ""  # ... or along the pipes of this network
    since: Nanoseconds = 0  # ns: so long after the cause's onset does the consequence begin at the earliest, ...
    to: Nanoseconds = HOUR  # ... and at the latest
    tolerance: Nanoseconds = MINUTE  # ns, on either side: onsets are known only so well


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class NetworkRule:
    """How fast what happens at one place of a pipe network comes to another, along its pipes."""

    network: Id
    slowest: Positive  # m/s
    fastest: Annotated[float, Field(strict=True, gt=0)] = float("inf")  # m/s
    tolerance: Nanoseconds = MINUTE  # ns: onsets are known only so well
    reach: NotNegative = 0.0  # m: signs of one cause may lie so far apart along the pipes; 0: as in any network
    felt: NotNegative = 0.0  # m: it is felt so far along the pipes, so that who feels nothing there speaks against it


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class RainRule:
    """What rain in a zone says of alerts there."""

    kind: Id  # of findings on rain gauges: it rains
    explains: tuple[Id, ...] = ()  # kinds of alerts that rain may be the cause of
    against: tuple[Id, ...] = ()  # kinds that are less sure while it rains: rain would explain what is seen as well
    lasts: Nanoseconds = HOUR  # ns: so long after it has stopped does rain explain anything


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Correlation:
    """What a city knows about causes; without any of it, alerts of different kinds stand side by side."""

    cause: tuple[CauseRule, ...] = ()
    network: tuple[NetworkRule, ...] = ()
    rain: RainRule | None = None

    @property
    def ring(self) -> tuple[str, ...]:
        """Kinds that would be the cause of themselves, in their order; empty where there are none.

        >>> Correlation((CauseRule("a", "b"), CauseRule("b", "a"))).ring
        ('a', 'b', 'a')
        """
        after: dict[str, list[str]] = {}
        for rule in self.cause:
            after.setdefault(rule.cause, []).append(rule.consequence)
        clear: set[str] = set()

        def walk(kind: str, way: tuple[str, ...]) -> tuple[str, ...]:
            if kind in way:
                return (*way[way.index(kind) :], kind)
            found: tuple[str, ...] = ()
            for next in after.get(kind, ()) if kind not in clear else ():
                found = found or walk(next, (*way, kind))
            clear.add(kind)
            return found

        return next((ring for kind in after if (ring := walk(kind, ()))), ())
