"""A finding judged anew: its detector with its parameters over the readings that it was found in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import orjson

from detectors import registry
from detectors.contract import Lane
from domain.city import City
from domain.clock import NEVER, TS_MAX, floor_to
from domain.errors import ConfigError, Problem, SourceError
from domain.findings import Finding
from domain.monitors import Monitor, Select
from domain.records import Frame, Panes
from domain.selection import selected
from domain.settings import EngineSettings
from operators.detect import Bank
from operators.layout import Layout
from sinks.clickhouse.client import connect
from sinks.clickhouse.read import findings_of
from workbench.recordings import is_database, opened, records_of
from workbench.tape import Step, steps

__all__ = ["Rescored", "rescored", "stored_finding"]

#: What a detector says, and what says where it says it.
_SAID: Final = ("id", "phase", "reason", "ts", "onset", "score", "threshold", "value", "baseline")


@dataclass(frozen=True)
class Rescored:
    """A finding beside what its detector finds now.

    Parameters
    ----------
    finding
        The record that was judged anew.
    again
        All that the detector finds at its sensor (or asset) from the first reading up to the time of the record.
    """

    finding: Finding
    again: tuple[Finding, ...]

    @property
    def same(self) -> Finding | None:
        """The record that comes out again, equal in time, score, threshold, value and baseline; None if none does."""
        return next((one for one in self.again if _said(one) == _said(self.finding)), None)


def rescored(finding: Finding, recording: str, city: City, settings: EngineSettings) -> Rescored:
    """Run a finding's detector with the finding's own parameters over the readings of its sensor (or asset).

    Parameters
    ----------
    recording
        As for `replay`: of a folder of files, each is judged by itself until one has the finding.

    Raises ConfigError for a sensor that the city has not, or a finding of another version of the detector.
    """
    alone = replace(city, monitors=(_monitor(finding, city),))
    sensors = alone.monitors[0].select.sensors
    again: tuple[Finding, ...] = ()
    for record in records_of(recording):
        until = min(finding.ts + 1, TS_MAX)
        with opened(record, alone, until=until, sensors=sensors) as source:
            again = tuple(_found(alone, settings, steps(alone, settings, source), finding))
        if any(one.id == finding.id for one in again):
            break
    return Rescored(finding, again)


def stored_finding(id: str, database: str) -> Finding:
    """The first record of a finding that a database keeps; raises SourceError where it keeps none."""
    if not is_database(database):
        raise SourceError(f"expected the DSN of a database that keeps finding {id}, got {database}")
    client = connect(database)
    try:
        found = findings_of(client, id)
    finally:
        client.close()
    if not found:
        raise SourceError(f"the database keeps no finding {id}")
    return found[0]


def _monitor(finding: Finding, city: City) -> Monitor:
    """The finding's monitor over its own sensor or asset alone, with its own parameters."""
    if finding.sensor not in city.sensor_index:
        message = f"expected a sensor of city {city.name!r}, got {finding.sensor!r}"
        raise ConfigError([Problem("", str(finding.id), "sensor", message)])
    kind = registry.get(finding.detector)
    params = orjson.loads(finding.params or b"{}")
    config = kind.config_hash(kind.Params.model_validate(params))
    if config != finding.config:
        message = f"expected the configuration {finding.config} that it was found with, this version's is {config}"
        raise ConfigError([Problem("", str(finding.id), "params", message)])
    known = {monitor.name: monitor for monitor in city.monitors}
    monitor = known.get(finding.monitor) or Monitor(finding.monitor, finding.detector, finding.kind, Select())
    chosen: tuple[str, ...] = (finding.sensor,)
    if kind.scope == "asset":
        asset = city.sensors[city.sensor_index[finding.sensor]].asset
        watched = [city.sensors[i] for i in selected(city, monitor.select)]
        chosen = tuple(sensor.id for sensor in watched if asset and sensor.asset == asset) or chosen
    return replace(monitor, detector=finding.detector, params=params, select=Select(sensors=chosen))


def _found(city: City, settings: EngineSettings, stream: Iterable[Step], finding: Finding) -> Iterator[Finding]:
    layout = Layout(city, settings.shards)
    shard = int(layout.shard_of[city.sensor_index[finding.sensor]])
    lane = registry.get(finding.detector).lane
    bank = Bank(layout, shard, lane)
    reached = NEVER
    for item in stream:
        if not isinstance(item, Frame | Panes) or item.shard != shard:
            continue
        if isinstance(item, Panes):
            reached = item.upto
            found = bank.panes(item).findings if lane is Lane.PANE else ()
        else:
            verdicts = bank.fast(item) if len(item) and lane is Lane.FAST else None
            found = verdicts.findings if verdicts is not None else ()
        yield from (one for one in found if one.ts <= finding.ts)
    pane = settings.time.pane
    upto = floor_to(finding.ts, pane) + pane
    if lane is Lane.PANE and reached < upto:  # the readings end before; the time that the others told went on
        sensor, ts = np.empty(0, np.int32), np.empty(0, np.int64)
        rest = Panes(shard, pane, upto, upto, sensor, ts, np.empty(0), np.zeros(1, np.int64), sensor, ts)
        yield from (one for one in bank.panes(rest).findings if one.ts <= finding.ts)


def _said(finding: Finding) -> str:
    return repr([getattr(finding, name) for name in _SAID])  # as text, in which NaN equals NaN
