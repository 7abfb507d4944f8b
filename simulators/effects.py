"""How an incident, or a sensor's own fault, changes what one sensor reads.

Times are seconds after the scenario's start.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from domain.records import Floats

__all__ = [
    "ClockAhead",
    "Effect",
    "Fault",
    "Noisy",
    "Offscale",
    "Procession",
    "Pulse",
    "Ramp",
    "Ring",
    "Silent",
    "Spikes",
    "Stuck",
    "Swell",
]


@dataclass(frozen=True, slots=True)
class Effect(ABC):
    """A change of the quantity that `sensor` measures, over [start, end)."""

    sensor: str
    start: float
    end: float

    @abstractmethod
    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Change `value`, measured at `t`, in place. What follows from the end of an effect may last beyond it."""


@dataclass(frozen=True, slots=True)
class Swell(Effect):
    """Gas, water or load that comes in from `start` and ebbs away from `end` on, exponentially (constants in s)."""

    amount: float
    rise: float
    fall: float = math.inf  # infinite: it stays

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        grown = -np.expm1(-np.clip(t - self.start, 0.0, self.end - self.start) / self.rise)
        value += self.amount * grown * np.exp(-np.maximum(t - self.end, 0.0) / self.fall)


@dataclass(frozen=True, slots=True)
class Ramp(Effect):
    """A straight climb by `amount`, which ebbs away from `end` on, exponentially (constant in s)."""

    amount: float
    fall: float = math.inf  # infinite: it stays

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        grown = np.clip((t - self.start) / (self.end - self.start), 0.0, 1.0)
        value += self.amount * grown * np.exp(-np.maximum(t - self.end, 0.0) / self.fall)


@dataclass(frozen=True, slots=True)
class Pulse(Effect):
    """A bell of `amount`, highest in the middle: a vehicle that crosses."""

    amount: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        middle, width = (self.start + self.end) / 2, (self.end - self.start) / 6
        value += self.amount * np.exp(-0.5 * ((t - middle) / width) ** 2)


@dataclass(frozen=True, slots=True)
class Procession(Effect):
    """A pulse of `amount` every `every` s, 0.5 s half as wide: one heavy vehicle after the other."""

    amount: float
    every: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        since = np.abs((t - self.start) % self.every - self.every / 2)
        value += np.where((t >= self.start) & (t < self.end), self.amount * np.exp(-0.5 * (since / 0.5) ** 2), 0.0)


@dataclass(frozen=True, slots=True)
class Ring(Effect):
    """A swing of `hertz` that dies down with the constant `decay` in s: water hammer, a struck deck."""

    amount: float
    hertz: float
    decay: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        since = np.maximum(t - self.start, 0.0)
        value -= self.amount * np.exp(-since / self.decay) * np.sin(2 * np.pi * self.hertz * since)


@dataclass(frozen=True, slots=True)
class Fault(Effect):
    """A change of the reading alone: it knows no physical limits."""


@dataclass(frozen=True, slots=True)
class Stuck(Fault):
    """The reading stays at `held`; None, until the scenario says so, is what it read last."""

    held: float | None

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Overwrite the readings."""
        if self.held is not None:
            value[(t >= self.start) & (t < self.end)] = self.held


@dataclass(frozen=True, slots=True)
class Spikes(Fault):
    """The first reading in each span of `every` s is off by `amount`; readings are `period` s apart."""

    amount: float
    every: float
    period: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        first = (t - self.start) % self.every < self.period
        value[(t >= self.start) & (t < self.end) & first] += self.amount


@dataclass(frozen=True, slots=True)
class Offscale(Stuck):
    """The reading is a value that cannot be."""


@dataclass(frozen=True, slots=True)
class Noisy(Fault):
    """Noise of standard deviation `sigma` on top."""

    sigma: float

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Add it."""
        value += np.where((t >= self.start) & (t < self.end), self.sigma * rng.standard_normal(len(t)), 0.0)


@dataclass(frozen=True, slots=True)
class Silent(Fault):
    """Nothing is sent."""

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Mark what is not sent."""
        value[(t >= self.start) & (t < self.end)] = np.nan


@dataclass(frozen=True, slots=True)
class ClockAhead(Fault):
    """Times are `by` s ahead; the readings are right."""

    by: float = 3600.0

    def apply(self, t: Floats, value: Floats, rng: np.random.Generator) -> None:
        """Leave the readings: the gateway stamps them."""
