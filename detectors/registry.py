"""The detectors there are, found by name: a file in this folder is enough to add one."""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import pkgutil
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import ValidationError
from pydantic.fields import FieldInfo

import detectors
from detectors.contract import Detector, GroupDetector, Lane, Params
from domain.errors import ConfigError, Problem
from domain.findings import Verdict
from domain.records import Floats, Int32s
from domain.units import Quantity, QuantityField, Rate, RateField, Seconds

__all__ = ["Description", "Parameter", "build", "describe", "get", "names"]


@cache
def _registry() -> Mapping[str, type[Detector]]:
    found: dict[str, type[Detector]] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(detectors.__path__)):
        for item in vars(importlib.import_module(f"detectors.{module}")).values():
            if not (isinstance(item, type) and issubclass(item, Detector) and item.__module__ == f"detectors.{module}"):
                continue
            if inspect.isabstract(item) or item.__name__.startswith("_"):
                continue
            if item.name in found:
                raise TypeError(
                    f"{item.__module__} and {found[item.name].__module__} both define detector {item.name!r}"
                )
            found[item.name] = item
    return dict(sorted(found.items()))


def names() -> tuple[str, ...]:
    """Names of all detectors, sorted.

    >>> "ewma" in names()
    True
    """
    return tuple(_registry())


