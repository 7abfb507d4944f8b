"""Whatever befalls the database, what was put into the outbox is stored once, and the flow learns what it must."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from domain import metrics
from domain.errors import SinkError, SinkRefused
from sinks import outbox as module
from sinks.clickhouse.client import Dsn, connect
from sinks.clickhouse.encoder import Encoder, Item
from sinks.clickhouse.outbox import Outbox
from sinks.clickhouse.schema import ensure_schema
from sinks.clickhouse.sink import ClickHouseSink, Writer
from sinks.clickhouse.spool import Spool
from tests.conftest import ROOT
from tests.sinks.clickhouse.conftest import place_of
from tests.sinks.clickhouse.proxy import DISK_FULL, Answer, Proxy, proxy
from tests.sinks.clickhouse.streams import SENSORS
from tests.sinks.clickhouse.test_sink import STREAM, alert_event, blocks_of, dump, finding, late_of

ENCODER = Encoder(SENSORS, "test")
TABLES = (
    "readings",
    "aggregates_1s_stored",
    "readings_per_minute",
    "sensor_last_seen FINAL",
    "findings FINAL",
    "alert_events FINAL",
    "late_rows FINAL",
)

Connect = Callable[[], Client]


def items() -> list[Item]:
    """Something of everything."""
    return [*blocks_of(STREAM), finding(1), finding(2), alert_event(0), late_of([(1, 1, 5.0)])]


@contextmanager
def opened(connect: Connect, spool: Spool | None = None, **options: Any) -> Iterator[Outbox]:
    """An outbox that is quick to try again; left as a process is that is killed."""
    options = {"pauses": (0.01, 0.05), "grace": 0.1, **options}
    box = Outbox(connect, lambda letters: next(ENCODER.inserts(letters)), spool, **options)
    try:
        yield box
    finally:
        box.close(wait=False)


def put(box: Outbox, what: Sequence[Item]) -> None:
    for insert in ENCODER.inserts(what):
        box.put(insert)


def contents(client: Client) -> dict[str, Any]:
    return {table: list(map(repr, dump(client, table))) for table in TABLES}  # NaN is not equal to itself


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def expected(directory: Path, engine: Client) -> Iterator[dict[str, Any]]:
    """What the tables hold when nothing goes wrong."""
    client = connect(place_of(f"expected_{os.getpid()}", directory))
    ensure_schema(client)
    Writer(client, SENSORS).write(items())
    found = contents(client)
    assert all(found.values())
    yield found
    client.command(f"DROP DATABASE {client.database}", use_database=False)
    client.close()


@pytest.fixture
def direct(directory: Path, client: Client) -> Connect:
    """Connects to the test's database."""
    return lambda: connect(place_of(str(client.database), directory))


@pytest.fixture
def between(server: Dsn) -> Iterator[Proxy]:
    """A proxy before the database that answers by HTTP."""
    with proxy(server.host, server.port) as before:
        yield before


@pytest.fixture
def through(between: Proxy, server: Dsn, client: Client) -> Connect:
    """Connects to the test's database through the proxy."""
    database = str(client.database)
    return lambda: connect(replace(server, host="127.0.0.1", port=between.port, database=database))


def cut(_: bytes) -> Answer | None:
    raise ConnectionResetError


