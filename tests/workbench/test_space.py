"""What a search may try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import registry
from domain.errors import ConfigError
from tests.detectors.naive import ORACLES
from workbench.space import Choices, space, suggest


class Fixed:
    """A trial that takes every axis at one share of its range."""

    def __init__(self, share: float) -> None:
        self.share = share

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(low * (high / low) ** self.share)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[round(self.share * (len(choices) - 1))]


class Now(Fixed):
    """A trial that changes nothing."""

    def __init__(self, axes: Sequence[Any]) -> None:
        self.base = {axis.name: axis.base for axis in axes}

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        assert low <= self.base[name] <= high
        return float(self.base[name])

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self.base[name]


def numbers(value: Any) -> list[Any]:
    """The bare numbers of a value or of a list of them; words as they are."""
    parts = value if isinstance(value, tuple) else (value,)
    return [getattr(part, "value", part) for part in parts]


CASES = [(name, case) for name, oracle in sorted(ORACLES.items()) for case in oracle.cases]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_the_present_values_are_in_the_space(name: str, case: dict[str, Any]) -> None:
    """The search begins with what there is: written and read again, it is the same to the last digit."""
    axes = space(name, case)
    kind = registry.get(name)
    now = kind.Params.model_validate({**case, **suggest(Now(axes), axes)})
    before = kind.Params.model_validate(case)
    for axis in axes:
        assert numbers(getattr(now, axis.name)) == numbers(getattr(before, axis.name))


@given(st.sampled_from(CASES), st.floats(0, 1))
def test_each_value_alone_keeps_to_its_own_range(case: tuple[str, dict[str, Any]], share: float) -> None:
    """What a single parameter's range forbids is never tried; what two together forbid is passed over by the search."""
    name, params = case
    kind = registry.get(name)
    for axis in space(name, params):
        try:
            kind.Params.model_validate({**params, **suggest(Fixed(share), [axis])})
        except ValueError as error:
            assert "Value error" in str(error)  # noqa: PT017 - of the whole model, not of the field


def test_numbers_of_a_list_keep_their_proportions() -> None:
    """Grades of one threshold rise and fall together."""
    (axis,) = space("threshold", {"rising": ["10 %LEL", "20 %LEL"]}, ["rising"])
    assert suggest(Fixed(1.0), [axis]) == {"rising": ["80 %LEL", "160 %LEL"]}
    assert suggest(Fixed(0.5), [axis]) == {"rising": ["10 %LEL", "20 %LEL"]}


def test_words_are_chosen() -> None:
    """A parameter of words is one of them."""
    (axis,) = space("page_hinkley", {"threshold": "10 u", "delta": "1 u"}, ["sides"])
    assert isinstance(axis, Choices)
    assert axis.choices == ("both", "up", "down")


@pytest.mark.parametrize(
    ("name", "params", "only", "said"),
    [
        ("threshold", {"rising": ["1 u"]}, ["risin"], "expected parameters of threshold"),
        ("threshold", {"rising": ["1 u"]}, ["falling"], "no value to start from"),
        ("threshold", {"rising": "one"}, [], "rising"),
        ("treshold", {}, [], "Did you mean 'threshold'"),
    ],
)
def test_what_cannot_be_searched_is_said(name: str, params: dict[str, Any], only: list[str], said: str) -> None:
    """A misspelt name must not become a search over nothing."""
    with pytest.raises(ConfigError, match=said):
        space(name, params, only)


def test_what_the_asset_gives_is_not_searched() -> None:
    """How many sensors are flow meters is no matter of taste; asked for by name it is searched all the same."""
    assert "flows" not in [axis.name for axis in space("pressure_residual", {})]
    assert [axis.name for axis in space("pressure_residual", {}, ["flows"])] == ["flows"]
