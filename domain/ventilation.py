"""What may be ventilated by order, and under which conditions: the `[ventilation]` table of city.toml.

A city without it orders nothing.

[ventilation]
monitors = ["ventilation"]
run = "30 min"

[[ventilation.fan]]
asset = "BZ-ST-0004"
gas = "BZ-S-0004-G"
sensor = "BZ-S-0004-F"
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import with_config

from domain.clock import MINUTE, SECOND
from domain.fields import Id, Limit, Nanoseconds, Positive, Reference

__all__ = ["Fan", "Ventilation"]


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Fan:
    """The fan of one asset, and how its effect is read back."""

    asset: Id  # a tank, a gas compartment
    gas: Id  # the sensor of its gas, whose readings must be good and fresh
    sensor: Reference = ""  # a sensor of the fan itself; without one the gas has to fall
    running: Limit = 0.5  # the fan runs where its sensor reads more, in that sensor's unit
    falls: Positive = 2.0  # without a sensor of the fan: it runs where the gas has fallen by so much, in the gas's unit


@with_config(extra="forbid")
@dataclass(frozen=True, slots=True)
class Ventilation:
    """Ventilation by order. Durations in ns."""

    monitors: tuple[Id, ...]  # whose findings on a fan's asset ask for it
    fan: tuple[Fan, ...]
    selection: Nanoseconds = 30 * SECOND  # a selection expires after so long, and the field answers before
    confirm: Nanoseconds = 3 * MINUTE  # so long after its start a sensor has to show that it runs
    least: Nanoseconds = 5 * MINUTE  # it runs so long at least, once it runs
    run: Nanoseconds = 30 * MINUTE  # ... and at most; the field ends it then by itself
    between: Nanoseconds = 10 * MINUTE  # it stands so long between two commands
    stale: Nanoseconds = 5 * MINUTE  # an older reading of the gas says nothing
