"""Dead letters come back: a redrive leaves the database as if the registry had been right from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from domain.actions import Action, Verb
from domain.city import City
from domain.clock import MILLISECOND, SECOND
from domain.records import DeadLetter
from domain.reports import Channel, Report
from domain.settings import EngineSettings
from flows.dlq import Filter, counts, letters, redrive, revive
from flows.engine import Engine
from flows.review import review
from operators.decode import Decoder
from sinks.clickhouse.client import connect
from tests.flows import conftest
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb
from tests.flows.town import CITY, PARTITIONS, SETTINGS, T0, Messages, event, messages, reading, write_town

RUN = 1_780_000_000 * SECOND
FORGOTTEN = ("G01", "G05", "G09", "G13")
#: The town before somebody added the sensors, one of which leaks, and the camera that saw it.
BEFORE = replace(
    CITY,
    sensors=tuple(sensor for sensor in CITY.sensors if sensor.id not in FORGOTTEN),
    cameras={name: camera for name, camera in CITY.cameras.items() if name != "C1"},
)
_numbers = count()

Run = Callable[..., Client]


@pytest.fixture
def run(directory: Path, engine: Client) -> Iterator[Run]:
    """Runs a city's engine over a stream; gives a client of what it stored."""
    clients = []

    def run(city: City, stream: Messages, settings: EngineSettings = SETTINGS) -> Client:
        dsn = chdb(directory, f"dlq_{next(_numbers)}")
        Engine(city, settings, MemorySource(stream, 500), dsn).run()
        clients.append(connect(dsn))
        return clients[-1]

    yield run
    for client in clients:
        client.command(f"DROP DATABASE {client.database}", use_database=False)
        client.close()


