"""A tank with a fan, and records in seconds, for the tests of commands."""

from __future__ import annotations

from uuid import UUID

from domain.actions import Action, Verb
from domain.city import Asset, City, Level, Sensor, Unit, Zone
from domain.clock import MINUTE, SECOND
from domain.commands import CommandEvent, Gauge, parse_answer
from domain.findings import Finding, Phase, Verdict
from domain.identity import identify
from domain.monitors import Monitor, Select
from domain.records import Verdicts
from domain.ventilation import Fan, Ventilation
from operators.commands.ventilation import VentilationControl

START = 1_764_000_000 * SECOND

POLICY = Ventilation(
    monitors=("ventilation",),
    fan=(Fan("T1", "G1", "F1"), Fan("T2", "G2", falls=3.0)),
    selection=30 * SECOND,
    confirm=2 * MINUTE,
    least=5 * MINUTE,
    run=20 * MINUTE,
    between=10 * MINUTE,
    stale=5 * MINUTE,
)
SELECT = Select(kinds=("gas-lel",))
CITY = City(
    "town",
    "Asia/Shanghai",
    (
        Sensor("G1", "gas-lel", "%LEL", "Z", "T1"),
        Sensor("F1", "fan", "on", "Z", "T1"),
        Sensor("G2", "gas-lel", "%LEL", "Z", "T2"),
        Sensor("L2", "level", "m", "Z", "T2"),
    ),
    zones={"Z": Zone("Z", "Old town", "sanitation")},
    assets={name: Asset(name, "septic-tank", "Z") for name in ("T1", "T2")},
    units={"sanitation": Unit("sanitation")},
    levels=(Level(1, "I", True), Level(2, "II"), Level(3, "III")),
    monitors=(
        Monitor("ventilation", "septic", "ventilation-request", SELECT, levels=(3, 2), on_delay=65 * SECOND),
        Monitor("stuck", "stuck", "sensor-fault", SELECT, levels=(3,)),
    ),
    ventilation=POLICY,
)  # fmt: skip


def at(seconds: float) -> int:
    """A time, ns."""
    return START + round(seconds * SECOND)


def finding(
    seconds: float,
    sensor: str = "G1",
    phase: Phase = Phase.ONSET,
    monitor: str = "ventilation",
    onset: float | None = None,
) -> Finding:
    """What a monitor finds."""
    began, ts = at(seconds if onset is None else onset), at(seconds)
    verdict = Verdict.FAULT if monitor == "stuck" else Verdict.EVENT
    level = 0 if phase is Phase.END else 3
    return Finding(
        identify("finding", monitor, sensor, began), phase, monitor, "", "", "", verdict, "", sensor, ts, ts, began,
        level, 1.0, 1.0, 1.0, 0.0,
    )  # fmt: skip


def gauge(seconds: float, sensor: str, value: float) -> Gauge:
    """A reading."""
    return Gauge(at(seconds), sensor, value)


def action(seconds: float, verb: Verb, asset: str = "T1", actor: str = "li.na", **more: str | int) -> Action:
    """What somebody does."""
    id = identify("test", seconds, verb, asset, actor)
    return Action(id, verb, at(seconds), actor, asset=asset, known=at(seconds), **more)  # type: ignore[arg-type]


def answer(seconds: float, state: str, command: UUID | None, asset: str = "T1", reason: str = "") -> Action:
    """What a controller says."""
    ms = at(seconds) // 1_000_000
    message = {"command": command and str(command), "asset": asset, "state": state, "ts": ms, "reason": reason}
    return parse_answer(message)


class Field:
    """Drives the control of the town's fans."""

    def __init__(self, city: City = CITY, shards: int = 1) -> None:
        self.city, self.shards = city, shards
        self.control = VentilationControl(city, shards)
        self.steps: list[CommandEvent] = []
        self.findings: list[Finding] = []

    def take(self, *records: Finding | Gauge | Action, upto: float) -> list[CommandEvent]:
        """Hand over records, and come to a time; the steps that follow."""
        verdicts = Verdicts(
            0,
            at(upto),
            tuple(one for one in records if isinstance(one, Finding)),
            actions=tuple(one for one in records if isinstance(one, Action)),
            gauges=tuple(one for one in records if isinstance(one, Gauge)),
        )
        steps: list[CommandEvent] = []
        for item in self.control.take(verdicts):
            if isinstance(item, CommandEvent):
                steps.append(item)
            else:
                assert not item.gauges
                self.findings += item.findings[len(verdicts.findings) :]
        self.steps += steps
        return steps

    def resume(self) -> None:
        """Crash, and take up the last snapshot."""
        state = self.control.snapshot()
        self.control = VentilationControl(self.city, self.shards)
        self.control.restore(state)

    def timetable(self) -> list[str]:
        """Steps and findings, a line each: seconds, what, asset, why."""
        lines = [(step.ts, f"{step.step} {step.asset}: {step.reason}") for step in self.steps]
        lines += [(one.ts, f"alert {one.phase} {one.sensor}: {one.reason}") for one in self.findings]
        return [f"{(ts - START) / SECOND:g} {text}" for ts, text in sorted(lines, key=lambda line: line[0])]
