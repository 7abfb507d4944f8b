"""The city on a plane."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from console.world import World
from domain.city import City
from tests.console.village import CITY


def test_metres() -> None:
    """A thousandth of a degree of longitude is some 92 m at this latitude."""
    world = World(CITY)
    here, there = world.at(115.781, 33.85), world.at(115.782, 33.85)
    assert here is not None
    assert there is not None
    assert abs(there[0] - here[0] - 92.4) < 0.5
    assert world.at(0.0, 0.0) is None


def test_neighbours_along_the_pipes() -> None:
    """Along the pipes where there are some, though another is nearer as the crow flies."""
    stray = replace(CITY.sensors[0], id="V-STRAY", asset="", lon=CITY.sensors[2].lon)
    world = World(replace(CITY, sensors=(*CITY.sensors, stray)))
    near = world.neighbours("V-G2", 3)
    assert [(sensor.id, round(far)) for sensor, far in near] == [("V-G1", 1000), ("V-G3", 1000), ("V-G0", 2000)]
    assert world.neighbours("nobody", 3) == []


def test_the_drawing_is_well_formed() -> None:
    """Pipes of one network are one path."""
    paths = ElementTree.fromstring(World(CITY).svg).findall(".//{*}path")
    assert str(paths[0].get("d")).count("M") == len(CITY.pipes)


def test_a_city_without_coordinates_has_no_map() -> None:
    """And no errors."""
    world = World(City("nowhere", "UTC", tuple(replace(sensor, lon=0.0, lat=0.0) for sensor in CITY.sensors)))
    assert not world.drawn
    assert world.frame()
    assert world.svg
    assert world.cameras_near(0.0, 0.0, 100.0) == []
