"""Which shard works on what: every sensor on one shard, those of an asset together, the same in every process."""

from __future__ import annotations

import numpy as np

from domain.city import Asset, Camera, City, Sensor, Zone
from operators.layout import Layout

CITY = City(
    "test",
    "UTC",
    tuple(Sensor(f"S{i}", "strain", "um/m", "Z", asset=f"B{i % 5}" if i < 40 else "") for i in range(60)),
    zones={"Z": Zone("Z")},
    assets={f"B{i}": Asset(f"B{i}", "bridge", "Z") for i in range(5)},
    cameras={"C": Camera("C", "Z")},
)


def test_every_sensor_has_one_place() -> None:
    """Shards share the sensors out, and `local_of` counts those of each from 0."""
    layout = Layout(CITY, 4)
    assert sorted(np.concatenate(layout.members).tolist()) == list(range(60))
    for shard, members in enumerate(layout.members):
        assert (layout.shard_of[members] == shard).all()
        assert layout.local_of[members].tolist() == list(range(len(members)))


def test_sensors_of_an_asset_stay_together() -> None:
    """A detector over a bridge's sensors finds them all in the panes of one shard."""
    layout = Layout(CITY, 4)
    for asset in CITY.assets:
        shards = {int(layout.shard_of[i]) for i, sensor in enumerate(CITY.sensors) if sensor.asset == asset}
        assert len(shards) == 1


def test_the_layout_does_not_change_from_run_to_run() -> None:
    """It decides keys and state: a hash that differs between processes would mix them up."""
    assert Layout(CITY, 4).shard_of[:5].tolist() == [0, 2, 0, 2, 1]
    assert Layout(CITY, 4).camera_shard("C") == Layout(CITY, 4).camera_shard("C")
    assert Layout(CITY, 4).camera_shard("unknown") == 0
