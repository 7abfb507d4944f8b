"""An hour of a part of Bozhou, stored by the engine and served as in the default installation: the fixture `hour`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clickhouse_connect.driver.client import Client

from domain.city import City
from domain.city_files import load_city, load_settings
from domain.clock import HOUR, MINUTE
from flows.engine import Engine
from simulators.measured import MeasuredCity
from simulators.scenario import START, Scenario, scenario
from sinks.clickhouse.client import connect
from sinks.clickhouse.serve import Serving

#: Script, and the minutes at which it begins and ends.
TIMETABLE = (
    ("gas-leak", 5, 25),
    ("water-burst", 10, 30),
    ("waterlogging", 12, 40),
    ("overload", 20, 20.5),
    ("settlement", 25, 60),
    ("fault-drop-out", 8, 20),
    ("fault-stuck", 15, 60),
    ("septic-gas", 5, 30),
    ("sewer-biogas", 3, 40),
    ("road-occupied", 8, 30),
)

#: What the desk does: an action, its minute, the kind of alert that it is about, and a verdict.
ACTIONS = (
    ("acknowledge", 6, "gas-leak", ""),
    ("judge", 40, "gas-leak", "true"),
    ("judge", 45, "road-occupied", "false"),
)


@dataclass(frozen=True)
class Hour:
    """What was simulated, who reads what is stored of it, and who serves it."""

    scenario: Scenario
    client: Client
    serving: Serving


def zone_of(city: City, zone: str) -> City:
    """One zone of a city, without what measures more than once a second."""
    assets = {id: asset for id, asset in city.assets.items() if asset.zone == zone}
    return replace(
        city,
        assets=assets,
        zones={zone: city.zones[zone]},
        sensors=tuple(sensor for sensor in city.sensors if sensor.zone == zone and sensor.rate <= 1),
        cameras={id: camera for id, camera in city.cameras.items() if camera.zone == zone},
        pipes=tuple(pipe for pipe in city.pipes if pipe.start in assets and pipe.end in assets),
    )


@contextmanager
def an_hour(directory: Path) -> Iterator[Hour]:
    """Simulate it into an embedded directory, and serve it."""
    city = zone_of(load_city("bozhou"), "BZ-Z15")
    acted = scenario(city, TIMETABLE, HOUR, 1, START)
    settings = load_settings("bozhou").model_copy(update={"shards": 1, "block": HOUR})
    dsn = f"chdb://{directory}?database=hour"
    Engine(city, settings, MeasuredCity(acted), dsn).run()
    client = connect(dsn)
    for number, (action, minute, kind, verdict) in enumerate(ACTIONS):
        when = f"fromUnixTimestamp64Nano({START + minute * MINUTE}, 'UTC')"
        client.command(
            "INSERT INTO operator_actions (id, action, ts, known, actor, alert, kind, verdict) "
            f"SELECT toUUID('{number:032d}'), '{action}', {when}, {when}, 'li.na', id, kind, '{verdict}' "
            f"FROM alerts WHERE kind = '{kind}' ORDER BY raised LIMIT 1"
        )
    for number, (action, minute) in enumerate([("dispatch", 7), ("accept", 9), ("handle", 20), ("close-case", 50)], 10):
        when = f"fromUnixTimestamp64Nano({START + minute * MINUTE}, 'UTC')"
        client.command(
            "INSERT INTO operator_actions (id, action, ts, known, actor, alert, `case`, unit) SELECT "
            f"toUUID('{number:032d}'), '{action}', {when}, {when}, 'case-system', id, 'c-1', 'gas-company' "
            "FROM alerts WHERE kind = 'gas-leak' ORDER BY raised LIMIT 1"
        )
    with Serving(dsn, port=0, password="grafana") as serving:
        yield Hour(acted, client, serving)
    client.command("DROP DATABASE hour")
    client.close()
