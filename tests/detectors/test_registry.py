"""Finding, building and describing detectors."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import registry
from detectors.contract import Detector
from domain.errors import ConfigError

ONE = np.ones(1)


def problems(name: str, **params: object) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as error:
        registry.build(name, params, -ONE, ONE, ONE, "%LEL")
    return [(problem.field, problem.message) for problem in error.value.problems]


def test_all_detectors_are_found() -> None:
    """One file a detector, found by importing the folder's modules; the names are sorted."""
    assert registry.names() == tuple(sorted(registry.names()))
    assert {
        "cusum",
        "drop_out",
        "ewma",
        "out_of_range",
        "page_hinkley",
        "rate_of_rise",
        "spike",
        "stuck",
        "threshold",
    } <= set(registry.names())
    assert all(issubclass(registry.get(name), Detector) for name in registry.names())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A slip of the keyboard should not need the documentation."""
    ((field, message),) = problems("treshold")
    assert field == "detector"
    assert "Did you mean 'threshold'?" in message


def test_every_mistake_is_reported_at_once() -> None:
    """Each with its place: nobody wants to correct a file one run at a time."""
    found = problems("threshold", rising=["10 %LEL", "20"], hold=5.0, hystresis="1 %LEL")
    assert [field for field, _ in found] == ["params.hold", "params.hystresis", "params.rising[1]"]
    assert "'10 min', got 5.0" in found[0][1]
    assert "hysteresis" in found[1][1]
    assert "got '20'" in found[2][1]


@pytest.mark.parametrize(
    ("name", "params", "field"),
    [
        ("threshold", {"rising": ["10 %LEL", "20 %VOL"]}, "params.rising[1]"),
        ("threshold", {"rising": ["10 %LEL"], "hysteresis": "1 bar"}, "params.hysteresis"),
        ("rate_of_rise", {"rising": ["1 bar/min"]}, "params.rising[0]"),
        ("ewma", {"min_sigma": "1 bar"}, "params.min_sigma"),
    ],
)
def test_a_unit_that_is_not_the_sensors_is_refused(name: str, params: dict[str, object], field: str) -> None:
    """20 %VOL is not 20 %LEL: the message names the field and both units."""
    ((found, message),) = problems(name, **params)
    assert found == field
    assert "'%LEL'" in message
    assert "bar" in message or "%VOL" in message


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("threshold", {}, "`rising`"),
        ("threshold", {"rising": ["2 %LEL", "1 %LEL"]}, "rise"),
        ("threshold", {"falling": ["1 %LEL", "2 %LEL"]}, "fall"),
        ("threshold", {"rising": ["2 %LEL"], "falling": ["1 %LEL"], "hysteresis": "1 %LEL"}, "gap"),
        ("threshold", {"rising": ["2 %LEL"], "hysteresis": "-1 %LEL"}, "0 or more"),
        ("threshold", {"rising": ["1 %LEL"] * 5}, "at most 4"),
        ("rate_of_rise", {"rising": ["0 %LEL/s"]}, "above 0"),
        ("ewma", {"z": []}, "at least 1"),
        ("ewma", {"z": [6.0, 3.0]}, "rise"),
        ("ewma", {"z": [float("inf")]}, "finite"),
        ("ewma", {"alpha": 1.0}, "less than 1"),
        ("cusum", {"mean": "1 %LEL"}, "together"),
        ("cusum", {"clip": 0.5}, "above `drift`"),
        ("page_hinkley", {"threshold": "0 %LEL", "delta": "0 %LEL"}, "above 0"),
        ("page_hinkley", {"delta": "0 %LEL"}, "expected a value"),
        ("spike", {"size": "0 %LEL"}, "above 0"),
        ("stuck", {"readings": 2}, "greater than or equal to 3"),
        ("stuck", {"duration": "-1 s"}, "duration of 0 or more"),
        ("drop_out", {"intervals": 1.0}, "1.5"),
        ("out_of_range", {"margin": "-1 %LEL"}, "0 or more"),
    ],
)
def test_values_that_make_no_sense_are_refused(name: str, params: dict[str, object], words: str) -> None:
    """The message says what was expected."""
    assert any(words in message for _, message in problems(name, **params))


def test_a_description_reads_like_a_file() -> None:
    """Types, ranges and defaults as one would write them."""
    parameters = {p.name: p for p in registry.describe("ewma").parameters}
    assert (parameters["relearn"].type, parameters["relearn"].default) == ("duration", "30 min")
    assert parameters["alpha"].range == "> 0, < 1"
    assert parameters["min_sigma"].type == "quantity"
    assert parameters["z"].type == "list of number"
    assert registry.describe("spike").parameters[0].default == "required"


def test_configurations_that_differ_in_the_last_digit_have_different_hashes() -> None:
    """A finding names the configuration that made it: rounding it for people would mix two of them up."""
    kind = registry.get("threshold")
    a, b = (kind.Params.model_validate({"rising": [f"{x} %LEL"]}) for x in ("20", "20.00000001"))
    assert kind.config_hash(a) != kind.config_hash(b)
    assert kind.config_hash(a) == kind.config_hash(kind.Params.model_validate({"rising": ["20.0 %LEL"]}))
