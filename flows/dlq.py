"""Dead letters come back: found by what is wrong with them, and read again once the cause is mended.

A redriven reading is a late reading: it goes to the late table, under the partition and offset that it came with, and
corrects the aggregates it belongs to. Findings and alerts are then judged anew (`flows.review`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import orjson
from clickhouse_connect.driver.client import Client

from domain.actions import Action
from domain.city import City
from domain.clock import MILLISECOND, TS_MIN, floor_to, iso
from domain.findings import AlertEvent, VideoEvent
from domain.records import Columns, DeadLetter, Decoded, LateRows, RawBatch
from domain.reports import Report
from domain.settings import EngineSettings
from flows.review import Reviewed, review
from operators.alerts.handling import Refusal
from operators.decode import Decoder, Reject
from sinks.clickhouse.client import translated
from sinks.clickhouse.native import Column, encode
from sinks.clickhouse.refused import REASON as REFUSED
from sinks.clickhouse.schema import load_registry
from sinks.clickhouse.sink import Writer

__all__ = ["Count", "Filter", "Redriven", "Revived", "counts", "letters", "redrive", "revive"]

_FUTURE: Final = "from-the-future"
#: Reasons for which a message that was cut to `keep_dead` bytes would be refused now, whatever was wrong with it.
_CUT: Final = frozenset({Reject.NOT_JSON.value, Reject.NOT_UTF8.value, Reject.BAD_ARROW.value})
#: Reasons of actions that were good, at a time when they could change nothing.
_LATE: Final = frozenset(reason.value for reason in Refusal)
_AT_ONCE: Final = 10_000

_Mark = tuple[str, int, int, str, str]  # partition, offset, row; reason and detail where it is still dead


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant: those that fit every field that is set."""

    reason: str = ""
    partition: str = ""  # a % stands for any text
    since: int | None = None  # recorded time, ns
    until: int | None = None
    sensor: str = ""  # id, as it stands in the message
    text: str = ""  # anywhere in the message or the detail, in capitals or not
    redriven: bool = False  # also those that were redriven already

    def where(self) -> tuple[str, dict[str, Any]]:
        """The condition in SQL, and its parameters."""
        terms, values = ["true"], {}
        for name, term in (
            ("reason", "reason = {reason:String}"),
            ("partition", "partition LIKE {partition:String}"),
            ("sensor", "(position(payload, {sensor:String}) > 0 OR startsWith(detail, {named:String}))"),
            ("text", "positionCaseInsensitive(concat(detail, '\\n', payload), {text:String}) > 0"),
        ):
            if value := getattr(self, name):
                terms.append(term)
                values[name] = value
        if self.sensor:  # in the message, or as the detail of a reading from the future names it
            values |= {"sensor": f'"{self.sensor}"', "named": f"{self.sensor} at "}
        if self.since is not None:
            terms.append(f"toUnixTimestamp64Nano(recorded) >= {self.since}")
        if self.until is not None:
            terms.append(f"toUnixTimestamp64Nano(recorded) < {self.until}")
        return " AND ".join(terms), values

    @property
    def table(self) -> str:
        """Where to look."""
        return "dead_letters FINAL" if self.redriven else "dead_letters_open"


@dataclass(frozen=True, slots=True)
class Count:
    """How many dead letters one partition has for one reason."""

    partition: str
    reason: str
    letters: int
    first: int  # recorded time, ns
    last: int
    detail: str  # one of them


def counts(client: Client, chosen: Filter) -> list[Count]:
    """How many letters fit, the most frequent first."""
    where, values = chosen.where()
    text = (
        "SELECT toString(partition), toString(reason), count() AS n, toUnixTimestamp64Nano(min(recorded)), "
        f"toUnixTimestamp64Nano(max(recorded)), min(detail) FROM {chosen.table} WHERE {where} "
        "GROUP BY partition, reason ORDER BY n DESC, partition, reason"
    )
    with translated():
        return [Count(*row) for row in client.query(text, parameters=values).result_rows]


