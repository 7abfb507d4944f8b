"""What is stored, judged anew with everything that is known by now, and put right.

The readings that came in time, those that came late and those that were redriven run in order of event time through the
classes that run live; what they find is what should have been found. Findings and alerts that differ are corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from uuid import UUID

from clickhouse_connect.driver.client import Client

from domain.city import City
from domain.clock import NEVER, TS_MAX, TS_MIN, floor_to
from domain.findings import AlertEvent, Finding
from domain.operations import KIND
from domain.settings import EngineSettings
from operators.alerts.revise import late_words, revise
from sinks.clickhouse.client import translated
from sinks.clickhouse.read import standing_alerts
from sinks.clickhouse.sink import Writer
from sources.clickhouse import open_readings
from workbench.tape import Judged, judge, steps

__all__ = ["Reviewed", "review"]

#: Ids in one statement.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review has read and put right."""

    readings: int
    found: tuple[Finding, ...]  # records of findings that were missed, or said something else
    withdrawn: int  # records of findings that should not have been
    events: tuple[AlertEvent, ...]  # revisions of alerts


def review(
    client: Client,
    city: City,
    settings: EngineSettings,
    *,
    since: int = TS_MIN,
    until: int = TS_MAX,
    warm_up: int | None = None,
    write: bool = True,
    tell: Callable[[Sequence[AlertEvent]], None] = lambda events: None,
) -> Reviewed:
    """Bring findings and alerts from `since` on to what they should have been; a second review changes nothing.

    Aggregates need none: their views count late rows already. What was found about the stream itself stays. An alert
    that has gone on after the last reading that is judged is left for the next review.

    Parameters
    ----------
    client
        Connected to the database; it may write.
    since, until
        Event times whose findings and alerts are corrected, ns; `until` is left out.
    warm_up
        How long before `since` detectors begin, ns. None: with the first reading that is stored, which is exact.
    write
        Whether to put right what was found; otherwise it is only reported.
    tell
        Called with the revisions of alerts before they are stored: what was told and not stored is told again.
    """
    begin = TS_MIN if warm_up is None else max(TS_MIN, since - warm_up)
    read = open_readings(client, since=begin, until=until, settled=True, cameras=city.cameras)
    judged = judge(city, settings, steps(city, settings, read))
    end = _end(judged, settings.time.pane)
    if end == NEVER:
        return Reviewed(0, (), 0, ())
    wanted = {(f.id, str(f.phase), f.ts): f for f in judged.findings if since <= f.ts < end}
    stored = _findings(client, since, end)
    missed = tuple(f for key, f in wanted.items() if stored.get(key) != _said(f.level, f.score, f.value, f.baseline))
    gone = sorted(key for key in stored if key not in wanted)
    told = [
        event
        for event in standing_alerts(client)
        if event.alert.kind != KIND and (event.alert.updated >= begin or event.alert.active)
    ]
    revised = revise(told, judged.alerts, end, _why(client, since, end))
    events = [event for event in revised if event.alert.updated >= since or event.alert.active]
    if write:
        tell(events)
        _withdraw(client, gone)
        Writer(client, ()).write([*missed, *events])
    return Reviewed(judged.readings, missed, len(gone), tuple(events))


def _end(judged: Judged, pane: int) -> int:
    """The end of the last pane that anything was known of."""
    times = [judged.last, *(event.ts for event in judged.events[-1:]), *(f.ts for f in judged.findings[-1:])]
    last = max(times)
    return NEVER if last == NEVER else floor_to(last, pane) + pane


def _findings(client: Client, since: int, end: int) -> dict[tuple[UUID, str, int], tuple[object, ...]]:
    """The records of findings that stand, by their keys."""
    with translated():
        rows = client.query(
            "SELECT id, toString(phase), toUnixTimestamp64Nano(ts) AS ns, level, score, value, baseline "
            f"FROM findings FINAL WHERE NOT withdrawn AND kind != '{KIND}' AND ns >= {since} AND ns < {end}"
        ).result_rows
    return {(id, phase, ns): _said(*said) for id, phase, ns, *said in rows}


def _said(*values: float) -> tuple[object, ...]:
    """Numbers that compare equal also where they are none."""
    return tuple(None if isnan(value) else value for value in values)


def _withdraw(client: Client, keys: list[tuple[UUID, str, int]]) -> None:
    for i in range(0, len(keys), _AT_ONCE):
        some = ", ".join(f"('{id}', '{phase}', {ns})" for id, phase, ns in keys[i : i + _AT_ONCE])
        with translated():
            client.command(
                "INSERT INTO findings SELECT * REPLACE (true AS withdrawn) FROM findings FINAL "
                f"WHERE (toString(id), toString(phase), toUnixTimestamp64Nano(ts)) IN ({some})"
            )


def _why(client: Client, since: int, end: int) -> Callable[[Iterable[str]], str]:
    """Says which late rows there are of some sensors."""
    with translated():
        rows = client.query(
            "SELECT toString(sensor), toString(partition), count(), toUnixTimestamp64Nano(min(ts)), "
            "toUnixTimestamp64Nano(max(ts)), min(offset), max(offset) FROM late_rows FINAL "
            f"WHERE toUnixTimestamp64Nano(ts) BETWEEN {since} AND {end} GROUP BY sensor, partition ORDER BY ALL"
        ).result_rows
    late: Mapping[str, list[str]] = {str(row[0]): [] for row in rows}
    for sensor, partition, count, first, last, low, high in rows:
        late[sensor].append(late_words(sensor, count, (first, last), partition, (low, high)))

    def why(sensors: Iterable[str]) -> str:
        found = [text for sensor in sensors for text in late.get(sensor, ())]
        return f"late readings: {'; '.join(found)}" if found else "judged anew"

    return why
