"""The adapter to River, beyond what every detector is checked for."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from detectors.river_model import RiverModelParams
from tests.detectors.naive import NS
from tests.detectors.streams import find

NOISE = np.random.default_rng(1).normal(10, 1, 4000).tolist()


def test_half_space_trees_find_what_they_never_saw() -> None:
    """After much noise, a level far above it is abnormal; little of the noise is."""
    options = {"window_size": 100, "height": 6}
    marks = find("river_model", [*NOISE, *[25.0] * 20], period="10 s", warm_up=200, options=options)
    onsets = [mark.onset for mark in marks if mark.phase == 0]
    assert onsets[-1] == pytest.approx(4000, abs=10)
    assert len(onsets) <= 5


@pytest.mark.parametrize("model", ["drift.ADWIN", "drift.KSWIN", "drift.PageHinkley"])
def test_drift_detectors_find_a_shift(model: str) -> None:
    """Of whatever kind they are: the mean rises for good, and they say so after it did, not before."""
    values = [*NOISE, *[x + 8 for x in NOISE]]
    marks = find("river_model", values, model=model, period="5 s", warm_up=30)
    assert marks
    assert marks[0].phase == 0
    assert 4000 <= marks[0].ts < 5000


def test_other_anomaly_models_have_the_same_interface() -> None:
    """Local outlier factor: a model that was not thought of when the adapter was written."""
    marks = find(
        "river_model", [*NOISE[:1000], *[25.0] * 20], model="anomaly.LocalOutlierFactor", period="10 s", warm_up=60,
        threshold=3.0,
    )  # fmt: skip
    assert any(mark.phase == 0 and mark.onset == pytest.approx(1000, abs=10) for mark in marks)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"model": "anomaly.Forest"}, "expected a `model` such as"),
        ({"model": "os.system"}, "expected a `model` such as"),
        ({"model": "anomaly.GaussianScorer"}, "needs no label"),
        ({"options": {"trees": 3}}, "expected `options` of anomaly.HalfSpaceTrees"),
    ],
)
def test_what_is_no_model_is_said(params: dict[str, object], said: str) -> None:
    """With River's own words where it refuses an option; nothing outside River is ever imported."""
    with pytest.raises(ValidationError, match=said):
        RiverModelParams.model_validate(params)


def test_a_period_begins_at_whole_multiples() -> None:
    """So that it does not matter when the stream began."""
    marks = find("river_model", [*NOISE[:1000], *[25.0] * 20], period="7 s", warm_up=60, options={"window_size": 50})
    start = 1_764_000_000
    assert marks
    assert all(round((mark.onset + start) * NS) % (7 * NS) == 0 for mark in marks)
