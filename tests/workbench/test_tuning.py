"""The search finds what is there to be found, chooses under the ceiling, and holds recordings out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from workbench.plots import front_rows, summary, write_front
from workbench.result import RecordScore
from workbench.space import Scale
from workbench.tuning import Figures, Objective, Trial, Tuned, tune

LIMIT = Scale("limit", 0.1, 10.0, lambda factor: round(8 * factor, 3))


def town(params: Mapping[str, Any]) -> list[RecordScore]:
    """Six recordings: a low limit is fast and cries wolf below 4, a high one misses events above 20."""
    limit = params["limit"]
    return [
        RecordScore(f"r{i}", 1, (limit * 10.0,) if limit < 20 + i else (), 3 if limit < 4 + i / 10 else 0, 30.0)
        for i in range(6)
    ]


def test_it_finds_the_edge() -> None:
    """Delay falls with the limit and false pages begin at 4.5: the best limit is just above."""
    tuned = tune(town, [LIMIT], trials=40, ceiling=0.1)
    assert 4.5 <= tuned.best.params["limit"] < 5.0
    assert tuned.best.figures().false == 0
    assert tuned.trials[0].params == {"limit": 8}


def test_the_same_seed_finds_the_same() -> None:
    """A search is as reproducible as the replay under it."""
    first, second = (tune(town, [LIMIT], trials=15, seed=3) for _ in range(2))
    assert [trial.params for trial in first.trials] == [trial.params for trial in second.trials]


def test_hits_come_before_delay() -> None:
    """Whoever asks for hits gets all of them, and the shortest delay among those that have them."""
    tuned = tune(town, [LIMIT], objective=Objective.HITS, trials=40)
    assert tuned.best.figures().found == 6
    assert tuned.best.params["limit"] < 6


def test_what_does_not_fit_together_is_passed_over() -> None:
    """Some combinations are refused by the detector; the search goes on. The present parameters must be right."""

    def evaluate(params: Mapping[str, Any]) -> list[RecordScore]:
        if params["limit"] > 10:
            raise ConfigError([])
        return town(params)

    tuned = tune(evaluate, [LIMIT], trials=25)
    assert len(tuned.trials) < 25
    assert max(trial.params["limit"] for trial in tuned.trials) <= 10

    def never(params: Mapping[str, Any]) -> list[RecordScore]:
        raise ConfigError([])

    with pytest.raises(ConfigError):
        tune(never, [LIMIT], trials=3)
    with pytest.raises(ConfigError, match="expected parameters to search"):
        tune(town, [], trials=3)


def test_folds_choose_without_what_they_are_measured_on() -> None:
    """Each recording cries wolf at a limit of its own: held out, the choice of the others fails on it."""

    def evaluate(params: Mapping[str, Any]) -> list[RecordScore]:
        step = int(params["limit"]) % 4
        return [RecordScore(f"r{i}", 1, (1.0 + step,), int(i == step), 10.0) for i in range(4)]

    axis = Scale("limit", 0.5, 2.0, lambda factor: 8 * factor)
    tuned = tune(evaluate, [axis], trials=40, folds=4, ceiling=0.0, objective=Objective.DELAY)
    assert tuned.held_out is not None
    assert tuned.held_out.false == 4
    assert tune(lambda p: evaluate(p)[:1], [axis], trials=3).held_out is None


records = st.builds(
    lambda found, missed, false, days: RecordScore("r", len(found) + missed, tuple(found), false, days),
    st.lists(st.floats(0, 1e4), max_size=3),
    st.integers(0, 3),
    st.integers(0, 5),
    st.floats(0.1, 100),
)


@given(st.lists(st.lists(records, min_size=2, max_size=2), min_size=1, max_size=12), st.sampled_from(Objective))
def test_the_front_is_what_nothing_beats(scores: list[list[RecordScore]], objective: Objective) -> None:
    """No trial is at least as good in both and better in one than a trial of the front; every other is beaten."""
    trials = tuple(Trial(i, {}, tuple(score)) for i, score in enumerate(scores))

    def point(trial: Trial) -> tuple[float, tuple[float, ...]]:
        return trial.figures().false_per_year, trial.figures().loss(objective)

    front = Tuned(trials, trials[0], objective, 1.0, None).front
    points = [point(trial) for trial in front]
    assert points == sorted(points)
    for trial in trials:
        rate, loss = point(trial)
        assert any(a <= rate and b <= loss for a, b in points)
        assert not any(rate <= a and loss <= b and (rate, loss) != (a, b) for a, b in points)


def test_a_missed_event_counts_as_the_longest_recording() -> None:
    """Otherwise the shortest delay would be that of a detector that finds one easy event."""
    figures = Figures.of([RecordScore("a", 2, (10.0,), 0, 1.0), RecordScore("b", 1, (20.0,), 1, 2.0)])
    assert (figures.events, figures.found, figures.delay) == (3, 2, 15.0)
    assert figures.missed_delay == pytest.approx((30 + 2 * 86400) / 3)
    assert figures.false_per_year == pytest.approx(365.25 / 3)


def test_an_alarm_that_is_always_on_is_not_perfect() -> None:
    """It touches every event, so no rule of a set calls it false; but it was sent when nothing had happened."""
    assert Figures.of([RecordScore("a", 1, (0.0,), 0, 1.0, early=1)]).false == 1


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """Picture, table and monitor stand in one file, and what comes from outside is escaped."""
    tuned = tune(town, [LIMIT], trials=12)
    png, page = write_front(tuned, "limit on <town>", "[[monitor]]", tmp_path)
    text = page.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in text
    assert "limit on &lt;town&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "")
    assert all(row[-1] in text for row in front_rows(tuned))
    assert "held out" in summary(tuned)