def letters(client: Client, chosen: Filter, limit: int | None = None) -> Iterator[DeadLetter]:
    """The letters that fit, in the order of partitions and offsets; a reason is that of the last attempt."""
    where, values = chosen.where()
    after: tuple[str, int, int] | None = None
    left = limit
    while left is None or left > 0:
        page = where
        if after is not None:
            page += " AND (partition, offset, row) > ({p:String}, {o:UInt64}, {r:Int32})"
            values |= dict(zip("por", after, strict=True))
        text = (
            "SELECT partition, offset, row, toUnixTimestamp64Nano(recorded), reason, detail, hex(payload) "
            f"FROM {chosen.table} WHERE {page} ORDER BY partition, offset, row LIMIT {min(left or _AT_ONCE, _AT_ONCE)}"
        )
        with translated():
            rows = client.query(text, parameters=values).result_rows
        for partition, offset, row, recorded, reason, detail, payload in rows:
            yield DeadLetter(partition, offset, row, recorded, reason, detail, bytes.fromhex(payload))
            after = partition, offset, row
        if len(rows) < _AT_ONCE:
            return
        left = None if left is None else left - len(rows)


@dataclass(frozen=True, slots=True)
class Revived:
    """What one dead letter gives when it is read again."""

    rows: LateRows
    video: tuple[VideoEvent, ...]
    actions: tuple[Action, ...]
    reports: tuple[Report, ...]
    dead: tuple[DeadLetter, ...]  # what is still refused: the letter itself, or rows of it

    def refusal(self, letter: DeadLetter) -> DeadLetter | None:
        """Why the letter is still dead; None when it was of use."""
        if len(self.rows) or self.video or self.actions or self.reports or not self.dead:
            return None
        return replace(self.dead[0], offset=letter.offset, row=letter.row, payload=letter.payload)


def revive(letter: DeadLetter, decoder: Decoder, settings: EngineSettings) -> Revived:
    """Read a dead letter again, by the decoder's city.

    What was cut, and what still claims to be from the future, stays dead for the reason it had.
    """
    decoded = decoder.decode(_batch(letter))
    rows = np.arange(len(decoded))
    video = [event for _, event in decoded.video]
    # An action is kept for the record; what it was about has gone on without it.
    actions = [replace(action, known=action.ts) for _, action in decoded.actions]
    reports = [replace(report, known=report.ts) for _, report in decoded.reports]
    dead = list(decoded.dead)
    if letter.reason == REFUSED or letter.reason in _LATE:  # no message; or one whose time is over
        return _still(letter, letter.detail)
    if letter.reason == _FUTURE:  # its bytes are those of the whole message, the rest of which was used
        rows, dead = rows[rows == letter.row], []
        video = video if letter.row < 0 else []
        if not (len(rows) or video or actions or reports):
            return _still(letter, letter.detail)
    elif dead and dead[0].reason in _CUT and len(letter.payload) >= settings.keep_dead:
        return _still(letter, f"{letter.detail} (only its first {settings.keep_dead} bytes were kept)")
    limit = letter.recorded + settings.time.max_ahead if letter.recorded else np.iinfo(np.int64).max
    rare: list[VideoEvent | Action | Report] = [*video, *actions, *reports]
    times = (*decoded.ts[rows].tolist(), *(one.ts for one in rare))
    ahead = [ts for ts in times if ts > limit]
    if ahead:
        detail = f"{iso(max(ahead))} is ahead of the recorded time {iso(letter.recorded)}"
        return _still(replace(letter, reason=_FUTURE), letter.detail if letter.reason == _FUTURE else detail)
    video = [replace(event, known=event.ts) for event in video]
    return Revived(_late(letter, decoded, rows), tuple(video), tuple(actions), tuple(reports), tuple(dead))


def _batch(letter: DeadLetter) -> RawBatch | Columns:
    """A letter as a message again."""
    with suppress(ValueError, TypeError, KeyError):
        row = orjson.loads(letter.payload)
        if letter.row >= 0 and isinstance(row, dict) and row.keys() == {"sensor", "ts_ns", "value"}:
            one = np.zeros(1, np.int64)
            return Columns(
                letter.partition,
                (str(row["sensor"]),),
                one.astype(np.int32),
                one + row["ts_ns"],
                np.array([float(row["value"])]),
                one.astype(np.int32),
                one + letter.offset,
                one + letter.recorded,
            )
    return RawBatch.of(letter.partition, [letter.payload], [letter.offset], [letter.recorded])


