"""A city the size of Bozhou: its registry, made up but true to scale.

The counts are those that Bozhou's platform reported (China Construction News, 28 September 2022): 1,840 gas monitors,
304 water sensors, 333 drainage gauges, 784 devices on 17 bridges, 26 flood-prone spots with a named person each; and
1,581 septic tanks and sewers as in Chongqing Jiangbei. Streets, names and people are invented.

`python -m simulators.bozhou FOLDER` writes the registry as a city folder. Its monitors and its policy are written by
hand in `cities/bozhou/monitors.toml` and `policy.toml`.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from domain.city import Asset, Camera, City, Level, Pipe, Sensor, Unit, Zone
from domain.city_files import CITY, find_city, write_city
from domain.clock import MINUTE, SECOND
from domain.desk import DeskPolicy, LevelPolicy
from domain.monitor_files import MONITORS
from domain.policy_files import POLICY
from domain.settings import EngineSettings
from simulators.streets import Place, Streets

__all__ = ["STREETS", "bozhou"]

STREETS = Streets(lon=115.78, lat=33.85, columns=46, rows=40, spacing=165.0, across=6, up=4, prefix="BZ")

#: Where gas can collect beside a main, and the share of each among the monitors' spaces.
SPACES = {"valve-well": 0.40, "telecom-manhole": 0.25, "sewer-manhole": 0.20, "cable-trench": 0.15}
#: How often a gas monitor reports, in seconds, and the share of each: those on batteries report seldom.
GAS_PERIODS = {5: 0.10, 10: 0.20, 30: 0.40, 60: 0.30}

FAMILY = ("Li", "Wang", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu", "Xu", "Sun", "Ma")
GIVEN = ("Min", "Jie", "Lan", "Qiang", "Yan", "Tao")


class Registry:
    """Collects what the city consists of."""

    def __init__(self) -> None:
        self.sensors: list[Sensor] = []
        self.assets: dict[str, Asset] = {}
        self.units: dict[str, Unit] = {}
        self.cameras: dict[str, Camera] = {}
        self.pipes: list[Pipe] = []
        self.places: dict[str, Place] = {}

    def unit(self, id: str, name: str, contact: str) -> str:
        self.units[id] = Unit(id, name, contact)
        return id

    def asset(self, id: str, kind: str, name: str, place: Place, unit: str) -> str:
        self.assets[id] = Asset(id, kind, place.zone, name, place.lon, place.lat, unit)
        self.places[id] = place
        return id

    def sensor(self, id: str, kind: str, unit: str, asset: str, period: float, low: float, high: float) -> None:
        place = self.places[asset]
        self.sensors.append(Sensor(id, kind, unit, place.zone, asset, place.lon, place.lat, 1 / period, low, high))

    def camera(self, place: Place, name: str, asset: str = "") -> None:
        id = f"BZ-C-{len(self.cameras) + 1:03d}"
        self.cameras[id] = Camera(id, place.zone, asset, place.lon, place.lat, name)

    def pipe(self, network: str, start: str, end: str) -> None:
        a, b = self.places[start], self.places[end]
        length = round(float(np.hypot(a.x - b.x, a.y - b.y)), 1)
        number = len(self.pipes) + 1
        self.pipes.append(Pipe(f"BZ-P-{number:05d}", network, start, end, length))


def gas_mains(city: Registry, rng: np.random.Generator) -> None:
    """A monitor at every crossing; mains under all streets from west to east, and under every fifth across."""
    columns, rows = STREETS.columns, STREETS.rows
    spaces = rng.choice(list(SPACES), columns * rows, p=list(SPACES.values()))
    periods = rng.choice(list(GAS_PERIODS), columns * rows, p=list(GAS_PERIODS.values()))
    ids = []
    for i in range(columns * rows):
        row, column = divmod(i, columns)
        space, number = str(spaces[i]), f"{i + 1:04d}"
        name = f"{space.replace('-', ' ').capitalize()} {number}, Street {column + 1} at Avenue {row + 1}"
        ids.append(city.asset(f"BZ-GM-{number}", space, name, STREETS.crossing(column, row), "gas-company"))
        city.sensor(f"BZ-G-{number}", "gas-lel", "%LEL", ids[-1], float(periods[i]), 0, 100)
        if i % 20 == 7:  # some also tell how warm and how wet the space is
            city.sensor(f"BZ-G-{number}-T", "temperature", "degC", ids[-1], 60, -30, 70)
            city.sensor(f"BZ-G-{number}-L", "level", "m", ids[-1], 60, 0, 6)
    for i in range(columns * rows):
        row, column = divmod(i, columns)
        if column + 1 < columns:
            city.pipe("gas", ids[i], ids[i + 1])
        if row + 1 < rows and column % 5 == 0:
            city.pipe("gas", ids[i], ids[i + columns])


def regulators(city: Registry) -> None:
    """48 gas regulator cabinets, 8 by 6."""
    for i in range(48):
        row, column = divmod(i, 8)
        place = STREETS.crossing(2.3 + column * 5.7, 2.3 + row * 6.8)
        id = city.asset(f"BZ-RC-{i + 1:02d}", "regulator-cabinet", f"Regulator cabinet {i + 1}", place, "gas-company")
        city.sensor(f"BZ-R-{i + 1:02d}-PI", "inlet-pressure", "kPa", id, 5, 0, 600)
        city.sensor(f"BZ-R-{i + 1:02d}-PO", "outlet-pressure", "kPa", id, 5, 0, 10)
        city.sensor(f"BZ-R-{i + 1:02d}-G", "gas-lel", "%LEL", id, 5, 0, 100)


def water_mains(city: Registry) -> None:
    """304 sensors at 208 points of the trunk mains, 280 m apart.

    200 pressures, 8 transient loggers, 64 flow meters, and 32 loggers that listen for leaks.
    """
    columns, rows, step = 16, 13, 280 / STREETS.spacing
    ids = []
    for i in range(columns * rows):
        row, column = divmod(i, columns)
        place = STREETS.crossing(9.4 + column * step, 8.7 + row * step)
        ids.append(city.asset(f"BZ-WM-{i + 1:03d}", "water-main", f"Water main point {i + 1}", place, "water-company"))
        if i % 26 == 13:
            city.sensor(f"BZ-W-{i + 1:03d}", "transient-pressure", "m", ids[-1], 0.01, 0, 160)
        else:
            city.sensor(f"BZ-W-{i + 1:03d}", "pressure", "m", ids[-1], 1, 0, 100)
    metered = [i for i in range(columns * rows) if (i // columns + i % columns) % 2 == 0][:96]
    for number, i in enumerate(metered, columns * rows + 1):
        if number % 3:
            city.sensor(f"BZ-W-{number:03d}", "flow", "m3/h", ids[i], 60, 0, 3000)
        else:
            city.sensor(f"BZ-W-{number:03d}", "leak-noise", "dB", ids[i], 60, 0, 120)
    for i in range(columns * rows):
        if i % columns + 1 < columns:
            city.pipe("water", ids[i], ids[i + 1])
        if i + columns < columns * rows:
            city.pipe("water", ids[i], ids[i + columns])


def drains(city: Registry) -> None:
    """333 gauges: 207 levels and 67 flows in drains, 33 rain gauges, 26 depths on flood-prone roads.

    Every other drain with a flow meter has a rain gauge above it: a trunk drain, the others are metered drains.
    """
    number = 0

    def gauge(kind: str, unit: str, asset: str, period: float, high: float) -> None:
        nonlocal number
        number += 1
        city.sensor(f"BZ-D-{number:03d}", kind, unit, asset, period, 0, high)

    columns, rows = 23, 9  # a drain under every second street, running south
    metered = range(1, columns * rows, 3)[:67]
    gauged = metered[1::2]
    kinds = dict.fromkeys(metered, "metered-drain") | dict.fromkeys(gauged, "trunk-drain")
    ids = []
    for i in range(columns * rows):
        row, column = divmod(i, columns)
        place = STREETS.crossing(0.5 + column * 2, 37.5 - row * 4.5)
        kind = kinds.get(i, "storm-drain")
        name = f"{kind.replace('-', ' ').capitalize()} {i + 1}"
        ids.append(city.asset(f"BZ-DN-{i + 1:03d}", kind, name, place, "drainage-office"))
        gauge("level", "m", ids[-1], 10, 6)
        if row:
            city.pipe("drain", ids[i - columns], ids[i])
    for i in metered:
        gauge("drain-flow", "m3/h", ids[i], 60, 20_000)
    for i in gauged:
        gauge("rain", "mm/h", ids[i], 60, 400)
    for i in range(26):
        row, column = divmod(i, 7)
        place = STREETS.crossing(3.5 + column * 6.4, 5.5 + row * 9)
        person = f"{FAMILY[i % len(FAMILY)]} {GIVEN[i % len(GIVEN)]}"
        warden = city.unit(f"warden-{i + 1:02d}", f"{person}, flood spot {i + 1}", f"+86 558 555 01{i + 1:02d}")
        id = city.asset(f"BZ-FS-{i + 1:02d}", "flood-spot", f"Flood-prone spot {i + 1}", place, warden)
        gauge("road-depth", "m", id, 5, 3)
        city.camera(place, f"High camera, flood-prone spot {i + 1}", id)


def bridges(city: Registry) -> None:
    """784 devices on 17 bridges over one river: 46 on each, 47 on two."""
    for i in range(17):
        number = f"{i + 1:02d}"
        along = (i + 0.7) / 17.3 * STREETS.width
        place = STREETS.at(along, STREETS.height * (0.62 + 0.1 * float(np.sin(along / 1500))))
        id = city.asset(f"BZ-BR-{number}", "bridge", f"Bridge {i + 1}", place, "bridge-unit")
        for kind, letter, unit, periods, limit in (  # seconds between readings
            ("dynamic-strain", "D", "um/m", [0.01] * 2 + [0.05] * 8, 1000.0),
            ("strain", "S", "um/m", [1.0] * 16, 1000.0),
            ("acceleration", "A", "m/s2", [0.01] * 4, 20.0),
            ("temperature", "T", "degC", [1.0] * 4, 70.0),
            ("crack", "C", "mm", [1.0] * (7 if i < 2 else 6), 5.0),
            ("tilt", "I", "deg", [1.0] * 6, 10.0),
        ):
            for k, period in enumerate(periods, 1):
                low = 0.0 if kind == "crack" else -limit
                city.sensor(f"BZ-B{number}-{letter}{k:02d}", kind, unit, id, period, low, limit)
        for end in ("north", "south"):
            city.camera(place, f"Bridge {i + 1}, {end} end", id)


def sewers(city: Registry, rng: np.random.Generator) -> None:
    """1,581 septic tanks and sewers, each with gas, level and temperature once a minute."""
    for i in range(1581):
        kind, name = ("sewer", "Sewer") if i % 10 < 3 else ("septic-tank", "Septic tank")
        place = STREETS.at(float(rng.uniform(0, STREETS.width)), float(rng.uniform(0, STREETS.height)))
        number = f"{i + 1:04d}"
        id = city.asset(f"BZ-ST-{number}", kind, f"{name} {i + 1}", place, "sanitation-unit")
        city.sensor(f"BZ-S-{number}-G", "gas-lel", "%LEL", id, 60, 0, 100)
        city.sensor(f"BZ-S-{number}-L", "level", "m", id, 60, 0, 6)
        city.sensor(f"BZ-S-{number}-T", "temperature", "degC", id, 60, -30, 70)


def street_cameras(city: Registry, rng: np.random.Generator) -> None:
    """260 cameras over streets, besides those of flood-prone spots and bridges."""
    for _ in range(260):
        column, row = int(rng.integers(STREETS.columns)), int(rng.integers(STREETS.rows))
        city.camera(STREETS.crossing(column, row), f"Street {column + 1} at Avenue {row + 1}")


@cache
def bozhou() -> City:
    """The city, without monitors. Always the same."""
    city, rng = Registry(), np.random.default_rng(341600)  # Bozhou's administrative division code
    city.unit("gas-company", "Gas company, emergency desk", "+86 558 555 0001")
    city.unit("water-company", "Water company, dispatch", "+86 558 555 0002")
    city.unit("drainage-office", "Drainage office", "+86 558 555 0003")
    city.unit("bridge-unit", "Bridge maintenance unit", "+86 558 555 0004")
    city.unit("sanitation-unit", "Sanitation unit", "+86 558 555 0005")
    city.unit("traffic-police", "Traffic police, command room", "+86 558 555 0006")
    city.unit("instrument-team", "Instrument maintenance team", "+86 558 555 0007")
    city.unit("operation-centre", "Operation centre, duty officer", "+86 558 555 0008")
    city.unit("emergency-office", "Emergency office", "+86 558 555 0009")
    offices = [city.unit(f"street-office-{i}", f"Street office {i}", f"+86 558 555 002{i}") for i in range(1, 9)]
    gas_mains(city, rng)
    regulators(city)
    water_mains(city)
    drains(city)
    bridges(city)
    sewers(city, rng)
    street_cameras(city, rng)
    return City(
        name="bozhou",
        timezone="Asia/Shanghai",
        sensors=tuple(city.sensors),
        zones={id: Zone(id, f"Zone {i + 1}", offices[i % 8]) for i, id in enumerate(STREETS.zones)},
        assets=city.assets,
        units=city.units,
        cameras=city.cameras,
        pipes=tuple(city.pipes),
        levels=(Level(1, "I", urgent=True), Level(2, "II"), Level(3, "III")),
        desk=DESK,
    )


#: Urgent cases ring again where nobody takes them.
DESK = DeskPolicy(
    level=(LevelPolicy(1, 5 * MINUTE, ("operation-centre", "emergency-office"), 30 * MINUTE, latched=True),)
)

#: Few large blocks: an insert costs the database some milliseconds whatever it holds.
SETTINGS = EngineSettings(shards=4, block=10 * SECOND)


#: How the part of city.toml begins that is written by hand.
_CAUSES: Final = b"# What follows from what"


def main(folder: Path) -> None:
    """Write the registry to `folder`, with what is written by hand there, or else in the shipped city.

    That is the monitors, the policy, and what follows from what: the end of city.toml.
    """
    by_hand = {
        name: ((folder if (folder / name).exists() else find_city("bozhou")) / name).read_bytes()
        for name in (MONITORS, POLICY, CITY)
    }
    write_city(bozhou(), folder, SETTINGS)
    _, mark, causes = by_hand.pop(CITY).partition(_CAUSES)
    by_hand[CITY] = (folder / CITY).read_bytes() + b"\n" + mark + causes
    for name, data in by_hand.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
