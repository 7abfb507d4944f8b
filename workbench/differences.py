"""Two configurations over one recording: which alerts appear, vanish or move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.clock import END, SECOND
from domain.findings import Alert

__all__ = ["Change", "Difference", "differences"]


class Change(StrEnum):
    """What became of an alert from one configuration to the other."""

    KEPT = "kept"
    MOVED = "moved"  # the same alert at another time, or of another level
    VANISHED = "vanished"
    APPEARED = "appeared"


@dataclass(frozen=True, slots=True)
class Difference:
    """An alert before and after; either may be missing, never both."""

    change: Change
    before: Alert | None
    after: Alert | None

    @property
    def alert(self) -> Alert:
        """The alert as it is now, or was."""
        alert = self.after or self.before
        assert alert is not None
        return alert

    @property
    def shift(self) -> float:
        """By how many seconds it comes later; 0 for one that has no counterpart."""
        if self.before is None or self.after is None:
            return 0.0
        return (self.after.raised - self.before.raised) / SECOND


def differences(before: Sequence[Alert], after: Sequence[Alert]) -> list[Difference]:
    """Match alerts of one kind and place that overlap in time, nearest first, each with one at most; by time.

    An alert that stays open overlaps with everything after it.
    """
    pairs = sorted(
        (abs(a.raised - b.raised), a.raised, b.raised, i, k)
        for i, a in enumerate(before)
        for k, b in enumerate(after)
        if (a.kind, a.zone, a.asset) == (b.kind, b.zone, b.asset) and _overlap(a, b)
    )
    left: dict[int, Alert] = dict(enumerate(before))
    right: dict[int, Alert] = dict(enumerate(after))
    found = []
    for *_, i, k in pairs:
        if i in left and k in right:
            a, b = left.pop(i), right.pop(k)
            same = (a.raised, a.level, a.cleared) == (b.raised, b.level, b.cleared)
            found.append(Difference(Change.KEPT if same else Change.MOVED, a, b))
    found += [Difference(Change.VANISHED, alert, None) for alert in left.values()]
    found += [Difference(Change.APPEARED, None, alert) for alert in right.values()]
    return sorted(found, key=lambda one: (one.alert.raised, one.alert.kind, str(one.alert.id)))


def _overlap(a: Alert, b: Alert) -> bool:
    return a.onset <= (b.cleared or END) and b.onset <= (a.cleared or END)
