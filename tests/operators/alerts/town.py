"""A small town for the desk, and records in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.clock import SECOND
from domain.findings import AlertEvent, Finding, Phase, Verdict, VideoEvent
from domain.identity import identify
from domain.monitors import Monitor, Select, VideoRule
from domain.records import Verdicts
from operators.alerts.desk import Desk
from operators.alerts.rules import DEFAULT, Rules

START = 1_764_000_000 * SECOND
ONSET, CHANGE, END = Phase
LON, LAT = 115.78, 33.85
METRE = 1 / 92_345  # degrees of longitude at that latitude


def _monitor(name: str, detector: str, kind: str, levels: tuple[int, ...], on: int = 0, off: int = 60, unit: str = ""):
    return Monitor(name, detector, kind, Select(), {}, levels, unit, on * SECOND, off * SECOND)


def _asset(id: str, zone: str, east: float, **more: str) -> Asset:
    return Asset(id, "manhole", zone, lon=LON + east * METRE, lat=LAT, **more)


TOWN = City(
    name="town",
    timezone="Asia/Shanghai",
    sensors=(
        Sensor("G1", "gas-lel", "%LEL", "north", "M1"),
        Sensor("G1b", "gas-lel", "%LEL", "north", "M1"),
        Sensor("G2", "gas-lel", "%LEL", "north", "M2"),
        Sensor("G3", "gas-lel", "%LEL", "north", "M3"),
        Sensor("G4", "gas-lel", "%LEL", "south", "M4"),
        Sensor("P1", "pressure", "m", "north", "W1"),
        Sensor("P2", "pressure", "m", "south", "W2"),
        Sensor("P3", "pressure", "m", "south", "W3"),
        Sensor("L1", "level", "m", "west"),
        Sensor("L2", "level", "m", "west"),
    ),
    zones={
        "north": Zone("north", "North Gate", "street-office"),
        "south": Zone("south", "South Gate"),
        "west": Zone("west", "West Gate"),
    },
    assets={
        asset.id: asset
        for asset in (
            _asset("M1", "north", 0, name="Manhole 1", unit="gas-company"),
            _asset("M2", "north", 200),
            _asset("M3", "north", 1000),
            _asset("M4", "south", 50),
            _asset("W1", "north", 5000),
            _asset("W2", "south", 5500),
            _asset("W3", "south", 6500),
        )
    },
    units={"gas-company": Unit("gas-company"), "street-office": Unit("street-office")},
    cameras={
        "C1": Camera("C1", "north", "", LON + 100 * METRE, LAT, "Crossing camera"),
        "C2": Camera("C2", "north", "", LON + 2000 * METRE, LAT),
        "C3": Camera("C3", "west"),
    },
    pipes=(Pipe("p1", "water", "W1", "W2", 550.0), Pipe("p2", "water", "W2", "W3", 900.0)),
    levels=(Level(1, "I", urgent=True), Level(2, "II"), Level(3, "III")),
    monitors=(
        _monitor("gas", "threshold", "gas-leak", (3, 2, 1)),
        _monitor("gas-slow", "ewma", "gas-leak", (3,), on=10),
        _monitor("gas-hint", "cusum", "gas-leak", ()),
        _monitor("burst", "rate-of-rise", "water-burst", (3,), unit="water-company"),
        _monitor("flood", "threshold", "waterlogging", (3, 2, 1)),
        _monitor("stuck", "stuck", "sensor-fault", (3,)),
        _monitor("spike", "spike", "sensor-fault", (0,), off=0),
        _monitor("silent", "drop_out", "sensor-fault", (0,)),
    ),
    video_rules=(
        VideoRule("waterlogging", "waterlogging", 2, 0.6, supports=("waterlogging", "water-burst")),
        VideoRule("street-vending", "street-vending", 3, unit="street-office"),
        VideoRule("smoke", "smoke", 0, supports=("gas-leak",)),
    ),
)

_FAULTS = {"stuck": "stuck", "spike": "spike", "silent": "drop-out"}
_MONITORS = {monitor.name: monitor for monitor in TOWN.monitors}


def finding(
    at: float,
    sensor: str,
    phase: Phase = ONSET,
    grade: int = 1,
    monitor: str = "gas",
    onset: float | None = None,
    known: float | None = None,
) -> Finding:
    """A finding at so many seconds; `onset` must be given for what is not an onset."""
    rule = _MONITORS[monitor]
    ts = START + round(at * SECOND)
    began = START + round((at if onset is None else onset) * SECOND)
    fault = _FAULTS.get(monitor)
    level = rule.levels[grade - 1] if rule.levels and phase is not END else 0
    return Finding(
        identify("finding", monitor, sensor, began), phase, monitor, rule.detector, "c0ffee", rule.kind,
        Verdict.FAULT if fault else Verdict.EVENT, fault or "", sensor, ts,
        ts if known is None else START + round(known * SECOND), began, level, 12.0, 10.0, 12.0, 1.0,
    )  # fmt: skip


def video(at: float, camera: str, type: str = "waterlogging", confidence: float = 0.9) -> VideoEvent:
    """A video event at so many seconds."""
    ts = START + round(at * SECOND)
    return VideoEvent(identify("video", camera, ts, type), camera, ts, type, confidence, "", f"clip-{at:g}", ts)


def run(records: Sequence[Finding | VideoEvent], until: float = inf, rules: Rules = DEFAULT) -> list[AlertEvent]:
    """What the desk says of records of one shard; `until` is the end of the stream in seconds."""
    desk = Desk(TOWN, 1, rules)
    findings = tuple(record for record in records if isinstance(record, Finding))
    seen = tuple(record for record in records if isinstance(record, VideoEvent))
    upto = START + round(until * SECOND) if until != inf else None
    return desk.take(Verdicts(0, upto, findings, seen)) + desk.finish()


def timetable(records: Sequence[Finding | VideoEvent], until: float = inf, rules: Rules = DEFAULT) -> list[str]:
    """The same, a line an event: seconds, what happened, kind, level, sources."""
    return [
        f"{(event.ts - START) / SECOND:g} {event.type} {event.alert.kind} {event.alert.level} "
        f"{' '.join((*event.alert.sensors, *event.alert.cameras))}"
        for event in run(records, until, rules)
    ]
