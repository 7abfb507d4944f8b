"""What is changed, and in which order the answers come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from domain.errors import ConfigError
from workbench import sensitivity as module
from workbench.result import SetResult, figure
from workbench.scoring import Job, Scored
from workbench.sensitivity import changes, sensitivity


def test_numbers_stay_inside_their_range() -> None:
    """A share of 0.95 may be 1 at most: two factors that end there are one change."""
    found = [change.value for change in changes("recursive_pca", {}, only=["share"])]
    assert found == [None, 0.475, 0.665, 1.0]


def test_each_parameter_changes_alone() -> None:
    """Every change but the first names one parameter, and has another value than now."""
    found = changes("recursive_pca", {"index": [7.0]})
    assert [change.name for change in found].count("") == 1
    assert {change.name for change in found} >= {"", "index", "guard", "horizon", "memory"}
    assert [change.value for change in found if change.name == "index"] == [[3.5], [4.9], [9.8], [14.0]]


def test_answers_come_in_the_order_of_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever is done first: the unchanged one leads, and an error stays beside its parameter."""

    def last_first(jobs: Sequence[Job], processes: int) -> list[Scored]:
        return [
            Scored(job, SetResult("skab", [figure("F1", float(i))]) if i != 2 else None, "no" if i == 2 else "", 0.0)
            for i, job in reversed(list(enumerate(jobs)))
        ]

    monkeypatch.setattr(module, "score_sets", last_first)
    told: list[tuple[int, int]] = []
    found = sensitivity("skab", Path(), only=["guard"], progress=lambda done, total: told.append((done, total)))
    assert [change.result and change.result.value("F1") for change in found] == [0.0, 1.0, None, 3.0, 4.0]
    assert found[2].error == "no"
    assert told == [(i, 5) for i in range(1, 6)]


def test_a_set_that_is_not_there_is_said() -> None:
    with pytest.raises(ConfigError, match="skab"):
        sensitivity("scab", Path())