def punctual(seconds: int = 60) -> Messages:
    """The town's leak and its smoke, with every reading in its place; two bad messages."""
    found: Mapping[str, list[tuple[int, bytes]]] = {name: [] for name in PARTITIONS}
    for ms in range(0, seconds * 1000, 500):
        for i, sensor in enumerate(CITY.sensors):
            leaking = 15_000 <= ms < 35_000 and i in (1, 5, 9, 2)
            value = round(1 + (i + ms // 500) % 7 / 10 + (30 + ms / 2000 if leaking else 0), 2)
            found[PARTITIONS[i % 4]].append(((T0 + ms) * MILLISECOND, reading(sensor.id, ms, value)))
        if ms % 7000 == 0:
            found["gas/1"].append(((T0 + ms) * MILLISECOND, event("C1", ms)))
        if ms == 20_000:
            found["gas/2"].append(((T0 + ms) * MILLISECOND, b'{"sensor":"G00","ts":'))
            found["gas/2"].append(((T0 + ms) * MILLISECOND, reading("nobody", ms, 1.0)))
    return found


VIEWS = {
    "readings, also late ones": "SELECT DISTINCT sensor, ts, value FROM "
    "(SELECT sensor, ts, value FROM readings UNION ALL SELECT sensor, ts, value FROM late_rows FINAL)",
    # The database adds up in another order than the kernel: the last digit may differ.
    **{
        name: f"SELECT * REPLACE (round(mean, 10) AS mean, round(std, 10) AS std) FROM {name}"
        for name in ("aggregates_1s", "aggregates_1m", "aggregates_1h")
    },
    # When a finding became known is as it was.
    "findings": "SELECT * EXCEPT (known, sample_ts, sample_value) FROM findings FINAL WHERE NOT withdrawn",
    "samples": "SELECT id, phase, sample_ts, sample_value FROM findings FINAL WHERE NOT withdrawn",
    # What is raised late is for the record: the desk does not wait for anybody to close it.
    "alerts": "SELECT * EXCEPT (id, events, last_event, revision, note, latched) FROM alerts "
    "WHERE last_event != 'withdrawn'",
    "video": "SELECT * FROM video_events FINAL",
    "open faults": "SELECT sensor, open_faults FROM sensor_health",
}


def views(client: Client, *names: str) -> dict[str, list[bytes]]:
    """What whoever asks the database sees."""
    found = {}
    for name in names or VIEWS:
        text = client.raw_query(f"SELECT * FROM ({VIEWS[name]}) ORDER BY ALL", fmt="TabSeparated")
        found[name] = text.splitlines()
    return found


def test_as_if_the_registry_had_been_right(run: Run) -> None:
    """Aggregates, findings, alerts and video events are the same, row for row; the alerts keep their ids."""
    right, wrong = run(CITY, punctual()), run(BEFORE, punctual())
    assert views(wrong)["alerts"] != views(right)["alerts"]
    done = redrive(wrong, CITY, SETTINGS, Filter(), RUN)
    assert done.readings == 4 * 120
    assert done.video == 9
    assert done.reasons == {"not-json": 1, "unknown-sensor": 1}
    assert done.reviewed is not None
    assert done.reviewed.events
    assert views(wrong) == views(right)


def test_with_readings_late_and_out_of_order(run: Run) -> None:
    """Of a stream that is neither punctual nor in order both come to what a review makes of it."""
    stream = messages()
    right, wrong = run(CITY, stream), run(BEFORE, stream)
    review(right, CITY, SETTINGS)
    redrive(wrong, CITY, SETTINGS, Filter(), RUN)
    # A finding that a review confirms keeps the samples that had come when it was made.
    names = VIEWS.keys() - {"samples"}
    assert views(wrong, *names) == views(right, *names)


def test_a_review_agrees_with_a_second_look(run: Run) -> None:
    """Where nothing was later than the second look, it has left nothing for a review to correct in alerts."""
    stream = messages()
    reviewed, looked = run(CITY, stream), run(CITY, stream, SETTINGS.model_copy(update={"second_look": 20 * SECOND}))
    assert review(reviewed, CITY, SETTINGS).events
    assert looked.query("SELECT 1 FROM alerts WHERE revision > 0").result_rows
    assert review(looked, CITY, SETTINGS).events == ()
    assert views(looked) == views(reviewed)


def test_twice_changes_nothing(run: Run) -> None:
    """Redriven letters are marked with the run; a second redrive finds none of them, and one of all changes nothing."""
    wrong = run(BEFORE, punctual())
    redrive(wrong, CITY, SETTINGS, Filter(), RUN)
    once = views(wrong)
    stored = wrong.query("SELECT * FROM alert_events FINAL ORDER BY alert, seq, revision").result_rows
    again = redrive(wrong, CITY, SETTINGS, Filter(), RUN + SECOND)
    assert (again.letters, again.used) == (2, 0)
    all_of_them = redrive(wrong, CITY, SETTINGS, Filter(redriven=True), RUN + 2 * SECOND)
    assert all_of_them.used > 480
    assert all_of_them.reviewed is not None
    assert not all_of_them.reviewed.events
    assert views(wrong) == once
    assert wrong.query("SELECT * FROM alert_events FINAL ORDER BY alert, seq, revision").result_rows == stored


def test_interrupted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any insert, and done again: the same as without."""
    right, wrong = run(CITY, punctual()), run(BEFORE, punctual())
    real = wrong.raw_insert
    inserts = 0

    def raw_insert(*args: object, **how: object) -> object:
        nonlocal inserts
        inserts -= 1
        if inserts < 0:
            raise KeyboardInterrupt
        return real(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(wrong, "raw_insert", raw_insert)
    for survive in count():
        inserts = survive
        with suppress(KeyboardInterrupt):
            redrive(wrong, CITY, SETTINGS, Filter(), RUN)
            break
    assert survive >= 4
    assert views(wrong) == views(right)


def test_dry_run(run: Run) -> None:
    """Says what would become of the letters, and writes nothing."""
    wrong = run(BEFORE, punctual())
    before = views(wrong)
    done = redrive(wrong, CITY, SETTINGS, Filter(), RUN, dry_run=True)
    assert (done.used, done.readings, done.reviewed) == (489, 480, None)
    assert views(wrong) == before
    assert counts(wrong, Filter())[0].letters == 480


def test_filters(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each narrows the letters down; counts agree with what is listed."""
    wrong = run(BEFORE, punctual())

    def found(**fields: object) -> int:
        chosen = Filter(**fields)  # type: ignore[arg-type]
        listed = list(letters(wrong, chosen))
        assert sum(group.letters for group in counts(wrong, chosen)) == len(listed)
        return len(listed)

    assert found() == 491
    assert found(reason="unknown-sensor") == 481
    assert found(sensor="G01") == 120
    assert found(sensor="G0") == 0
    assert found(partition="gas/2") == 2
    assert found(partition="gas/%", reason="not-json") == 1
    assert found(text="NOBODY") == 1
    assert found(since=(T0 + 30_000) * MILLISECOND) + found(until=(T0 + 30_000) * MILLISECOND) == 491
    assert found(text="'; DROP TABLE dead_letters --") == 0
    everything = list(letters(wrong, Filter()))
    assert list(letters(wrong, Filter(), 7)) == everything[:7]
    monkeypatch.setattr("flows.dlq._AT_ONCE", 50)
    assert list(letters(wrong, Filter())) == everything
    assert list(letters(wrong, Filter(), 120)) == everything[:120]


def test_still_dead_for_another_reason(run: Run) -> None:
    """A letter that fails again is listed with its new reason, and can be redriven later."""
    client = run(BEFORE, {"gas/0": [(T0 * MILLISECOND, b'{"sensor":"G01","ts":"soon","value":1}')]})
    assert [letter.reason for letter in letters(client, Filter())] == ["unknown-sensor"]
    done = redrive(client, CITY, SETTINGS, Filter(), RUN)
    assert (done.used, done.reasons) == (0, {"bad-time": 1})
    (letter,) = letters(client, Filter())
    assert (letter.reason, letter.offset, letter.row) == ("bad-time", 0, -1)
    assert [letter.reason for letter in letters(client, Filter(redriven=True))] == ["unknown-sensor"]


def _letter(payload: bytes, reason: str = "unknown-sensor", row: int = -1, recorded: int = 0) -> DeadLetter:
    return DeadLetter("p", 7, row, recorded or T0 * MILLISECOND, reason, "as it was", payload)


@pytest.mark.parametrize(
    ("letter", "values", "reason"),
    [
        (_letter(reading("G01", 0, 1.5)), [1.5], ""),
        (_letter(b'{"sensor":"G01","t0":1764000000000,"hz":10,"v":[1,2,3]}'), [1.0, 2.0, 3.0], ""),
        (_letter(b'{"sensor":"G01","ts_ns":1764000000000000001,"value":"2.5"}', row=4), [2.5], ""),
        (_letter(b'{"sensor":"G01","ts_ns":1764000000000000001,"value":"nan"}', row=4), [], "not-finite"),
        (_letter(reading("G01", 0, 1.5)[:20] + b"x" * (SETTINGS.keep_dead - 20)), [], "unknown-sensor"),
        (_letter(reading("G01", 3_600_000, 1.5), "from-the-future", 0), [], "from-the-future"),
        (_letter(reading("G01", 3_600_000, 1.5)), [], "from-the-future"),
        (_letter(b"12.5", "from-the-future", 0), [], "from-the-future"),
        (
            _letter(
                b"[" + reading("G02", 0, 1.0) + b"," + reading("G01", 1000, 2.0) + b"]",
                "from-the-future",
                1,
                T0 * MILLISECOND + SECOND,
            ),
            [2.0],
            "",
        ),
        (_letter(b""), [], "empty"),
        (_letter(bytes(range(256))), [], "not-utf8"),
    ],
    ids=[
        "reading",
        "packet",
        "row",
        "bad row",
        "cut",
        "future",
        "future by now",
        "no bytes",
        "one row",
        "empty",
        "any",
    ],
)
def test_read_again(letter: DeadLetter, values: Sequence[float], reason: str) -> None:
    """Every form that a dead letter is kept in; what cannot be used says why."""
    revived = revive(letter, Decoder(CITY, keep=SETTINGS.keep_dead), SETTINGS)
    assert revived.rows.value.tolist() == values
    refusal = revived.refusal(letter)
    assert (refusal.reason if refusal else "") == reason
    if refusal is not None:
        assert (refusal.payload, refusal.offset, refusal.row) == (letter.payload, 7, letter.row)


def test_rows_that_are_still_bad_are_letters_of_their_own(run: Run) -> None:
    """Of a packet with a bad sample the good ones are used."""
    packet = b'{"sensor":"G01","t0":1764000000000,"hz":10,"v":[1,null,3]}'
    client = run(BEFORE, {"gas/0": [(T0 * MILLISECOND, packet)]})
    done = redrive(client, CITY, SETTINGS, Filter(), RUN)
    assert (done.used, done.readings) == (1, 2)
    assert [(letter.row, letter.reason) for letter in letters(client, Filter())] == [(1, "wrong-type")]


def test_the_commands(
    run: Run, directory: Path, tmp_path: Path, lifeline: conftest.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listed, shown, tried, redriven, and nothing left to review."""
    right, wrong = run(CITY, punctual()), run(BEFORE, punctual())
    dsn, town = chdb(directory, wrong.database or ""), str(write_town(tmp_path / "town"))

    def answer(*arguments: str) -> str:
        assert lifeline(*arguments, "--dsn", dsn) == 0
        out, err = capsys.readouterr()
        assert not err
        return out

    assert "491 letters" in answer("dlq", "list")
    assert "1 letters" in answer("dlq", "list", "--reason", "not-json")
    shown = answer("dlq", "show", "--sensor", "G01", "--limit", "2", "--since", "2025-11-24T16:00:10")
    assert "2 of 100 letters (--limit 100 shows all)" in shown
    assert '{"sensor": "G01", "ts": 1764000010000' in shown
    assert "would be used: 489 of 491 letters" in answer("dlq", "redrive", town, "--dry-run")
    redriven = answer("dlq", "redrive", town)
    assert "used: 489 of 491 letters, 480 readings and 9 video events" in redriven
    assert "still dead: not-json 1, unknown-sensor 1" in redriven
    assert "raised late" in redriven
    assert views(wrong) == views(right)
    assert "alerts: 0 corrected" in answer("review", town, "--warm-up", "1 h", "--since", "2025-11-24T16:00:00")
    assert "2 letters" in answer("dlq", "list")
    assert "491 letters" in answer("dlq", "list", "--redriven")


@pytest.mark.parametrize(
    ("reason", "back"), [("unknown-sensor", True), ("unknown-alert", False), ("wrong-state", False)]
)
def test_what_people_did(reason: str, back: bool) -> None:
    """An action comes back for the record once its sensor is known; one that came at the wrong time stays dead."""
    at = T0 * MILLISECOND
    action = Action(UUID(int=1), Verb.OUT_OF_SERVICE, at, "li.na", sensor="G01", reason="works")
    revived = revive(DeadLetter("actions", 3, 0, at, reason, "why", action.to_json()), Decoder(CITY), SETTINGS)
    assert revived.actions == ((replace(action, known=at),) if back else ())
    assert [letter.detail for letter in revived.dead] == ([] if back else ["why"])


def test_what_people_reported() -> None:
    """A report comes back once its zone is known, at the time that it was of."""
    at = T0 * MILLISECOND
    told = Report(UUID(int=1), "smell", at, Channel.CITIZEN, zone="Z1", reporter="a")
    letter = DeadLetter("hotline", 3, 0, at, "unknown-zone", "why", told.to_json())
    assert revive(letter, Decoder(CITY), SETTINGS).reports == (replace(told, known=at),)
    still = revive(letter, Decoder(replace(CITY, zones={})), SETTINGS)
    assert not still.reports
    assert still.refusal(letter) is not None
