"""Every detector passes every check, under each of its oracle's sets of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from detectors import registry
from tests.detectors.checks import CHECKS, Check
from tests.detectors.naive import ORACLES

CASES = [
    pytest.param(name, params, id=f"{name}-{i}")
    for name, oracle in sorted(ORACLES.items())
    for i, params in enumerate(oracle.cases)
]


def test_every_detector_has_an_oracle() -> None:
    """A detector without an oracle in `naive.py` would pass by not being looked at."""
    assert set(ORACLES) == {name for name in registry.names() if registry.get(name).scope == "sensor"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(("name", "params"), CASES)
def test_check(name: str, params: Mapping[str, Any], check: Check) -> None:
    """See the check's own docstring."""
    check(name, params)
