"""A case: something that a unit has to see to, with an alert behind it or none, from its report to its end.

reported -> dispatched -> accepted -> handled -> checked -> closed

What happens to it comes as actions, from the city's case system or from the desk, in any order and any number of times:
only their times count. A stage is reached at the first time that it is told of. A case goes back in two ways only: a
check that finds the work not done returns it to its unit, and being dispatched after it was closed opens it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import with_config

from domain.actions import Action, Verb
from domain.fields import Count, Nanoseconds

__all__ = ["OF_CASES", "Case", "CasePolicy", "Deadlines", "Stage", "fold"]


class Stage(StrEnum):
    """How far a case has come."""

    REPORTED = "reported"
    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    HANDLED = "handled"
    CHECKED = "checked"
    CLOSED = "closed"


#: What people tell of cases, and the stage that it leads to.
OF_CASES: Final[Mapping[Verb, Stage]] = {
    Verb.REPORT: Stage.REPORTED,
    Verb.DISPATCH: Stage.DISPATCHED,
    Verb.ACCEPT: Stage.ACCEPTED,
    Verb.HANDLE: Stage.HANDLED,
    Verb.CHECK: Stage.CHECKED,
    Verb.CLOSE_CASE: Stage.CLOSED,
}


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Deadlines:
    """Within which time from its opening a case of one level has to reach a stage, ns; 0: none is set."""

    rank: Count
    dispatch_within: Nanoseconds = 0
    accept_within: Nanoseconds = 0
    handle_within: Nanoseconds = 0
    close_within: Nanoseconds = 0


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class CasePolicy:
    """The `[cases]` table of city.toml."""

    level: tuple[Deadlines, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. Times in ns, 0 where it has not come to that."""

    id: str
    stage: Stage
    opened: int  # the first that was heard of it
    dispatched: int = 0
    accepted: int = 0
    handled: int = 0
    checked: int = 0
    closed: int = 0  # the last time, where it is closed now
    returned: int = 0  # how often a check found the work not done
    reopened: bool = False
    unit: str = ""  # the last that was named, as with all that follows
    alert: UUID | None = None
    kind: str = ""
    zone: str = ""
    place: str = ""
    level: int = 0
    source: str = ""
    deadline: int = 0


def fold(actions: Iterable[Action]) -> Case:
    """The case that all its actions make, in whatever order and however often they came. Raises ValueError for none.

    >>> told = [Action(UUID(int=n), verb, n, "wang", case="c1", unit="gas")
    ...         for n, verb in enumerate([Verb.REPORT, Verb.DISPATCH, Verb.ACCEPT], 1)]
    >>> fold(reversed(told)).stage.value, fold(told).accepted
    ('accepted', 3)
    """
    of_cases = {action.said: action for action in actions if action.verb in OF_CASES and action.case}
    told = [of_cases[said] for said in sorted(of_cases)]
    if not told:
        raise ValueError("expected at least one action of a case, got none")
    bad = [action.ts for action in told if action.verb is Verb.CHECK and action.verdict == "false"]
    good = [action for action in told if action.verb is not Verb.CHECK or action.verdict != "false"]
    times = {stage: [action.ts for action in good if action.verb is verb] for verb, stage in OF_CASES.items()}
    first = {stage: min(found, default=0) for stage, found in times.items()}
    last = {stage: max(found, default=0) for stage, found in times.items()}
    over, back = last[Stage.CLOSED], max(bad, default=0)
    anew = max(last[Stage.DISPATCHED], back)
    closed = 0 < over >= anew
    said: Any = {name: _last(told, name) for name in ("unit", "alert", "kind", "zone", "place", "level", "source")}
    return Case(
        told[0].case,
        Stage.CLOSED if closed else _stage(last, over, back),
        told[0].ts,
        first[Stage.DISPATCHED],
        first[Stage.ACCEPTED],
        first[Stage.HANDLED],
        first[Stage.CHECKED],
        over if closed else 0,
        len(bad),
        0 < first[Stage.CLOSED] < anew,
        **said,
        deadline=next((action.until for action in reversed(told) if action.verb is Verb.REPORT and action.until), 0),
    )


def _stage(last: Mapping[Stage, int], over: int, back: int) -> Stage:
    """Of a case that is open: what was reached since it was opened anew, and returned last."""
    if last[Stage.CHECKED] > max(over, back):
        return Stage.CHECKED
    if last[Stage.HANDLED] > max(over, back):
        return Stage.HANDLED
    if last[Stage.ACCEPTED] > over or back > over:
        return Stage.ACCEPTED
    return Stage.DISPATCHED if last[Stage.DISPATCHED] > over else Stage.REPORTED


def _last(told: list[Action], name: str) -> object:
    named = (value for action in reversed(told) if (value := getattr(action, name)))
    return next(named, getattr(told[0], name))
