"""How much a set's figures depend on each parameter: one at a time, from half of its value to twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from workbench import sets
from workbench.result import SetResult
from workbench.scoring import Job, score_sets
from workbench.space import Choices, space

__all__ = ["FACTORS", "Change", "changes", "sensitivity"]

FACTORS: Final = (0.5, 0.7, 1.4, 2.0)


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter that is not what it is by default; what `result` says, or why there is none.

    Parameters
    ----------
    name, value
        Of the parameter, as a file gives it. The first change of all is none: its name is empty.
    """

    name: str
    value: Any
    result: SetResult | None = None
    error: str = ""


def changes(
    detector: str, params: Mapping[str, Any], factors: Sequence[float] = FACTORS, only: Sequence[str] = ()
) -> list[Change]:
    """What there is to try: none, then each number times each factor inside its range, and each other word.

    >>> [change.value for change in changes("drop_out", {"at_least": "2 min"}, only=["at_least"])]
    [None, '1 min', '1.4 min', '2.8 min', '4 min']
    """
    found = [Change("", None)]
    spread = max(max(factor, 1.0 / factor) for factor in factors)
    for axis in space(detector, params, only, spread):
        if isinstance(axis, Choices):
            found += [Change(axis.name, word) for word in axis.choices if word != axis.base]
            continue
        inside = dict.fromkeys(min(max(factor, axis.low), axis.high) for factor in factors)
        found += [Change(axis.name, axis.write(factor)) for factor in inside if factor != 1.0]
    return found


def sensitivity(
    set: str,
    folder: Path,
    detector: str | None = None,
    params: Mapping[str, Any] | None = None,
    processes: int = 1,
    only: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Change]:
    """Score a set with each change; the unchanged one comes first.

    Parameters
    ----------
    set, folder, detector, params
        As `lifeline score` takes them.
    processes
        Changes scored side by side.
    only
        Names of parameters; empty: all.
    progress
        Told how many are done, and of how many.

    Raises ConfigError for a set, a detector or a parameter that is not there.
    """
    name = detector or sets.get(set).DEFAULT
    given = {**sets.params_of(set, name), **(params or {})}
    tried = changes(name, given, only=only)
    jobs = [Job(set, folder, name, given | ({change.name: change.value} if change.name else {})) for change in tried]
    for done, scored in enumerate(score_sets(jobs, processes), 1):
        at = jobs.index(scored.job)
        tried[at] = replace(tried[at], result=scored.result, error=scored.error)
        progress(done, len(jobs))
    return tried
