"""What a detector saw of one sensor, as an alert carries it: readings thinned out to what a screen shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["POINTS", "Trace", "thinned"]

#: Readings that a trace has at most: about as many as a plot in a message or on a telephone can show.
POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class Trace:
    """Readings of one sensor around the onset of what a monitor found on it, and what its detector made of them.

    The full readings are those of `sensor` from `since` to `until`, in the table `readings`.
    """

    sensor: str
    monitor: str
    detector: str
    config: str  # hash of detector and parameters
    onset: int  # ns
    since: int  # ns
    until: int  # ns
    score: float
    threshold: float
    value: float
    baseline: float
    reason: str = ""  # of the detector
    ts: tuple[int, ...] = ()  # ns, oldest first; at most `POINTS`
    values: tuple[float, ...] = ()


def thinned(ts: Sequence[int], values: Sequence[float], points: int = POINTS) -> tuple[list[int], list[float]]:
    """At most so many of some readings, in order: the first, the last, and the extremes of what lies between.

    The readings are cut into runs of equal length, and the least and the greatest of each are kept, so no peak is lost.
    A value that is no number is never an extreme.

    >>> thinned(range(6), [0.0, 9.0, 1.0, 1.0, -5.0, 2.0], points=4)
    ([0, 1, 4, 5], [0.0, 9.0, -5.0, 2.0])
    """
    count = len(ts)
    if count <= points:
        return list(ts), list(values)
    runs = max(1, (points - 2) // 2)
    kept = {0, count - 1}
    for run in range(runs):
        begin, end = 1 + run * (count - 2) // runs, 1 + (run + 1) * (count - 2) // runs
        known = [i for i in range(begin, end) if values[i] == values[i]]
        if known:
            kept |= {min(known, key=values.__getitem__), max(known, key=values.__getitem__)}
    return [ts[i] for i in sorted(kept)], [values[i] for i in sorted(kept)]
