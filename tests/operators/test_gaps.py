"""Findings of missing offsets, against the same rule written message by message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SECOND
from domain.findings import Finding, Phase
from operators.gaps import QUIET, GapWatch
from operators.stamp import Stamps

T0 = 1_764_000_000 * SECOND

#: Offsets skipped before a message, seconds since the message before, and how far event time is ahead.
MESSAGES = st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 7]), st.integers(0, 50), st.integers(-5, 5)), max_size=30)


def _stamps(times: Sequence[int], closed: Sequence[int]) -> Stamps:
    none = np.empty(0, np.int64)
    return Stamps(none.astype(np.uint8), none, np.array(closed, np.int64), np.array(times, np.int64), 0, 0)


def _naive(rows: Sequence[tuple[int, int, int]]) -> list[tuple[Phase, int, int, float]]:
    """(phase, onset, time, missing) of every record."""
    found: list[tuple[Phase, int, int, float]] = []
    onset = seen = missing = 0
    for k, (offset, time, closed) in enumerate(rows):
        at = max(time, closed)
        if onset and time >= seen + QUIET:
            found.append((Phase.END, onset, at, missing))
            onset = missing = 0
        gap = offset - rows[k - 1][0] - 1 if k else 0
        if gap:
            seen, missing = at, missing + gap
            if not onset:
                onset = at
                found.append((Phase.ONSET, onset, at, missing))
    return found


@given(messages=MESSAGES, sizes=st.lists(st.integers(1, 10), min_size=1), resumed=st.booleans())
def test_as_the_rule_says(messages: list[tuple[int, int, int]], sizes: list[int], resumed: bool) -> None:
    """However messages are batched, and whether the watch was resumed between: the same records."""
    rows, offset, time = [], 100, T0
    for skipped, later, ahead in messages:
        offset, time = offset + 1 + skipped, time + later * SECOND
        rows.append((offset, time, time + ahead * SECOND))
    watch, found, i, k = GapWatch("t/0", 2), list[Finding](), 0, 0
    while i < len(rows):
        offsets, times, closed = zip(*rows[i : i + sizes[k % len(sizes)]], strict=True)
        found += watch.take(np.array(offsets, np.int64), _stamps(times, closed))
        i, k = i + len(offsets), k + 1
        if resumed:
            watch = GapWatch("t/0", 2, watch.snapshot())
    assert [(f.phase, f.onset, f.ts, f.value) for f in found] == _naive(rows)
    assert {f.sensor for f in found} <= {"t/0"}


def test_in_words() -> None:
    """The onset names the offsets, the end counts all that were missing."""
    watch = GapWatch("t/0", 3)
    (onset,) = watch.take(np.array([5, 8]), _stamps([T0, T0], [0, 0]))
    (end,) = watch.take(np.array([10, 11]), _stamps([T0 + SECOND, T0 + 2 * QUIET], [0, 0]))
    assert (onset.reason, onset.level, onset.kind) == ("offsets 6 to 7 are missing", 3, "operations")
    assert (end.reason, end.id) == ("3 offsets are missing", onset.id)
