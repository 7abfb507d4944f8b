"""What a desk is told: one step of an alert at once, or many together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.findings import AlertEvent

__all__ = ["Notice", "Why"]


class Why(StrEnum):
    """Why a desk hears of something now."""

    AT_ONCE = "at-once"  # as it happens
    DIGEST = "digest"  # what is not urgent, together, now and then
    FLOOD = "flood"  # what was held back while there were more alarms than people can take in


@dataclass(frozen=True, slots=True)
class Notice:
    """What one desk is told at one time."""

    id: UUID  # of desk, why, and what it is told
    ts: int  # event time, ns
    desk: str
    why: Why
    events: tuple[AlertEvent, ...]  # of each alert the last step, in their order
    on_duty: tuple[str, ...] = ()  # names of the shifts that are
