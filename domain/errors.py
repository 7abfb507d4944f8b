"""Everything Lifeline raises on purpose.

LifelineError
├── ActionError        what a person did cannot be read as an action
├── ReportError        nor what one reports as a report
├── ConfigError        a city file, a monitor or a setting is wrong (carries every problem found)
├── SourceError        a stream cannot be opened or read
├── SinkError          a result cannot be delivered
│   └── SinkRefused    the receiver refused it for good: retrying would not help
└── StateError         a snapshot does not fit the code or the city it is resumed with
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = [
    "ActionError",
    "ConfigError",
    "LifelineError",
    "Problem",
    "ReportError",
    "SinkError",
    "SinkRefused",
    "SourceError",
    "StateError",
]


class LifelineError(Exception):
    """Base of every error that Lifeline raises on purpose."""


class ActionError(LifelineError):
    """A message cannot be read as an action of a person."""


class ReportError(LifelineError):
    """A message cannot be read as a report of a citizen or an inspector."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one place of a file.

    >>> print(Problem("sensors.csv", "row 7", "rate_hz", "expected a number above 0, got 'fast'"))
    sensors.csv, row 7, rate_hz: expected a number above 0, got 'fast'
    """

    file: str
    where: str
    field: str
    message: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.file, self.where, self.field) if part)
        return f"{place}: {self.message}"


class ConfigError(LifelineError):
    """A city, monitor or settings file is wrong; `problems` lists everything found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        """As its problems, from one process to another."""
        return type(self), (self.problems,)


class SourceError(LifelineError):
    """A stream cannot be opened or read."""


class SinkError(LifelineError):
    """A result cannot be delivered now; trying again may help, in `after` seconds where the receiver says so."""

    def __init__(self, message: str = "", after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class SinkRefused(SinkError):
    """The receiver refused a result for good; trying again would not help."""


class StateError(LifelineError):
    """A snapshot does not fit the code or the city that it is resumed with."""
