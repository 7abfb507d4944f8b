"""Parameter files: a monitor file, or the bare parameters of one detector, in TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detectors import registry
from domain.city import City
from domain.errors import ConfigError, Problem
from domain.monitor_files import read_monitors
from domain.monitors import Monitor, Select
from domain.selection import grouped, selected
from domain.validation import Problems

__all__ = ["build_check", "monitors_for", "read_params"]


def read_params(path: Path, detector: str) -> Mapping[str, Any]:
    """The parameters of a detector from a file: bare, or those of the one monitor in it that uses the detector.

    Raises ConfigError.
    """
    content = _read(path)
    if "monitor" not in content:
        return content
    found = [monitor for monitor in _monitors(path, None) if monitor.detector == detector]
    if len(found) != 1:
        message = f"expected one monitor with the detector {detector!r}, got {len(found)}"
        raise ConfigError([Problem(str(path), "", "monitor", message)])
    return found[0].params


def monitors_for(
    city: City, detector: str | None = None, file: Path | None = None, params: Mapping[str, Any] | None = None
) -> tuple[Monitor, ...]:
    """The monitors that a replay runs.

    Parameters
    ----------
    detector
        Only its monitors run; where the city has none, one over every sensor that it can watch. None: all.
    file
        Monitors instead of the city's; or bare parameters, which replace those of the same name in each monitor of
        `detector`. None: the city's own.
    params
        Bare parameters, after those of the file.

    Raises ConfigError with every parameter that is wrong.
    """
    if detector is not None:
        registry.get(detector)
    bare: Mapping[str, Any] = params or {}
    monitors = city.monitors
    if file is not None:
        content = _read(file)
        if "monitor" in content:
            monitors = _monitors(file, city)
        elif detector is None:
            message = "bare parameters need a detector: name it, or give a file with [[monitor]] entries"
            raise ConfigError([Problem(str(file), "", "", message)])
        else:
            bare = {**content, **bare}
    if detector is not None:
        monitors = tuple(monitor for monitor in monitors if monitor.detector == detector)
        if not monitors:
            monitors = (_over_all(city, detector),)
    monitors = tuple(replace(monitor, params={**monitor.params, **bare}) for monitor in monitors)
    build_check(city, monitors, str(file or ""))
    return monitors


def build_check(city: City, monitors: tuple[Monitor, ...], file: str = "") -> None:
    """Raise ConfigError with everything that keeps the monitors' detectors from being built."""
    problems: list[Problem] = []
    for monitor in monitors:
        sensors = [city.sensors[i] for i in selected(city, monitor.select)]
        if not sensors:
            problems.append(Problem(file, monitor.name, "select", "expected sensors, it selects none"))
            continue
        low, high, rate = np.array([(s.low, s.high, s.rate) for s in sensors], np.float64).T.copy()
        units = {sensor.unit for sensor in sensors}
        try:
            unit = units.pop() if len(units) == 1 else ""
            registry.build(monitor.detector, monitor.params, low, high, rate, unit, grouped(sensors))
        except ConfigError as error:
            problems += [Problem(file, monitor.name, found.field, found.message) for found in error.problems]
    if problems:
        raise ConfigError(problems)


def _over_all(city: City, detector: str) -> Monitor:
    """A monitor for a detector that the city does not use: every sensor, an alert of the lightest level."""
    lightest = max((level.rank for level in city.levels), default=0)
    return Monitor(detector, detector, detector, Select(), levels=(lightest,))


def _monitors(path: Path, city: City | None) -> tuple[Monitor, ...]:
    problems = Problems([path.name])
    levels = None if city is None else {level.name: level.rank for level in city.levels}
    monitors, *_ = read_monitors(path, levels, problems)
    problems.raise_any()
    return tuple(entry.item for entry in monitors)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError([Problem(str(path), "", "", f"expected a file of parameters: {error}")]) from error
    if not isinstance(content, dict):
        raise ConfigError([Problem(str(path), "", "", "expected a table of parameters")])
    return content
