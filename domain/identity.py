"""Deterministic identifiers: the same thing has the same id however often it is processed."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

__all__ = ["NAMESPACE", "identify"]

NAMESPACE: Final = UUID("6c1f8a52-3d5e-5e0b-9f0a-6d1c0c8f7a11")


def identify(*parts: object) -> UUID:
    """A UUIDv5 of what makes the thing itself.

    The parts are joined with a separator that no name may contain, so ("a", "bc") and ("ab", "c") differ.

    >>> identify("finding", "BZ-G-0012", 5) == identify("finding", "BZ-G-0012", 5)
    True
    >>> identify("a", "bc") == identify("ab", "c")
    False
    """
    return uuid5(NAMESPACE, "\x1f".join(map(str, parts)))
