"""How a city's desk handles its alerts, level by level: the `[desk]` table of city.toml.

[desk]
shelve_most = "8 h"

[[desk.level]]
rank = 1
acknowledge_within = "2 min"
escalate_to = ["duty-officer", "emergency-office"]
realarm_after = "30 min"
latched = true
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import with_config

from domain.clock import DAY, HOUR
from domain.fields import Count, Flag, Id, Nanoseconds

__all__ = ["DeskPolicy", "LevelPolicy"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class LevelPolicy:
    """What is expected of people for alerts of one level. Durations in ns; 0 stands for never."""

    rank: Count
    acknowledge_within: Nanoseconds = 0  # an alert that nobody has acknowledged for so long is overdue, ...
    escalate_to: tuple[Id, ...] = ()  # ... and goes to the first of these units, then to the next, ...
    realarm_after: Nanoseconds = 0  # an alert that is still active so long after somebody acknowledged it rings again
    latched: Flag = False  # it stays at the desk after it has cleared, until somebody has acknowledged and closed it


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class DeskPolicy:
    """What people may do, and what is expected of them. Durations in ns."""

    shelve_most: Nanoseconds = 12 * HOUR  # an alert is back after so long, whatever end was named
    suppress_most: Nanoseconds = 30 * DAY  # and so is what hangs on an asset in maintenance
    remember: Nanoseconds = DAY  # so long can an alert still be acknowledged, judged and closed that is over
    level: tuple[LevelPolicy, ...] = ()

    def of(self, rank: int, gravest: int) -> LevelPolicy:
        """The policy of one level: where none is written, alerts of the gravest are latched, and nothing else.

        >>> DeskPolicy().of(1, gravest=1).latched, DeskPolicy().of(2, gravest=1).latched
        (True, False)
        """
        written = (policy for policy in self.level if policy.rank == rank)
        return next(written, LevelPolicy(rank, latched=rank == gravest))
