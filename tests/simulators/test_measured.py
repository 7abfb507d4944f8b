"""A city as columns: what its sensors measure, without what happens to messages on the way."""

from __future__ import annotations

from collections import Counter

import numpy as np
import orjson
import pytest

from domain.city_files import load_city
from domain.clock import MINUTE, SECOND
from domain.errors import SourceError
from domain.records import Columns, RawBatch
from domain.streams import Source, batches
from simulators.bozhou import bozhou
from simulators.measured import MeasuredCity
from simulators.scenario import Scenario, demo, quiet
from simulators.scenes import part

CITY = bozhou()
TOWN = part(CITY, ("bridge", "flood-spot", "water-main", "valve-well"), every=17)


def short(minutes: int) -> Scenario:
    whole = demo(CITY)
    return Scenario(CITY, whole.seed, whole.start, minutes * MINUTE, whole.scripts)


def drain(source: Source, partition: str, resume: object = None) -> list[Columns | RawBatch]:
    return list(batches(source.open(partition, resume)))


def rows(batches: list[Columns | RawBatch]) -> list[tuple[str, int, float]]:
    found = []
    for batch in batches:
        assert isinstance(batch, Columns)
        found += [(batch.names[c], int(t), float(v)) for c, t, v in zip(batch.code, batch.ts, batch.value, strict=True)]
    return found


def test_each_sensor_speaks_as_often_as_it_should() -> None:
    """In three minutes, as many readings as its rate says, in the order of time, none twice, on its own grid."""
    found = rows(drain(MeasuredCity(quiet(TOWN, 3 * MINUTE)), "sensors"))
    count = Counter(sensor for sensor, _, _ in found)
    for one in TOWN.sensors:
        assert abs(count[one.id] - 180 * one.rate) <= 1, one.id
    last: dict[str, int] = {}
    for sensor, ts, _ in found:
        assert ts > last.get(sensor, 0)
        last[sensor] = ts


def test_messages_are_seconds() -> None:
    """What is measured in a second is recorded when it ends, under an offset of its own."""
    scenario = quiet(TOWN, 2 * MINUTE)
    offset = 0
    for batch in drain(MeasuredCity(scenario, 20), "sensors"):
        assert isinstance(batch, Columns)
        assert batch.offset.tolist() == list(range(offset, offset + 20))
        offset += 20
        assert (np.diff(batch.message) >= 0).all()
        waited = batch.recorded[batch.message] - batch.ts
        assert waited.min() > 0
        assert waited.max() <= SECOND
    assert offset == 120


def test_it_goes_on_where_it_stopped() -> None:
    """A snapshot gives the rest, to the last digit; another seed gives other readings."""
    source = MeasuredCity(quiet(TOWN, 3 * MINUTE))
    opened = source.open("sensors", None)
    first = opened.poll()
    assert isinstance(first, Columns)
    straight = rows(drain(source, "sensors"))
    assert rows([first]) + rows(drain(source, "sensors", opened.snapshot())) == straight
    assert rows(drain(MeasuredCity(quiet(TOWN, 3 * MINUTE, seed=2)), "sensors")) != straight


def test_cameras_speak_as_json() -> None:
    """Every sighting once, at its time."""
    scenario = short(4)
    events = [
        orjson.loads(batch.payload(i))
        for batch in drain(MeasuredCity(scenario), "cameras")
        if isinstance(batch, RawBatch)
        for i in range(len(batch))
    ]
    wanted = [v for v in scenario.sightings if v.at < 240]
    assert len(events) == len(wanted) > 0
    assert {event["camera"] for event in events} == {v.camera for v in wanted}


@pytest.mark.parametrize("city", ["skab", "hanoi"])
def test_any_city_can_be_measured(city: str) -> None:
    """Sensors without assets, too."""
    loaded = load_city(city)
    found = rows(drain(MeasuredCity(quiet(part(loaded), 60 * MINUTE), 600), "sensors"))
    assert len(found) == pytest.approx(3600 * sum(s.rate for s in loaded.sensors), abs=len(loaded.sensors))


def test_an_unknown_partition_is_refused() -> None:
    """The error names what there is."""
    with pytest.raises(SourceError, match="cameras"):
        MeasuredCity(quiet(TOWN)).open("bozhou/0", None)
