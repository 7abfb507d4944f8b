"""Rows that are flagged, as runs."""

from __future__ import annotations

import numpy as np

from domain.records import Bools

__all__ = ["runs"]


def runs(flags: Bools) -> list[tuple[int, int]]:
    """First and last row of each run of flags.

    >>> runs(np.array([True, False, True, True]))
    [(0, 0), (2, 3)]
    """
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).tolist()
    return [(first, after - 1) for first, after in zip(edges[::2], edges[1::2], strict=True)]
