"""A village with a gas main, small enough that its alerts come at once, and a feeder of what it measures now."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.city_files import write_city
from domain.clock import MILLISECOND, SECOND
from domain.monitors import Monitor, Select, VideoRule
from domain.policy import Desk, Exposure, Policy, Shift
from domain.settings import EngineSettings, TimeRules

__all__ = ["CITY", "Feeder", "write_village"]

_MANHOLES = 6


def _lon(well: int) -> float:
    """A kilometre from one to the next: too far apart for one cause."""
    return 115.78 + 0.0108 * well


CITY = City(
    "village",
    "Asia/Shanghai",
    tuple(
        Sensor(f"V-G{i}", "gas-lel", "%LEL", "Z1", f"M{i}", _lon(i), 33.85, rate=10.0, low=0.0, high=100.0)
        for i in range(_MANHOLES)
    ),
    zones={"Z1": Zone("Z1", "Mill Lane", "gas-company")},
    assets={f"M{i}": Asset(f"M{i}", "valve-well", "Z1", f"Well {i}", _lon(i), 33.85) for i in range(_MANHOLES)},
    units={"gas-company": Unit("gas-company", "Gas company", "+86 558 555 0001")},
    cameras={"V-C1": Camera("V-C1", "Z1", "M1", _lon(1), 33.8501)},
    pipes=tuple(Pipe(f"P{i}", "gas", f"M{i}", f"M{i + 1}", 1000.0) for i in range(_MANHOLES - 1)),
    levels=(Level(1, "I", urgent=True), Level(2, "II"), Level(3, "III")),
    monitors=(
        Monitor(
            "gas",
            "threshold",
            "gas-leak",
            Select(kinds=("gas-lel",)),
            {"rising": ["20 %LEL", "60 %LEL"], "hysteresis": "2 %LEL"},
            levels=(2, 1),
            off_delay=SECOND,
        ),
    ),
    policy=Policy(
        (Exposure("enclosed", asset_kinds=("valve-well",), words="an enclosed space"),),
        desks=(
            Desk("centre"),
            Desk("gas-desk", ("gas-company",), shift=(Shift("always", who="Crew 3", contact="+86 558 555 0003"),)),
        ),
    ),
    video_rules=(VideoRule("smoke", "gas-leak", 0, supports=("gas-leak",)),),
)

SETTINGS = EngineSettings(
    shards=1,
    block=SECOND,
    time=TimeRules(lateness=200 * MILLISECOND, idle=2 * SECOND, pane=100 * MILLISECOND),
)


def write_village(folder: Path) -> Path:
    """The village's files."""
    write_city(CITY, folder, SETTINGS)
    return folder


class Feeder:
    """Sends what every sensor measures ten times a second, whoever reads; nobody's readings are lost for good.

    Attributes
    ----------
    reader
        The end that an engine reads as its standard input.
    values
        What each sensor measures now, by its id.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.values = {sensor.id: 1.0 for sensor in CITY.sensors}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._writer)
        os.close(self.reader)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            ts = time.time_ns() // MILLISECOND
            lines = [
                json.dumps({"sensor": sensor, "ts": ts, "value": value + ts % 7 / 100})
                for sensor, value in self.values.items()
            ]
            try:
                os.write(self._writer, "".join(f"{line}\n" for line in lines).encode())
            except BlockingIOError:
                continue  # nobody reads, and the pipe is full
