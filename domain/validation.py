"""Collect everything that is wrong in a set of files, each with its place, before giving up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from domain.errors import ConfigError, Problem

__all__ = ["Entry", "Lines", "Place", "Problems", "did_you_mean", "join", "validated"]

T = TypeVar("T")


class Place(NamedTuple):
    """Where in a file: its name, the line as an editor counts (0: the whole file), and words for people."""

    file: str
    line: int = 0
    where: str = ""


class Lines(Protocol):
    """A file, or a part of it, that can say where its entries stand."""

    def place(self, number: int, field: str = "") -> Place:
        """The place of one entry, and of a field in it where that can be told."""


class Entry(NamedTuple, Generic[T]):
    """A valid record and where it was read."""

    item: T
    lines: Lines
    number: int

    def place(self, field: str = "") -> Place:
        """Where it stands."""
        return self.lines.place(self.number, field)


class Problems:
    """Everything found wrong so far.

    Parameters
    ----------
    files
        Names of the files in the order in which their problems are reported.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._rank = {name: rank for rank, name in enumerate(files)}
        self._found: list[tuple[Place, Problem]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place, field: str, message: str) -> None:
        """Note one problem."""
        self._found.append((place, Problem(*map(_printable, (place.file, place.where, field, message)))))

    def add_invalid(
        self, error: ValidationError, lines: Lines, number: int, known: Sequence[str], prefix: str = ""
    ) -> None:
        """Note every problem that pydantic found in one entry, whose fields may be `known`."""
        for detail in error.errors(include_url=False):
            field = prefix + _path(detail["loc"])
            name = str(detail["loc"][-1]) if detail["loc"] else ""
            self.add(lines.place(number, name), field, _explain(detail, known if len(detail["loc"]) == 1 else ()))

    def raise_any(self) -> None:
        """Raise ConfigError with all problems in file order, if there are any."""
        if self._found:
            last = len(self._rank)
            ordered = sorted(self._found, key=lambda found: (self._rank.get(found[0].file, last), found[0].line))
            raise ConfigError(dict.fromkeys(problem for _, problem in ordered))


def validated(
    parse: Any, lines: Lines, number: int, raw: Any, known: Sequence[str], problems: Problems
) -> Entry[Any] | None:
    """Read one entry with a pydantic function; None, and the problems noted, when it is invalid."""
    try:
        return Entry(parse(raw), lines, number)
    except ValidationError as error:
        problems.add_invalid(error, lines, number, known)
        return None


def explained(error: ValidationError, known: Sequence[str]) -> list[str]:
    """What pydantic found in one message, whose fields may be `known`: a line a problem."""
    details = error.errors(include_url=False)
    return [_printable(f"{_path(detail['loc'])[:80]}: {_explain(detail, known)}") for detail in details]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not among the known ones, or nothing.

    >>> did_you_mean("sensor.csv", ["sensors.csv", "zones.csv"])
    "; did you mean 'sensors.csv'?"
    """
    close = get_close_matches(name, list(known), 1, 0.75)
    return f"; did you mean {close[0]!r}?" if close else ""


def join(names: Iterable[str], most: int = 12) -> str:
    """Names for people, shortened.

    >>> join(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _printable(text: str) -> str:
    """Text that is safe to print: what a broken file holds may end up in a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _path(loc: Sequence[int | str]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer too long to print
        return "a very long integer"
    return text if len(text) <= 80 else text[:77] + "..."


def _explain(detail: Mapping[str, Any], known: Sequence[str]) -> str:
    """What pydantic found, as: what was expected, what came."""
    match detail["type"]:
        case "missing":
            return "expected a value, got nothing: this field is required"
        case "extra_forbidden" | "unexpected_keyword_argument":
            name = str(detail["loc"][-1])
            allowed = f"; known fields are {', '.join(known)}" if known else ""
            return f"unknown field{did_you_mean(name, known)}{allowed}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "is_instance_of" | "dataclass_type" | "model_type" | "dict_type" | "mapping_type":
            return f"expected a table, got {_shown(detail['input'])}"
        case "tuple_type" | "list_type":
            return f"expected a list, got {_shown(detail['input'])}"
    message = detail["msg"].replace("Input should be", "expected")
    return f"{message}, got {_shown(detail['input'])}"
