"""Quantities as people write them in files: always a number with its unit.

>>> duration("1.5 min")
90.0
>>> nanoseconds("250 ms")
250000000
>>> Quantity.parse("20 %LEL")
Quantity(value=20.0, unit='%LEL')
>>> Rate.parse("6 m3/h/min")
Rate(value=0.1, unit='m3/h')
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Quantity", "QuantityField", "Rate", "RateField", "Seconds", "duration", "nanoseconds"]

#: Seconds in each unit of time that a file may use.
TIME_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _number(text: str, example: str) -> tuple[float, str]:
    head, _, unit = text.strip().partition(" ")
    unit = unit.strip()
    try:
        value = float(head)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not unit:
        raise ValueError(f"expected a number with its unit such as {example!r}, got {text!r}")
    return value, unit


def duration(text: object) -> float:
    """Seconds of a duration such as "250 ms", "10 min" or "2 d"; raises ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"expected a duration with its unit such as '10 min', got {text!r}")
    value, unit = _number(text, "10 min")
    if unit not in TIME_UNITS or value < 0:
        raise ValueError(f"expected a duration of 0 or more in one of {', '.join(TIME_UNITS)}, got {text!r}")
    return value * TIME_UNITS[unit]


def nanoseconds(text: object) -> int:
    """Whole nanoseconds of a duration such as "250 ms", at most 100 years; raises ValueError."""
    if duration(text) > 36525 * TIME_UNITS["d"]:
        raise ValueError(f"expected a duration of at most 100 years, got {text!r}")
    head, _, unit = str(text).strip().partition(" ")
    return round(Decimal(head) * round(TIME_UNITS[unit.strip()] * 1e9))  # exact, where floats are not


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in the unit of the sensors it is compared with."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: object) -> Quantity:
        """Read "20 %LEL"; raises ValueError."""
        if isinstance(text, Quantity):
            return text
        if not isinstance(text, str):
            raise ValueError(f"expected a number with the sensors' unit such as '20 %LEL', got {text!r}")
        return cls(*_number(text, "20 %LEL"))

    def __str__(self) -> str:
        return f"{repr(float(self.value)).removesuffix('.0')} {self.unit}"  # exact: configurations are told apart by it


@dataclass(frozen=True, slots=True)
class Rate:
    """A change per second in the unit of the sensors it is compared with."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Read "5 %LEL/min"; raises ValueError."""
        if isinstance(text, Rate):
            return text
        if not isinstance(text, str):
            raise ValueError(f"expected a rate such as '5 %LEL/min', got {text!r}")
        value, unit = _number(text, "5 %LEL/min")
        of, _, per = unit.rpartition("/")
        if not of or per not in TIME_UNITS:
            raise ValueError(f"expected a rate such as '5 %LEL/min', got {text!r}")
        return cls(value / TIME_UNITS[per], of)

    def __str__(self) -> str:
        return f"{self.value:.17g} {self.unit}/s"


def _seconds(value: object) -> float:
    # A default written in code is a plain float of seconds; what comes from a file is text.
    return value if isinstance(value, float) else duration(value)


#: Field types for pydantic models. In a file each is text with a unit; in code seconds are a float.
Seconds = Annotated[float, BeforeValidator(_seconds)]
QuantityField = Annotated[
    Any,
    BeforeValidator(Quantity.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["20 %LEL"]}),
]
RateField = Annotated[
    Any,
    BeforeValidator(Rate.parse),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["5 %LEL/min"]}),
]