TROUBLES: dict[str, Callable[[bytes], Answer | None]] = {
    "disk full": lambda _: DISK_FULL,
    "too many queries": lambda _: Answer(
        202, "Code: 202. DB::Exception: Too many (TOO_MANY_SIMULTANEOUS_QUERIES)", 503
    ),
    "refuses the login": lambda _: Answer(516, "Code: 516. DB::Exception: Authentication failed (…)", 403),
    "a proxy's page": lambda _: Answer(None, "<html>502 Bad Gateway</html>", 502),
    "hangs up": cut,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_troubles_that_pass(
    trouble: Callable[[bytes], Answer | None],
    between: Proxy,
    through: Connect,
    client: Client,
    expected: dict[str, Any],
) -> None:
    """Each insert fails twice before it is taken: all of it is stored, once, and `flush` returns when it is."""
    seen: dict[bytes, int] = {}

    def twice(body: bytes) -> Answer | None:
        seen[body] = seen.get(body, 0) + 1
        return trouble(body) if seen[body] <= 2 else None

    between.trouble = twice
    with opened(through) as box:
        put(box, items())
        box.flush()
        assert contents(client) == expected
        assert box.ready


def test_answers_that_are_lost(between: Proxy, through: Connect, client: Client, expected: dict[str, Any]) -> None:
    """Stored, but the answer never came: the same insert comes again and is known."""
    seen: set[bytes] = set()

    def lose(body: bytes) -> Answer | None:
        if body in seen:
            return None
        seen.add(body)
        between.after = cut
        return None

    between.trouble = lose
    with opened(through) as box:
        put(box, items())
        box.flush()
        assert between.inserts >= 2 * len(seen)
        assert contents(client) == expected


def test_away_and_back_after_a_restart(
    between: Proxy, through: Connect, client: Client, expected: dict[str, Any], tmp_path: Path
) -> None:
    """While nobody answers `flush` returns soon, with all of it on disk; the next process sends it, once."""
    between.trouble = lambda _: DISK_FULL
    with opened(through, Spool.of_process(tmp_path, 1 << 20)) as box:
        put(box, items())
        begun = time.monotonic()
        box.flush()
        assert time.monotonic() - begun < 5.0
        assert not box.ready
    assert {table: rows for table, rows in contents(client).items() if rows} == {}
    kept = sorted((tmp_path / "0").iterdir())
    assert len(kept) == len(list(ENCODER.inserts(items())))
    between.trouble = lambda _: None
    with opened(through, Spool.of_process(tmp_path, 1 << 20)) as box:
        put(box, items()[:3])  # what the flow repeats
        until(lambda: not any((tmp_path / "0").iterdir()))
        box.flush()
        assert contents(client) == expected


def test_the_first_process_sends_what_others_left(through: Connect, client: Client, tmp_path: Path) -> None:
    """From two processes to one: what the second kept is not forgotten."""
    left = Spool.of_process(tmp_path, 1 << 20, 1, 2)
    for insert in ENCODER.inserts([finding(1)]):
        left.write(insert)
    assert not Spool.of_process(tmp_path, 1 << 20, 0, 2).found
    with opened(through, Spool.of_process(tmp_path, 1 << 20, 0, 1)) as box:
        until(lambda: not list(tmp_path.glob("*/*.insert")))
        box.flush()
    assert client.command("SELECT count() FROM findings") == 1


def test_neither_memory_nor_disk_grow_without_bound(
    between: Proxy, through: Connect, client: Client, expected: dict[str, Any], tmp_path: Path
) -> None:
    """When both are full the flow waits, and asks for little: then all of it is stored."""
    between.trouble = lambda _: DISK_FULL
    spool = Spool.of_process(tmp_path, 3000)
    inserts = list(ENCODER.inserts(items()))
    assert sum(len(insert.data) for insert in inserts) > 5000
    with opened(through, spool, memory=1000, pauses=(0.2, 0.2)) as box:

        def run() -> None:
            for insert in inserts:
                box.put(insert)
            box.flush()

        flow = threading.Thread(target=run)
        flow.start()
        largest = 0.0
        before, deadline = time.process_time(), time.monotonic() + 1.5
        while time.monotonic() < deadline:
            waiting = [one.value for metric in metrics.OUTBOX_BYTES.collect() for one in metric.samples]
            largest = max(largest, sum(waiting))
            assert spool.size <= 3000
            time.sleep(0.05)
        assert flow.is_alive()
        assert largest <= 3000 + 1000 + max(len(insert.data) for insert in inserts)
        assert time.process_time() - before < 1.0
        assert between.inserts < 30
        between.trouble = lambda _: None
        flow.join(20)
        assert not flow.is_alive()
        until(lambda: spool.size == 0)
    assert contents(client) == expected


def test_no_place_to_put_things(between: Proxy, through: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a disk the flow waits; a run that is to stop ends with an error, so that its epoch is read again."""
    between.trouble = lambda _: DISK_FULL
    monkeypatch.setattr(module, "DEADLINE", 0.5)
    stop = threading.Event()
    with opened(through, stop=stop) as box:
        put(box, [finding(1)])
        threading.Timer(0.3, stop.set).start()
        begun = time.monotonic()
        with pytest.raises(SinkError, match=r"stopped while [0-9]+ bytes could not be stored"):
            box.flush()
        assert 0.4 < time.monotonic() - begun < 5.0


def test_a_full_disk_of_our_own(between: Proxy, server: Dsn, client: Client, tmp_path: Path) -> None:
    """A write that fails half way leaves nothing behind; the flow waits until the database is back."""
    between.trouble = lambda _: DISK_FULL if not (tmp_path / "back").exists() else None
    script = """
        import resource, sys, threading
        from pathlib import Path
        from sinks.clickhouse.client import connect
        from sinks.clickhouse.spool import Spool
        from tests.sinks.clickhouse.test_outbox import ENCODER, items, opened, put
        folder = Path(sys.argv[2])
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        with opened(lambda: connect(sys.argv[1]), Spool.of_process(folder, 1 << 20)) as box:
            put(box, items())
            threading.Timer(1.0, (folder / "back").touch).start()
            box.flush()
            print("waited" if (folder / "back").exists() else "did not wait", *folder.glob("*/*.tmp"))
            box.close()
    """
    dsn = f"clickhouse://{server.user}@127.0.0.1:{between.port}/{client.database}"
    command = [sys.executable, "-c", textwrap.dedent(script), dsn, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.returncode) == ("waited\n", 0), run.stderr[-2000:]
    assert "File too large" in run.stderr
    assert client.command("SELECT count() FROM alert_events") == 1


def test_one_bad_row(direct: Connect, client: Client, expected: dict[str, Any]) -> None:
    """A row that the server refuses is a dead letter with the server's words; all others are stored, once."""
    client.command("ALTER TABLE readings_packed ADD CONSTRAINT small CHECK sensor != 'b' OR NOT has(value, 1.0 / 3)")
    for _ in range(2):  # the second time as after a crash
        with opened(direct) as box:
            put(box, items())
            box.flush()
    found = contents(client)
    lost = set(expected["readings"]) - set(found.pop("readings"))
    assert len(lost) == 1
    assert found == {table: rows for table, rows in expected.items() if table != "readings"}
    letters = client.query("SELECT partition, row, reason, detail, payload FROM dead_letters FINAL").result_rows
    ((partition, row, reason, detail, payload),) = letters
    assert (partition, row, reason) == ("clickhouse/readings_packed", -1, "refused-by-clickhouse")
    assert "Constraint `small`" in detail
    assert '"sensor":"b"' in payload


def test_a_column_is_gone(direct: Connect, client: Client) -> None:
    """What no row can be stored with is said once: every row is kept as a dead letter, and the rest is stored."""
    client.command("ALTER TABLE findings DROP COLUMN baseline")
    with opened(direct) as box:
        put(box, items())
        box.flush()
    assert client.command("SELECT count() FROM alert_events") == 1
    payloads = client.query("SELECT payload FROM dead_letters FINAL ORDER BY payload").result_columns[0]
    assert len(payloads) == 2
    assert all('"reason":"stuck"' in payload for payload in payloads)


def test_nothing_is_taken_at_all(direct: Connect, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Where dead letters are refused as well, rows are not to blame: they wait until somebody has mended it."""
    for table in ("findings", "dead_letters"):
        client.command(f"ALTER TABLE {table} ADD CONSTRAINT never CHECK 0")
    # The pause is long enough to mend both tables in: a try in between would find one of them mended.
    with caplog.at_level(logging.WARNING), opened(direct, pauses=(1.0, 1.0)) as box:
        put(box, [finding(1)])
        until(lambda: "Trying again" in caplog.text)
        assert not box.ready
        for table in ("findings", "dead_letters"):
            client.command(f"ALTER TABLE {table} DROP CONSTRAINT never")
        box.flush()
    assert client.command("SELECT count() FROM findings") == 1
    assert client.command("SELECT count() FROM dead_letters") == 0


def test_without_a_schema_the_run_ends(direct: Connect, client: Client) -> None:
    """Nothing that could be done without tables would be right."""
    client.command("DROP TABLE findings")
    with opened(direct) as box:
        put(box, [finding(1)])
        with pytest.raises(SinkRefused, match="UNKNOWN_TABLE"):
            box.flush()
        with pytest.raises(SinkRefused, match="UNKNOWN_TABLE"):
            put(box, [finding(2)])


def test_a_damaged_file_is_set_aside(
    direct: Connect, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file, or one of another version, is kept for somebody to look at; the others are sent."""
    spool = Spool.of_process(tmp_path, 1 << 20)
    paths = [spool.write(insert) for n in range(3) for insert in ENCODER.inserts([finding(n)])]
    assert paths[0] is not None
    assert paths[1] is not None
    paths[0].write_bytes(paths[0].read_bytes()[:-1])
    paths[1].write_bytes(paths[1].read_bytes().replace(b'"format": 1', b'"format": 2'))
    (tmp_path / "0" / "0000000000000009.tmp").write_bytes(b"half")
    with opened(direct, Spool.of_process(tmp_path, 1 << 20)) as box:
        until(lambda: not list(tmp_path.glob("0/*.insert")))
        box.flush()
    assert client.command("SELECT count() FROM findings") == 1
    assert sorted(path.name for path in tmp_path.glob("0/damaged/*")) == [paths[0].name, paths[1].name]
    assert not list(tmp_path.glob("0/*.tmp"))
    assert "cannot be used" in caplog.text


def test_a_slow_database_does_not_hold_the_flow(
    between: Proxy, through: Connect, client: Client, expected: dict[str, Any], tmp_path: Path
) -> None:
    """Where each insert takes a while, an epoch ends after the grace all the same; the end of the run waits for all."""

    def slow(_: bytes) -> None:
        time.sleep(0.15)

    between.trouble = slow
    box = Outbox(
        through, lambda letters: next(ENCODER.inserts(letters)), Spool.of_process(tmp_path, 1 << 20), grace=0.3
    )
    put(box, items())
    begun = time.monotonic()
    box.flush()
    assert time.monotonic() - begun < 1.0
    assert list(tmp_path.glob("0/*.insert"))
    box.close()
    assert not list(tmp_path.glob("0/*.insert"))
    assert contents(client) == expected


def test_troubles_are_told_sparingly(between: Proxy, through: Connect, caplog: pytest.LogCaptureFixture) -> None:
    """One line at most in ten seconds, however often it is tried; metrics tell of each."""
    retries = metrics.SINK_RETRIES.labels("clickhouse")
    before = retries._value.get()
    between.trouble = lambda _: DISK_FULL
    with caplog.at_level(logging.INFO), opened(through) as box:
        put(box, [finding(1)])
        until(lambda: retries._value.get() >= before + 5)
        assert metrics.SINK_UP.labels("clickhouse")._value.get() == 0
        between.trouble = lambda _: None
        box.flush()
    said = [record.message for record in caplog.records if record.name == module.__name__]
    assert len(said) == 2, said
    assert "NOT_ENOUGH_SPACE" in said[0]
    assert "takes results again" in said[1]
    assert metrics.SINK_UP.labels("clickhouse")._value.get() == 1


def test_rare_records_are_sent_once_an_epoch(between: Proxy, through: Connect) -> None:
    """At its end, or when an alert event comes; each table in one insert."""
    with ClickHouseSink(through, SENSORS) as sink:
        delivery = sink.delivery()
        delivery.take([finding(1)])
        delivery.take([finding(2)])
        assert between.inserts == 0
        delivery.snapshot()
        delivery.snapshot()
        assert between.inserts == 1
        delivery.take([finding(3)])
        delivery.take([alert_event(0)])
        until(lambda: between.inserts == 3)
        delivery.take([finding(4)])
        delivery.snapshot()
        assert between.inserts == 4


def test_blocks_are_sent_as_they_come(between: Proxy, through: Connect) -> None:
    """The database works while the flow does."""
    with ClickHouseSink(through, SENSORS) as sink:
        blocks = blocks_of(STREAM)
        sink.delivery().take(blocks)
        until(lambda: between.inserts == len(blocks))
