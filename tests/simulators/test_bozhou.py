"""The registry of Bozhou: true to scale, and the same as the files that are shipped."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from domain.city_files import load_city
from domain.correlation import Correlation
from domain.policy import Policy
from simulators.bozhou import STREETS, bozhou, main
from simulators.profiles import PROFILES


def test_counts_are_those_that_the_city_reported() -> None:
    """Gas monitors, water sensors, drainage gauges, bridge devices, flood-prone spots, septic tanks and sewers."""
    city = bozhou()
    assets = Counter(asset.kind for asset in city.assets.values())
    spaces = sum(assets[kind] for kind in ("valve-well", "telecom-manhole", "sewer-manhole", "cable-trench"))
    first = Counter(sensor.id.split("-")[1][0] for sensor in city.sensors)
    monitors = [s for s in city.sensors if s.id.startswith("BZ-G-") and s.kind == "gas-lel"]
    assert (len(monitors), spaces) == (1840, 1840)
    assert (first["W"], first["D"], first["B"]) == (304, 333, 784)
    assert (assets["bridge"], assets["flood-spot"], assets["regulator-cabinet"]) == (17, 26, 48)
    assert assets["septic-tank"] + assets["sewer"] == 1581
    assert first["S"] == 3 * 1581


def test_each_flood_spot_has_a_person_of_its_own() -> None:
    """Bozhou names one person a spot."""
    city = bozhou()
    spots = [asset for asset in city.assets.values() if asset.kind == "flood-spot"]
    assert len({spot.unit for spot in spots}) == 26
    assert all(city.units[spot.unit].contact for spot in spots)


def test_each_sensor_has_a_profile_and_lies_in_its_zone() -> None:
    """A kind without a profile would read zero for ever."""
    city = bozhou()
    assert {s.kind for s in city.sensors} <= {key if isinstance(key, str) else key[0] for key in PROFILES}
    assert {s.zone for s in city.sensors} <= set(STREETS.zones) == set(city.zones)
    assert all(115.7 < s.lon < 115.9 and 33.8 < s.lat < 33.9 for s in city.sensors)


def test_shipped_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    """`cities/bozhou` is this registry with monitors, policy and causes by hand; regenerating changes no byte."""
    shipped = load_city("bozhou")
    bare = replace(shipped, monitors=(), video_rules=(), report_rules=(), correlation=Correlation(), policy=Policy())
    assert bare == bozhou()
    main(tmp_path)
    folder = Path(__file__).parents[2] / "cities" / "bozhou"
    for path in sorted(folder.iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_monitors_pass_the_check() -> None:
    """`lifeline check bozhou` accepts the city."""
    check = pytest.importorskip("flows.commands.check")
    assert len(check.check_city("bozhou").monitors) > 20
