"""The stream of a simulated city: the same bytes however it is read, and as untidy as a real one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.city_files import load_city
from domain.clock import MINUTE, SECOND
from domain.errors import SourceError
from domain.records import RawBatch
from simulators.bozhou import bozhou
from simulators.gateway import Network
from simulators.scenario import Scenario, demo, goes_on, quiet
from simulators.source import SimulatedCity, SimulatedPartition

CITY = bozhou()
CITY_START = demo(CITY).start
ROUGH = Network(slow=0.05, late=0.002, repeated=0.01, garbage=0.002)


def short(minutes: float = 1.0) -> Scenario:
    """The demo, cut short; it opens with two faults and biogas at minute 1."""
    scenario = demo(CITY)
    return Scenario(CITY, scenario.seed, scenario.start, int(minutes * MINUTE), scenario.scripts)


Message = tuple[int, int, bytes]


def flat(batch: RawBatch) -> list[Message]:
    return [(int(batch.offset[i]), int(batch.recorded[i]), batch.payload(i)) for i in range(len(batch))]


def drain(source: SimulatedCity, partition: str, resume: object = None) -> list[Message]:
    opened = source.open(partition, resume)
    found: list[Message] = []
    try:
        while True:
            batch = opened.poll()
            assert batch is not None
            found += flat(batch)
    except StopIteration:
        return found


@pytest.fixture(scope="module")
def straight() -> list[Message]:
    return drain(SimulatedCity(short(0.75), network=ROUGH), "bozhou/1")


@pytest.mark.parametrize("batch", [97, 100_000])
def test_bytes_do_not_depend_on_polling(straight: list[Message], batch: int) -> None:
    """Small polls and large ones give the same messages."""
    assert drain(SimulatedCity(short(0.75), network=ROUGH, batch=batch), "bozhou/1") == straight


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000))
def test_resume_goes_on_exactly(straight: list[Message], cut: int) -> None:
    """A snapshot at any point, taken up by another source, gives the rest and nothing else."""
    source = SimulatedCity(short(0.75), network=ROUGH, batch=331)
    opened = source.open("bozhou/1", None)
    before: list[Message] = []
    while len(before) < min(cut, len(straight)):
        batch = opened.poll()
        assert batch is not None
        before += flat(batch)
    resumed = drain(SimulatedCity(short(0.75), network=ROUGH), "bozhou/1", opened.snapshot())
    assert before + resumed == straight


def test_offsets_count_and_recorded_time_never_falls(straight: list[Message]) -> None:
    """As a broker's log: offsets 0, 1, 2, ... and times in order."""
    offset, recorded, _ = zip(*straight, strict=True)
    assert list(offset) == list(range(len(straight)))
    assert list(recorded) == sorted(recorded)


def rows_of(payload: bytes) -> list[tuple[str, int, float]]:
    """(sensor, ms, value) of one message, by readers that are not ours; nothing for what is no reading."""
    if payload[:4] == b"\xff\xff\xff\xff":
        table = pa.ipc.open_stream(payload).read_all()
        ts = table["ts"].cast(pa.int64()).to_numpy() // 1_000_000
        return list(zip(table["sensor"].to_pylist(), ts.tolist(), table["value"].to_pylist(), strict=True))
    try:
        message = orjson.loads(payload)
        if "v" in message:
            step = 1000 / message["hz"]
            return [(message["sensor"], round(message["t0"] + i * step), v) for i, v in enumerate(message["v"])]
        return [(message["sensor"], message["ts"], message["value"])] if "value" in message else []
    except orjson.JSONDecodeError:
        return []


def test_the_wire_carries_what_the_sensors_measured() -> None:
    """On a perfect network every row comes once, as the gateway was given it, in all three formats."""
    tidy = Network(slow=0, late=0, repeated=0, garbage=0, stranger="")
    source = SimulatedCity(short(1 / 6), network=tidy)
    formats: Counter[str] = Counter()
    total = 0
    for name in source.partitions():
        opened = source.open(name, None)
        gateway = opened._gateway
        want = []
        for chunk in range(gateway.chunks - 1):
            rows, stamped, number, sent = gateway.readings(chunk)
            slot = np.repeat(np.arange(len(rows.sensor)), np.diff(rows.bound))
            assert sent.all()
            value = number / gateway._tools.scale[slot]
            names = [CITY.sensors[i].id for i in rows.sensor]
            want += list(zip([names[k] for k in slot], stamped.tolist(), value.tolist(), strict=True))
        got = []
        for _, _, payload in drain(source, name):
            formats["arrow" if payload[:1] == b"\xff" else "packet" if b'"v":' in payload else "reading"] += 1
            got += rows_of(payload)
        assert sorted(got) == sorted(want)
        total += len(got)
    assert set(formats) == {"arrow", "packet", "reading"}
    assert total == pytest.approx(10 * sum(s.rate for s in CITY.sensors), rel=0.02)


def test_a_sensor_stays_in_its_partition() -> None:
    """Else its order would be lost."""
    source = SimulatedCity(short(1 / 6))
    home: dict[str, str] = {}
    for name in source.partitions():
        for sensor in {row[0] for _, _, payload in drain(source, name) for row in rows_of(payload)}:
            assert home.setdefault(sensor, name) == name


