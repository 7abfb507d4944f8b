"""A night in the village: a grave alert with all that can stand behind one."""

from __future__ import annotations

from domain.clock import MINUTE, SECOND
from domain.commands import CommandEvent, Step
from domain.findings import AlertEvent, AlertEventType
from domain.identity import identify
from domain.notices import Notice, Why
from domain.reports import Channel, Report
from tests.console.alerts import raised, then

__all__ = ["Scene"]


class Scene:
    """A leak that stands at well 1, with a consequence at well 2, two reports, a fan, and two notices.

    Parameters
    ----------
    at
        When the leak was raised, ns.
    text
        Words of the citizen who reported it.
    """

    def __init__(self, at: int, text: str = "It smells of gas at the corner") -> None:
        self.reports = (
            Report(identify("scene", at, 1), "gas-smell", at + 20 * SECOND, Channel.CITIZEN, zone="Z1", asset="M1",
                   confidence=0.7, text=text, picture="s3://hotline/4711.jpg"),
            Report(identify("scene", at, 2), "gas-smell", at + 50 * SECOND, Channel.INSPECTOR, zone="Z1", asset="M1",
                   confidence=0.9, text="Meter at the cover: 30 %LEL"),
        )  # fmt: skip
        self.first = raised(at, 1, cameras=("V-C1",))
        self.cause = then(
            self.first, AlertEventType.ESCALATED, 60 * SECOND, level=1, urgent=True, corroboration=0.8,
            support=("threshold on V-G1: 62 of 60 %LEL", "two reports at Well 1"),
            against=("the gauge beside it is well and measures nothing",),
            reports=tuple(report.id for report in self.reports), rules=("beside-a-crowd", "lasting"),
        )  # fmt: skip
        older = raised(at - 2 * MINUTE, 2)
        self.older = older
        self.consequence = then(older, AlertEventType.UPDATED, 150 * SECOND, cause=self.cause.alert.id)
        self.notices = (
            self._notice(self.first, "gas-company-desk", Why.AT_ONCE, "Night shift"),
            self._notice(self.cause, "gas-company-desk", Why.AT_ONCE, "Night shift"),
            self._notice(self.cause, "city-centre", Why.DIGEST),
        )
        command = identify("scene", at, "fan")
        self.commands = tuple(
            CommandEvent(
                identify(command, seq), command, seq, step, at + seconds * SECOND, "M1", by, why, None, "V-F1", gas
            )
            for seq, (step, seconds, by, why, gas) in enumerate(
                (
                    (Step.SELECT, 2, "lifeline", "asked for by ventilation", 31.0),
                    (Step.OPERATE, 4, "lifeline", "selected", 32.5),
                    (Step.RUNNING, 6, "M1", "", 33.0),
                    (Step.CONFIRMED, 9, "lifeline", "V-F1 shows it", 30.25),
                )
            )
        )
        self.alerts = (self.first, self.older, self.cause, self.consequence)

    @property
    def everything(self) -> tuple[AlertEvent | Report | Notice | CommandEvent, ...]:
        """All of it, as an engine would store it."""
        return (*self.alerts, *self.reports, *self.notices, *self.commands)

    def _notice(self, event: AlertEvent, desk: str, why: Why, *on_duty: str) -> Notice:
        return Notice(identify("scene", desk, event.id), event.ts, desk, why, (event,), on_duty)
