"""What ended a run. Between workers Bytewax loses an error and only says that a thread panicked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import LifelineError

__all__ = ["first_failure", "remembered"]

_failures: list[LifelineError] = []


@contextmanager
def remembered() -> Iterator[None]:
    """Keep an error of ours that leaves the block, on its way through the engine."""
    try:
        yield
    except LifelineError as error:
        _failures.append(error)
        raise


def first_failure() -> LifelineError | None:
    """The first error that was kept; it is forgotten then, with all others."""
    first = _failures[0] if _failures else None
    _failures.clear()
    return first
