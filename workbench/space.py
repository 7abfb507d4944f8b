"""What there is to search: the parameters of a detector, around the values that it has now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from detectors import registry
from domain.errors import ConfigError, Problem
from domain.units import TIME_UNITS, Quantity, Rate, Seconds, duration

__all__ = ["Axis", "Choices", "Scale", "space", "suggest"]

#: Digits that a found value keeps: more would only look exact.
_DIGITS: Final = 3
#: Share by which an open bound is kept away from, more than rounding takes back.
_HAIR: Final = 0.01


class Trial(Protocol):
    """What of an Optuna trial is used."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of a few."""


@dataclass(frozen=True)
class Scale:
    """Numbers that are scaled together by a factor between `low` and `high`."""

    name: str
    low: float
    high: float
    write: Callable[[float], Any]  # from the factor to what a file says
    base: float = 1.0  # the factor of the present value, which is kept to the last digit


@dataclass(frozen=True)
class Choices:
    """One of a few words, or yes or no."""

    name: str
    choices: tuple[Any, ...]
    base: Any


Axis = Scale | Choices


def space(detector: str, params: Mapping[str, Any], only: Collection[str] = (), spread: float = 8.0) -> list[Axis]:
    """The axes along which a detector's parameters are searched.

    A number is searched from 1 / `spread` to `spread` times its present value, inside the range that the detector
    allows; numbers of a list keep their proportions. What has no value now, or 0, stays as it is, and so does what the
    asset gives (how many of its sensors are flow meters), unless `only` names it.

    Parameters
    ----------
    params
        Present values as a file gives them; those left out have the detector's defaults.
    only
        Names to search; empty: all.

    Raises ConfigError for a name that is no parameter or has no value to start from, and for wrong `params`.

    >>> [axis.name for axis in space("drop_out", {"at_least": "2 min"})]
    ['intervals', 'at_least']
    """
    kind = registry.get(detector)
    try:
        values = kind.Params.model_validate(dict(params))
    except ValidationError as error:
        problems = [Problem("", detector, ".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        raise ConfigError(problems) from None
    hints = get_type_hints(kind.Params, include_extras=True)
    if unknown := sorted(set(only) - set(kind.Params.model_fields)):
        message = f"expected parameters of {detector} ({', '.join(kind.Params.model_fields)}), got {', '.join(unknown)}"
        raise ConfigError([Problem("", "", "search", message)])
    axes = []
    for name, info in kind.Params.model_fields.items():
        if name not in only and (only or info.json_schema_extra):
            continue
        axis = _axis(name, hints[name], info, getattr(values, name), spread)
        if axis is not None:
            axes.append(axis)
        elif only:
            message = f"{name!r} has no value to start from: give it one with --params"
            raise ConfigError([Problem("", "", "search", message)])
    return axes


def suggest(trial: Trial, axes: Sequence[Axis]) -> dict[str, Any]:
    """The parameters of a trial, as a file says them."""
    found: dict[str, Any] = {}
    for axis in axes:
        if isinstance(axis, Choices):
            found[axis.name] = trial.suggest_categorical(axis.name, axis.choices)
        else:
            found[axis.name] = axis.write(trial.suggest_float(axis.name, axis.low, axis.high, log=True))
    return found


def _axis(name: str, hint: Any, info: FieldInfo, value: Any, spread: float) -> Axis | None:
    if isinstance(value, bool):
        return Choices(name, (False, True), value)
    if get_origin(hint) is Literal:
        return Choices(name, get_args(hint), value)
    write = _writer(hint, value)
    if write is None:
        return None
    low, high = 1 / spread, spread
    if isinstance(value, int | float):
        bounds = [v / value for v in _bounds(info)] if value > 0 else [0.0, float("inf")]
        low, high = max(low, bounds[0]), min(high, bounds[1])
        if not low < high:
            return None
    return Scale(name, low, high, write)


def _writer(hint: Any, value: Any) -> Callable[[float], Any] | None:
    """What turns a factor into the value that a file says; None for what cannot be scaled."""
    if isinstance(value, tuple):
        parts = [_writer(None, item) for item in value]
        if not parts or None in parts:
            return None
        return lambda factor: [part(factor) for part in parts if part is not None]
    if isinstance(value, Quantity):
        quantity = value
        return (lambda f: str(Quantity(_scaled(quantity.value, f), quantity.unit))) if quantity.value else None
    if isinstance(value, Rate):
        rate = value
        return (lambda f: str(Rate(_scaled(rate.value, f), rate.unit))) if rate.value else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value:
        return None
    if hint == Seconds:
        return lambda factor: _duration(value * factor) if factor != 1.0 else _exact(value)
    if isinstance(value, int):
        return lambda factor: max(1, round(value * factor))
    return lambda factor: _scaled(value, factor)


def _bounds(info: FieldInfo) -> tuple[float, float]:
    low, high = 0.0, float("inf")
    for bound in info.metadata:
        # An open bound cannot be taken itself: a hair inside it can.
        low = max(low, getattr(bound, "ge", None) or (getattr(bound, "gt", None) or 0.0) * (1 + _HAIR))
        top = getattr(bound, "le", None) or (getattr(bound, "lt", None) or float("inf")) * (1 - _HAIR)
        high = min(high, top)
    return low, high


def _scaled(value: float, factor: float) -> float:
    return _round(value * factor) if factor != 1.0 else value


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _duration(seconds: float) -> str:
    unit, size = next(
        ((unit, TIME_UNITS[unit]) for unit in ("d", "h", "min", "s", "ms") if seconds >= TIME_UNITS[unit]), ("us", 1e-6)
    )
    return f"{_round(seconds / size):g} {unit}"


def _exact(seconds: float) -> str:
    text = _duration(seconds)
    return text if duration(text) == seconds else f"{seconds!r} s"
