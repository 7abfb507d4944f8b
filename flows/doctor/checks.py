"""What a check says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import LifelineError
from domain.secrets import redact

__all__ = ["Check", "Grade", "carried_out"]


class Grade(StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"  # it runs, but somebody should know
    FAIL = "fail"  # it will not run, or not rightly


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    what
        What was looked at.
    found
        What is so.
    advice
        What to do where it is not well.
    """

    what: str
    grade: Grade
    found: str
    advice: str = ""

    @classmethod
    def ok(cls, what: str, found: str) -> Check:
        """It is well."""
        return cls(what, Grade.OK, found)

    @classmethod
    def warn(cls, what: str, found: str, advice: str) -> Check:
        """It runs, but somebody should know."""
        return cls(what, Grade.WARN, found, advice)

    @classmethod
    def fail(cls, what: str, found: str, advice: str) -> Check:
        """It will not run, or not rightly."""
        return cls(what, Grade.FAIL, found, advice)


def carried_out(checks: Iterable[tuple[str, Callable[[], Iterable[Check]]]]) -> Iterator[Check]:
    """What the checks say, one after the other; one that breaks has failed. Secrets are hidden.

    Parameters
    ----------
    checks
        Each with the name that it has where it breaks.
    """
    for what, check in checks:
        try:
            for said in check():
                yield Check(said.what, said.grade, redact(said.found), redact(said.advice))
        except LifelineError as error:
            yield Check.fail(what, redact(str(error)), "mend that, then ask again")
        except Exception as error:  # a doctor must not die of what it finds
            yield Check.fail(what, redact(f"the check broke: {error!r}"), "this should not happen: please report it")