def test_the_stream_is_untidy_to_the_measure_asked_for() -> None:
    """Repeats are exact, delays and garbage are as frequent as the network says, and a stranger speaks."""
    network = Network(slow=0.02, late=0.001, repeated=0.004, garbage=0.001)
    payloads, delays = [], []
    for _, recorded, payload in drain(SimulatedCity(short(1.5), network=network), "bozhou/0"):
        payloads.append(payload)
        if payload[:11] == b'{"sensor":"' and (rows := rows_of(payload)) and rows[-1][1] > 10**12:
            delays.append(recorded // 1_000_000 - rows[-1][1])
    n = len(payloads)
    repeats = sum(count - 1 for text, count in Counter(payloads).items() if text)
    assert repeats / n == pytest.approx(0.004, rel=0.5)
    delay = np.array(delays)
    assert delay.min() >= 30
    assert np.mean(delay > 450) == pytest.approx(0.02 * 0.75 + 0.001, rel=0.4)
    assert np.mean(delay > 4000) == pytest.approx(0.001, rel=0.9)
    assert delay.max() < 10_000
    broken = sum(1 for p in payloads if p[:1] not in (b"{", b"\xff") or not rows_of(p))
    assert 0 < broken / n < 0.004
    assert sum(b"BZ-G-9999" in p for p in payloads) >= 9


def test_a_clock_that_runs_ahead_says_so() -> None:
    """Its readings come in time but are stamped an hour later."""
    scenario = demo(CITY)
    incident = next(i for i in scenario.truth if i.reason == "clock")
    ahead = []
    source = SimulatedCity(Scenario(CITY, 1, scenario.start, 11 * MINUTE, scenario.scripts))
    for name in source.partitions():
        resume = (60, 0, 0)  # minute 10
        opened = source.open(name, resume)
        batch = opened.poll()
        assert batch is not None
        for _, recorded, payload in flat(batch):
            ahead += [ts * 1_000_000 - recorded for s, ts, _ in rows_of(payload) if s == incident.sensors[0]]
    assert ahead
    assert all(3500 * SECOND < a <= 3600 * SECOND for a in ahead)


def test_pacing_follows_the_clock_and_loses_nothing(straight: list[Message]) -> None:
    """At ten times real time a tenth of a second releases what was recorded in a second, then nothing."""
    now = 0.0
    source = SimulatedCity(short(0.75), network=ROUGH, speed=10, clock=lambda: now)
    opened = source.open("bozhou/1", None)
    found: list[Message] = []
    held = 0
    try:
        while True:
            batch = opened.poll()
            if batch is None:
                assert opened.caught_up
                held += 1
                now += 0.1
            else:
                found += flat(batch)
                assert found[-1][1] - found[0][1] <= now * 10 * SECOND + 1
    except StopIteration:
        assert opened.caught_up
    assert found == straight
    assert 44 <= held <= 56


@pytest.mark.parametrize("city", ["skab", "munich", "hanoi"])
def test_any_city_can_be_simulated(city: str) -> None:
    """Sensors without assets, partitions without sensors and kinds without a profile send as often as they should."""
    loaded = load_city(city)
    source = SimulatedCity(quiet(loaded, span=2 * MINUTE))
    payloads = [payload for name in source.partitions() for _, _, payload in drain(source, name)]
    rows = [row for payload in payloads for row in rows_of(payload) if row[0] != "BZ-G-9999"]
    assert len(rows) == pytest.approx(120 * sum(s.rate for s in loaded.sensors), rel=0.05, abs=8)


def test_an_unknown_partition_is_refused() -> None:
    """The error names what there is."""
    with pytest.raises(SourceError, match="bozhou/7"):
        SimulatedCity(short()).open("bozhou/8", None)


def test_the_city_that_goes_on_begins_with_the_demo() -> None:
    """Byte for byte, whatever happens later."""
    first = drain(SimulatedCity(short(1.5)), "bozhou/1")
    later = SimulatedCity(goes_on(CITY)).open("bozhou/1", None)
    found: list[Message] = []
    end = CITY_START + 80 * SECOND
    while not found or found[-1][1] < end:
        batch = later.poll()
        assert batch is not None
        found += flat(batch)
    assert [one for one in found if one[1] < end] == [one for one in first if one[1] < end]


def test_a_head_start_is_not_paced() -> None:
    """Then time goes as fast as it is said to, from when the first partition has come so far."""
    now = 100.0
    source = SimulatedCity(short(), speed=2.0, head=20 * SECOND, clock=lambda: now)
    opened = [source.open(name, None) for name in ("bozhou/0", "bozhou/1")]

    def reached(partition: SimulatedPartition) -> float:
        last = 0
        while (batch := partition.poll()) is not None:
            last = int(batch.recorded[-1])
        return (last - CITY_START) / SECOND

    assert all(19.5 < reached(one) <= 20 for one in opened)
    now += 1000.0
    fresh = SimulatedCity(short(), speed=2.0, head=20 * SECOND, clock=lambda: now)
    opened = [fresh.open(name, None) for name in ("bozhou/0", "bozhou/1")]
    reached(opened[0])
    now += 5.0
    assert all(29.5 < reached(one) <= 30 for one in opened)
