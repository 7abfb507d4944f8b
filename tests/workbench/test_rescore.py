"""What was found comes out again, from the finding itself and the readings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from detectors import registry
from detectors.contract import Lane
from domain.city import City
from domain.city_files import load_city
from domain.clock import MINUTE
from domain.errors import ConfigError, SourceError
from domain.findings import Finding, Phase
from domain.records import RawBatch
from domain.selection import selected
from domain.settings import EngineSettings
from domain.streams import Source
from flows.engine import Engine
from simulators.scenario import Scenario, demo
from simulators.source import SimulatedCity
from sinks.clickhouse.client import connect
from sinks.clickhouse.read import findings_of
from tests.conftest import ROOT
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb
from tests.flows.town import CITY, SETTINGS, messages, write_recording
from workbench import replay, rescore
from workbench.rescore import rescored

SKAB = ROOT / "../shared/data/skab/valve1"


def stored(
    directory: Path, name: str, city: City, settings: EngineSettings, source: Source
) -> tuple[str, list[Finding]]:
    """A database that the engine has filled, and the findings in it."""
    dsn = chdb(directory, name)
    Engine(city, settings, source, dsn).run()
    client = connect(dsn)
    found = findings_of(client)
    client.close()
    return dsn, found


def sent(source: Source) -> dict[str, list[tuple[int, bytes]]]:
    """What a source sends: recorded times and payloads by partition."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for name in source.partitions():
        partition, rows = source.open(name, None), found.setdefault(name, [])
        with suppress(StopIteration):
            while True:
                batch = partition.poll()
                assert isinstance(batch, RawBatch)
                rows += [(int(batch.recorded[i]), batch.payload(i)) for i in range(len(batch))]
    return found


def some(findings: Sequence[Finding]) -> list[Finding]:
    """The last of each monitor and phase."""
    return list({(finding.monitor, finding.phase): finding for finding in findings}.values())


@pytest.fixture(scope="module")
def town(directory: Path, engine: Client) -> tuple[str, list[Finding]]:
    """The small town's minute."""
    return stored(directory, "rescored_town", CITY, SETTINGS, MemorySource(messages(), 1000))


def test_findings_of_panes_come_out_of_the_database(town: tuple[str, list[Finding]]) -> None:
    """All of them: panes are what it keeps. The fast lane had seen late rows and the order of arrival besides."""
    dsn, found = town
    in_order = [one for one in found if registry.get(one.detector).lane is Lane.PANE]
    assert in_order
    for finding in in_order:
        same = rescored(finding, dsn, CITY, SETTINGS).same
        assert same is not None, finding
        assert (same.params, same.samples) == (finding.params, finding.samples)


def test_every_finding_comes_out_of_a_recording(tmp_path: Path, town: tuple[str, list[Finding]]) -> None:
    """Onset, change and end in both lanes, of late rows, too: it gives what was sent in the order in which it came."""
    write_recording(tmp_path / "minute", messages())
    assert {finding.phase for finding in town[1]} == set(Phase)
    for finding in town[1]:
        same = rescored(finding, str(tmp_path / "minute"), CITY, SETTINGS).same
        assert same is not None, finding
        assert same.samples == finding.samples


def test_findings_of_the_demo_city_come_out_again(tmp_path: Path) -> None:
    """The places of Bozhou's demo where something happens, recorded for minutes: one finding of each monitor."""
    whole = load_city("bozhou")
    acted = demo(whole)
    touched = {effect.sensor for script in acted.scripts for effect in script.effects}
    assets = {sensor.asset for sensor in whole.sensors if sensor.id in touched and sensor.rate <= 2}
    city = replace(whole, sensors=tuple(sensor for sensor in whole.sensors if sensor.asset in assets))
    city = replace(city, monitors=tuple(one for one in whole.monitors if selected(city, one.select)))
    scripts = tuple(
        script for script in acted.scripts if all(effect.sensor in city.sensor_index for effect in script.effects)
    )
    short = Scenario(city, acted.seed, acted.start, 5 * MINUTE, scripts)
    recording = write_recording(tmp_path / "minutes", sent(SimulatedCity(short)))
    found = replay(recording, city).judged[0].findings
    onsets = some([one for one in found if one.phase is Phase.ONSET])
    assert len(onsets) > 3
    for finding in onsets:
        same = rescore(finding, recording, city).same
        assert same is not None, finding
        assert same.samples == finding.samples


@pytest.mark.skipif(not SKAB.is_dir(), reason="no recordings of SKAB here")
def test_findings_of_skab_come_out_again() -> None:
    """A group detector over the loop, and one of single sensors, from the file that they were found in."""
    recording = sorted(SKAB.glob("*.csv"))[0]
    found = [
        finding
        for detector, params in (("cusum", {}), ("recursive_pca", {"warm_up": 380, "smoothing": 0.1, "index": [7.0]}))
        for finding in some(replay(recording, "skab", detector, params).judged[0].findings)
    ]
    assert {finding.detector for finding in found} == {"cusum", "recursive_pca"}
    for finding in found:
        same = rescore(finding, recording, "skab").same
        assert same is not None
        assert same.samples == finding.samples
        assert len(finding.samples.columns()[0]) == 32


def test_what_cannot_be_rescored_is_said(town: tuple[str, list[Finding]]) -> None:
    """Another version's finding, another city's sensor, and an id that nobody keeps."""
    dsn, found = town
    with pytest.raises(ConfigError, match="expected the configuration"):
        rescored(replace(found[0], config="0" * 16), dsn, CITY, SETTINGS)
    with pytest.raises(ConfigError, match="expected a sensor of city 'town'"):
        rescored(replace(found[0], sensor="X"), dsn, CITY, SETTINGS)
    assert rescore(found[0].id, dsn, CITY).finding.id == found[0].id
    with pytest.raises(SourceError, match="keeps no finding"):
        rescore("6c1f8a52-3d5e-5e0b-9f0a-6d1c0c8f7a11", dsn, CITY)
    with pytest.raises(SourceError, match="expected the DSN"):
        rescore("6c1f8a52-3d5e-5e0b-9f0a-6d1c0c8f7a11", "monday.csv", CITY)
