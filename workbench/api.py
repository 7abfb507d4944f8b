"""The workbench from Python: what the commands do, as functions that return Arrow tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from domain.city import City
from domain.city_files import load_city, load_settings
from domain.findings import Finding
from domain.monitors import Monitor
from domain.settings import EngineSettings
from workbench import sets
from workbench.differences import differences
from workbench.monitors import monitors_for, read_params
from workbench.recordings import city_of, opened, records_of
from workbench.rescore import Rescored, rescored, stored_finding
from workbench.tables import alert_table, difference_table, finding_table, score_table
from workbench.tape import Judged, Tape, judge, steps

__all__ = ["Replay", "compare", "replay", "rescore", "score"]

Params = Mapping[str, Any] | Path | str | None


@dataclass(frozen=True)
class Replay:
    """What would have been paged."""

    alerts: pa.Table
    findings: pa.Table
    judged: tuple[Judged, ...]  # one a record

    @property
    def readings(self) -> int:
        """Accepted readings."""
        return sum(judged.readings for judged in self.judged)


def score(set: str, folder: str | Path, detector: str | None = None, params: Params = None) -> pa.Table:
    """Score a detector on a set of recordings by the set's published rules.

    Parameters
    ----------
    set
        "nab", "skab", ...: see `workbench.sets.names()`.
    folder
        Where the set lies.
    detector, params
        None: the set's own choice, and the detector's defaults. Parameters as a mapping, or a file of them.

    Returns
    -------
    pyarrow.Table
        One row a figure: ours, its unit, what was asked for, what others published, and what trivial detectors get.
    """
    chosen = sets.get(set)
    if isinstance(params, str | Path):
        params = read_params(Path(params), detector or chosen.DEFAULT)
    return score_table([chosen.evaluate(Path(folder), detector, params, None)])


def replay(
    recording: str | Path,
    city: City | Path | str | None = None,
    detector: str | None = None,
    params: Params = None,
) -> Replay:
    """What would have been paged, from a recording or from the readings that a database keeps.

    Parameters
    ----------
    recording
        A file, a folder of files (each a record of its own), or the DSN of a database.
    city
        A city, its name or folder; None: the shipped one that the recording fits.
    detector
        Only its monitors run; None: all.
    params
        Parameters for these monitors as a mapping, or a file of them, or of monitors.
    """
    city, settings = _city(city, recording)
    city = replace(city, monitors=_monitors(city, detector, params))
    judged = []
    for record in records_of(str(recording)):
        with opened(record, city) as source:
            judged.append(judge(city, settings, steps(city, settings, source)))
    alerts = [alert for one in judged for alert in one.alerts]
    findings = [finding for one in judged for finding in one.findings]
    return Replay(alert_table(alerts), finding_table(findings), tuple(judged))


def compare(
    before: str | Path, after: str | Path, recording: str | Path, city: City | Path | str | None = None
) -> pa.Table:
    """Which alerts appear, vanish or move from one file of monitors to another, over one recording."""
    city, settings = _city(city, recording)
    monitors = [monitors_for(city, None, Path(file)) for file in (before, after)]
    found = []
    for record in records_of(str(recording)):
        with opened(record, city) as source:
            tape = Tape(city, settings, source)
        old, new = (tape.judge(one).alerts for one in monitors)
        found += differences(old, new)
    return difference_table(found)


def rescore(finding: Finding | UUID | str, recording: str | Path, city: City | Path | str | None = None) -> Rescored:
    """Run a finding's detector with the parameters that it carries over the readings that it was found in.

    Parameters
    ----------
    finding
        One of `replay(...).judged[0].findings`, or the id of one that a database keeps.
    recording, city
        As for `replay`; for an id, the DSN of the database.

    Returns
    -------
    Rescored
        Its `same` is the record that comes out again, None if none does; `again` all that the detector finds up to it.
        From a database, detectors of the fast lane see no late rows: what hung on one may not come out again.
    """
    city, settings = _city(city, recording)
    one = finding if isinstance(finding, Finding) else stored_finding(str(finding), str(recording))
    return rescored(one, str(recording), city, settings)


def _city(city: City | Path | str | None, recording: str | Path) -> tuple[City, EngineSettings]:
    if isinstance(city, City):
        return city, EngineSettings()
    name = city if city is not None else city_of(str(recording))
    return load_city(name), load_settings(name)


def _monitors(city: City, detector: str | None, params: Params) -> tuple[Monitor, ...]:
    if isinstance(params, str | Path):
        return monitors_for(city, detector, Path(params))
    return monitors_for(city, detector, params=params)