def get(name: str) -> type[Detector]:
    """The class of a detector; raises ConfigError if there is none of that name."""
    try:
        return _registry()[name]
    except KeyError:
        near = difflib.get_close_matches(name, names(), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        message = f"expected one of {', '.join(names())}, got {name!r}.{hint}"
        raise ConfigError([Problem("", "", "detector", message)]) from None


def build(
    name: str,
    params: Mapping[str, Any],
    low: Floats,
    high: Floats,
    rate: Floats,
    unit: str,
    group: Int32s | None = None,
) -> Detector:
    """A detector, ready for its first reading.

    Parameters
    ----------
    name
        Which detector.
    params
        Its parameters as a file gives them: text with units, numbers, lists.
    low, high, rate
        Physical range, in `unit`, and expected readings per second of the sensors it watches. Shape (slots,).
    unit
        The sensors' unit: that of every quantity among the parameters.
    group
        Group of each slot, for a detector of whole assets (default: all sensors are one group). Shape (slots,).

    Raises
    ------
    ConfigError
        With a Problem for each parameter that is wrong: its `field` is "params.<name>" and its place is left to the
        caller, who knows it.

    >>> import numpy as np
    >>> one = np.ones(1)
    >>> build("threshold", {"rising": ["20 %VOL"]}, -one, one, one, "%LEL")
    Traceback (most recent call last):
    domain.errors.ConfigError: params.rising[0]: expected the sensors' unit '%LEL', got '20 %VOL'
    """
    kind = get(name)
    checked, problems = _validate(kind, params)
    if checked is not None:
        problems += [
            Problem("", "", f"params.{place}", f"expected the sensors' unit {unit!r}, got '{quantity}'")
            for place, quantity in _quantities(checked)
            if quantity.unit != unit
        ]
    if checked is None or problems:
        raise ConfigError(sorted(problems, key=lambda problem: problem.field))
    if not issubclass(kind, GroupDetector):
        return kind(checked, low, high, rate)
    if group is None:
        group = np.zeros(len(low), np.int32)
    if len(group) and (largest := int(np.bincount(group).max())) > kind.WIDTH:
        message = (
            f"expected at most {kind.WIDTH} sensors an asset for detector {name}, got {largest}: select fewer kinds"
        )
        raise ConfigError([Problem("", "", "select", message)])
    return kind(checked, low, high, rate, group)


def _validate(kind: type[Detector], params: Mapping[str, Any]) -> tuple[Params | None, list[Problem]]:
    hints = get_type_hints(kind.Params, include_extras=True)
    # In code a duration may be a float of seconds; in a file it needs its unit.
    problems = [
        Problem("", "", f"params.{key}", f"expected a duration with its unit such as '10 min', got {value!r}")
        for key, value in params.items()
        if hints.get(key) == Seconds and not isinstance(value, str)
    ]
    named = {problem.field for problem in problems}
    try:
        return kind.Params.model_validate(dict(params)), problems
    except ValidationError as error:
        for found in error.errors():
            field = "params" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"])
            if field not in named:
                problems.append(Problem("", "", field, _message(kind, dict(found))))
    return None, problems


def _message(kind: type[Detector], found: dict[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return f"expected one of the parameters of {kind.name}: {', '.join(kind.Params.model_fields)}"
    if found["type"] == "missing":
        return f"expected a value: {kind.Params.model_fields[found['loc'][-1]].description}"
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    return f"{found['msg'][0].lower()}{found['msg'][1:]}, got {found['input']!r}"


def _quantities(params: Params) -> Iterator[tuple[str, Quantity | Rate]]:
    for name in type(params).model_fields:
        value = getattr(params, name)
        if isinstance(value, Quantity | Rate):
            yield name, value
        elif isinstance(value, tuple):
            yield from ((f"{name}[{i}]", item) for i, item in enumerate(value) if isinstance(item, Quantity | Rate))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a detector, for people."""

    name: str
    type: str  # "quantity", "rate", "duration", "number", "whole number", "yes or no", "list of ...", or its words
    default: str  # as a file would say it; empty when it may be left out without one, "required" when it may not
    range: str  # such as "> 0, <= 1"; empty when any value will do
    text: str


@dataclass(frozen=True, slots=True)
class Description:
    """A detector, for people."""

    name: str
    lane: Lane
    scope: str  # "sensor", or "asset": the sensors of one asset are judged together
    verdict: Verdict
    summary: str  # one line
    text: str  # what it finds, misses, needs, and where its method comes from
    bytes_per_sensor: int  # or per asset
    parameters: tuple[Parameter, ...]


def describe(name: str) -> Description:
    """What a detector finds and how it is set; raises ConfigError if there is none of that name.

    >>> [p.name for p in describe("drop_out").parameters]
    ['intervals', 'at_least']
    """
    kind = get(name)
    summary, _, text = (kind.__doc__ or "").partition("\n")
    hints = get_type_hints(kind.Params, include_extras=True)
    return Description(
        name,
        kind.lane,
        kind.scope,
        kind.verdict,
        summary.strip(),
        "\n".join(line.strip() for line in text.strip().splitlines()),
        kind.STATE.itemsize,
        tuple(
            Parameter(key, _type(hints[key]), _default(hints[key], info), _range(info), info.description or "")
            for key, info in kind.Params.model_fields.items()
        ),
    )


def _type(hint: Any) -> str:
    words = {float: "number", int: "whole number", bool: "yes or no", str: "text"}
    for annotated, word in ((Seconds, "duration"), (QuantityField, "quantity"), (RateField, "rate")):
        if hint == annotated:
            return word
    origin, args = get_origin(hint), [arg for arg in get_args(hint) if arg not in (type(None), Ellipsis)]
    if origin is Literal:
        return " or ".join(map(json.dumps, args))
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if origin in (Union, types.UnionType):
        return _type(args[0])
    return words.get(hint, str(hint))


def _default(hint: Any, info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if value is None or value == ():
        return ""
    if hint == Seconds:
        for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
            if value and value % size == 0:
                return f"{value / size:g} {unit}"
        return f"{value:g} s"
    return json.dumps(value)


def _range(info: FieldInfo) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    parts = [
        f"{sign} {getattr(bound, key):g}"
        for bound in info.metadata
        for key, sign in signs.items()
        if getattr(bound, key, None) is not None
    ]
    lengths = [f"at most {bound.max_length}" for bound in info.metadata if hasattr(bound, "max_length")]
    return ", ".join(parts + lengths)
