"""A small town and a minute of what it sends: readings, packets, video events, and all that goes wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from domain.city import Asset, Camera, City, Level, Sensor, Unit, Zone
from domain.city_files import write_city
from domain.clock import MILLISECOND, SECOND
from domain.identity import identify
from domain.monitors import Monitor, ReportRule, Select, VideoRule
from domain.records import RawBatch
from domain.settings import EngineSettings
from domain.ventilation import Fan, Ventilation
from sources.recorder import Recorder

__all__ = [
    "CITY",
    "PARTITIONS",
    "SETTINGS",
    "T0",
    "Messages",
    "action",
    "event",
    "messages",
    "reading",
    "report",
    "write_recording",
    "write_town",
]

#: Start of the stream, ms.
T0 = 1_764_000_000_000
PARTITIONS = ("gas/0", "gas/1", "gas/2", "gas/3")
SETTINGS = EngineSettings(shards=3)

#: (recorded time in ns, payload) by partition.
Messages = Mapping[str, Sequence[tuple[int, bytes]]]

_GAS = Select(kinds=("gas-lel",))

CITY = City(
    "town",
    "Asia/Shanghai",
    tuple(
        Sensor(f"G{i:02}", "gas-lel", "%LEL", f"Z{i % 4}", "T1" if i == 13 else "", rate=2.0, low=0.0, high=100.0)
        for i in range(30)
    ),
    zones={f"Z{i}": Zone(f"Z{i}", f"Quarter {i}", "U-GAS") for i in range(4)},
    assets={"T1": Asset("T1", "septic-tank", "Z1")},
    units={"U-GAS": Unit("U-GAS", "Gas company")},
    cameras={f"C{i}": Camera(f"C{i}", f"Z{i}") for i in range(4)},
    levels=(Level(1, "I", urgent=True), Level(2, "II")),
    monitors=(
        Monitor(
            "gas",
            "threshold",
            "gas-leak",
            _GAS,
            {"rising": ["20 %LEL", "40 %LEL"], "hysteresis": "2 %LEL"},
            levels=(2, 1),
            off_delay=SECOND,
        ),
        Monitor("mean", "ewma", "gas-drift", _GAS, {}, levels=(2,)),
        Monitor("silent", "drop_out", "sensor-fault", _GAS, {}, levels=(2,)),
        Monitor("fans", "threshold", "ventilation-request", Select(assets=("T1",)), {"rising": ["1.8 %LEL"]}),
    ),
    video_rules=(VideoRule("smoke", "gas-leak", 2, supports=("gas-leak",)),),
    report_rules=(ReportRule("smell", "gas-leak", 2),),
    ventilation=Ventilation(("fans",), (Fan("T1", "G13"),), between=5 * SECOND),
)


def reading(sensor: str, ms: int, value: float) -> bytes:
    """One reading, `ms` after T0."""
    return json.dumps({"sensor": sensor, "ts": T0 + ms, "value": value}).encode()


def event(camera: str, ms: int, confidence: float = 0.9) -> bytes:
    """Smoke before a camera, `ms` after T0."""
    return json.dumps({"camera": camera, "ts": T0 + ms, "type": "smoke", "confidence": confidence}).encode()


def action(verb: str, ms: int, **more: object) -> bytes:
    """What somebody does, `ms` after T0."""
    said = {"action": verb, "id": str(identify(verb, ms)), "ts": T0 + ms, "actor": "li.na", "role": "operator"}
    return json.dumps(said | more).encode()


def report(ms: int, **more: object) -> bytes:
    """A smell of gas in the camera's zone, `ms` after T0."""
    said = {"report": "smell", "id": str(identify("report", ms)), "ts": T0 + ms, "channel": "inspector", "zone": "Z1"}
    return json.dumps(said | more).encode()


def _packet(sensor: str, ms: int, values: list[float]) -> bytes:
    return json.dumps({"sensor": sensor, "t0": T0 + ms, "hz": 10, "v": values}).encode()


def messages(seconds: int = 60) -> Messages:
    """The town's stream in four partitions: gas leaks in Z1 from 15 s to 35 s, seen by its camera; G27 falls silent."""
    chance = Random(7)
    found: dict[str, list[tuple[int, bytes]]] = {name: [] for name in PARTITIONS}

    def send(number: int, ms: int, payload: bytes) -> None:
        found[PARTITIONS[number % len(PARTITIONS)]].append(((T0 + ms) * MILLISECOND, payload))

    for ms in range(0, seconds * 1000, 500):
        leaking = 15_000 <= ms < 35_000
        for i, sensor in enumerate(CITY.sensors):
            if i == 27 and ms > 20_000:
                continue
            value = round(1 + chance.random() + (30 + ms / 2000 if leaking and i in (1, 5, 9) else 0), 2)
            delay = chance.choice((0, 40, 300, 1400)) if chance.random() < 0.99 else 8_000
            payload = reading(sensor.id, ms, value)
            if i % 10 == 9:
                payload = _packet(sensor.id, ms, [value, value + 0.1, value, value - 0.1, value])
            send(i, ms + delay, payload)
            if chance.random() < 0.02:
                send(i, ms + delay + 700, payload)
    for ms in range(3_000, seconds * 1000, 7_000):
        send(ms, ms, b'{"sensor":"G00","ts":')
        send(1, ms, reading("nobody", ms, 1.0))
        send(2, ms, reading("G02", ms + 3_600_000, 1.0))
        send(1, ms + 200, event("C1", ms))
        send(0, ms + 300, action("leave" if ms % 2_000 else "enter", ms, asset="T1"))
        send(3, ms + 300, action("dispatch", ms, case=f"case {ms}", unit="U-GAS"))
        send(0, ms + 400, report(ms, reporter=f"grid {ms % 3}", text="smells <of> gas"))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def write_town(folder: Path) -> Path:
    """The city's files."""
    write_city(CITY, folder, SETTINGS)
    return folder


def write_recording(folder: Path, stream: Messages) -> Path:
    """A recording as `lifeline record` makes them."""
    recorder = Recorder(folder, tuple(stream))
    for name, rows in stream.items():
        if rows:
            recorder.write(RawBatch.of(name, [payload for _, payload in rows], range(len(rows)), [t for t, _ in rows]))
    recorder.flush()
    return folder