def _still(letter: DeadLetter, detail: str) -> Revived:
    none = np.empty(0, np.int64)
    rows = LateRows(letter.partition, none.astype(np.int32), none, none.astype(float), none, none, none)
    return Revived(rows, (), (), (), (replace(letter, detail=detail),))


def _late(letter: DeadLetter, decoded: Decoded, rows: Any) -> LateRows:
    ts = decoded.ts[rows]
    offset, recorded = np.full(len(ts), letter.offset), np.full(len(ts), letter.recorded)
    # Nobody knows the watermark that it met: nothing later than its recorded time.
    return LateRows(letter.partition, decoded.sensor[rows], ts, decoded.value[rows], offset, recorded, recorded)


@dataclass(frozen=True, slots=True)
class Redriven:
    """What a redrive did."""

    letters: int
    used: int
    readings: int
    video: int
    reasons: dict[str, int]  # of those that are still dead
    reviewed: Reviewed | None  # None where nothing was of use, or nothing was to be written


def redrive(
    client: Client,
    city: City,
    settings: EngineSettings,
    chosen: Filter,
    run: int,
    *,
    warm_up: int | None = None,
    dry_run: bool = False,
    tell: Callable[[Sequence[AlertEvent]], None] = lambda events: None,
) -> Redriven:
    """Read dead letters again by today's city, and bring findings and alerts to what they would have been.

    Nothing counts twice however often it is done. A letter is marked as redriven when all of it is done: one that was
    interrupted is simply done again.

    Parameters
    ----------
    client
        Connected to the database; it may write.
    run
        When this is done, ns since 1970: what the marks name it by.
    warm_up, tell
        As in `review`.
    dry_run
        Only tell what would become of the letters.
    """
    decoder = Decoder(city, keep=settings.keep_dead)
    writer = Writer(client, [sensor.id for sensor in city.sensors])
    marks: list[_Mark] = []
    reasons: dict[str, int] = {}
    held: list[Any] = []
    readings = video = 0
    first: int | None = None
    for letter in letters(client, chosen):
        revived = revive(letter, decoder, settings)
        refusal = revived.refusal(letter)
        why = (refusal.reason, refusal.detail) if refusal else ("", "")
        marks.append((letter.partition, letter.offset, letter.row, *why))
        if refusal is not None:
            reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
        else:
            readings, video = readings + len(revived.rows), video + len(revived.video)
            seen: list[VideoEvent | Report] = [*revived.video, *revived.reports]
            times = (*revived.rows.ts.tolist(), *(one.ts for one in seen))
            first = min((first, *times) if first is not None else times, default=None)
            held += [revived.rows, *revived.video, *revived.actions, *revived.reports, *revived.dead]
        if len(held) >= _AT_ONCE and not dry_run:
            writer.write(held)
            held.clear()
    reviewed = None
    if not dry_run:
        load_registry(client, city)
        writer.write(held)
        if first is not None:
            since = max(TS_MIN, floor_to(first, settings.time.pane))
            reviewed = review(client, city, settings, since=since, warm_up=warm_up, tell=tell)
        _mark(client, marks, run)
    return Redriven(len(marks), len(marks) - sum(reasons.values()), readings, video, reasons, reviewed)


def _mark(client: Client, marks: Sequence[_Mark], run: int) -> None:
    for i in range(0, len(marks), _AT_ONCE):
        partition, offset, row, reason, detail = zip(*marks[i : i + _AT_ONCE], strict=True)
        columns = [
            Column("partition", "LowCardinality(String)", partition),
            Column("offset", "UInt64", np.array(offset)),
            Column("row", "Int32", np.array(row)),
            Column("run", "DateTime64(3, 'UTC')", np.full(len(row), run // MILLISECOND)),
            Column("reason", "LowCardinality(String)", reason),
            Column("detail", "String", detail),
        ]
        with translated():
            names = [column.name for column in columns]
            client.raw_insert("redrives", names, encode(columns), {"async_insert": 0}, fmt="Native")
