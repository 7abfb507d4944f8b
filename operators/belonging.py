"""Whether a snapshot belongs to the step that is to go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.errors import StateError

__all__ = ["check_snapshot"]


def check_snapshot(snapshot: Mapping[str, Any], of: str, version: int, city: str, shards: int) -> None:
    """Raise StateError where a snapshot is of another version, city or number of shards.

    >>> check_snapshot({"version": 1, "city": "Bozhou", "shards": 8}, "alerts", 1, "Bozhou", 8)
    """
    there = tuple(snapshot.get(name) for name in ("version", "city", "shards"))
    if there != (version, city, shards):
        raise StateError(
            f"the snapshot of {of} is of version {there[0]}, city {there[1]!r} and {there[2]} shards; version "
            f"{version}, city {city!r} and {shards} shards were expected. Start with a new recovery directory, or with "
            "the city and the number of shards it was written with."
        )
