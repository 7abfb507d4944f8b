"""Pictures of every detector on a recording, for its page: which recording, which part of it, which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workbench.pictures import faults, gas_and_drains, structures, univariate, water
from workbench.pictures.drawing import Picture

__all__ = ["PICTURES"]

#: By detector.
PICTURES: Final[Mapping[str, Picture]] = dict(
    sorted(item for part in (faults, gas_and_drains, structures, univariate, water) for item in part.PICTURES.items())
)
