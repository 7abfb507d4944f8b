"""Every message is rows, a video event, or a dead letter that says why; however messages are batched."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import Action, Origin, Verb
from domain.clock import MILLISECOND, TS_MAX, TS_MIN
from domain.identity import identify
from domain.records import Columns, Decoded, RawBatch
from domain.reports import Channel, Report
from operators.decode import Decoder, Reject
from operators.decode.reject import MAX_ROWS
from tests.operators.decode import naive_decode
from tests.operators.decode.naive_decode import CITY
from tests.operators.decode.test_arrow import batch as arrow_batch
from tests.operators.decode.test_arrow import stream

MS = 1_764_000_000_123
DECODER = Decoder(CITY)


def raw(messages: list[bytes]) -> RawBatch:
    return RawBatch.of("p", messages, range(100, 100 + len(messages)), range(len(messages)))


def decode(*messages: bytes, decoder: Decoder = DECODER) -> Decoded:
    return decoder.decode(raw(list(messages)))


def plain(decoded: Decoded) -> tuple[list[Any], list[Any], list[Any]]:
    """As the naive decoder has it, doubles by their bits."""
    columns = (decoded.message, decoded.sensor, decoded.ts, decoded.value)
    rows = [(m, s, t, struct.pack("<d", v)) for m, s, t, v in zip(*(c.tolist() for c in columns), strict=True)]
    video = [(m, event.camera, event.ts, event.type) for m, event in decoded.video]
    return rows, video, [(letter.offset - 100, letter.row, letter.reason) for letter in decoded.dead]


def naive(messages: list[bytes]) -> tuple[list[Any], list[Any], list[Any]]:
    rows, video, dead = naive_decode.decode(messages)
    return [(m, s, t, struct.pack("<d", v)) for m, s, t, v in rows], video, dead


# Messages of every kind. Texts of JSON are put together by hand: a library would never write half of them.

SPACE = st.sampled_from(["", "", "", "", " ", "\n", "\t \r\n"])
KEYS = ["sensor", "ts", "value", "t0", "hz", "v", "camera", "type", "confidence", "place", "clip", "quality"]
NAME = st.sampled_from([f'"{s.id}"' for s in CITY.sensors] + ['"G2"', '"G\\u0031"', '""', '"G\x01"', "null"])
NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1000, 1000).map(lambda x: f"{x:.4f}"),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(re.compile(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"), fullmatch=True),
    st.sampled_from(["-0", "-0.0", "1E5", "1e400", "0e999", "01", "1.", "true", "null", '"1"', "NaN", "-Infinity"]),
)
GOOD_NUMBER = st.floats(-1e6, 1e6, allow_subnormal=False).map(repr)
TIME = st.one_of(
    st.integers(MS, MS + 10**9).map(str),
    st.datetimes(datetime(1980, 1, 1), datetime(2210, 1, 1)).map(lambda d: f'"{d.isoformat()}Z"'),
    st.sampled_from(
        ["0", "-5", "1.5", str(2**64), "1e12", '"now"', str(TS_MIN // MILLISECOND), str(TS_MAX // MILLISECOND)]
    ),
)
GOOD_TIME = st.integers(MS, MS + 10**9).map(str)
SAMPLES = st.lists(st.one_of(GOOD_NUMBER, GOOD_NUMBER, NUMBER), max_size=8).map(lambda v: f"[{','.join(v)}]")
OTHER = st.sampled_from(
    ['"x"', "12", "-1.5e3", "true", "false", "null", '{"a":[1]}', "[]", '"气"', '"\\n"', "nul", "1e999"]
)
GOOD_NAME = st.sampled_from([f'"{s.id}"' for s in CITY.sensors])


@st.composite
def objects(draw: st.DrawFn, good: bool = False) -> str:
    """A record in any order and spacing, right or with anything wrong in it."""
    name, time, number = (GOOD_NAME, GOOD_TIME, GOOD_NUMBER) if good else (NAME | GOOD_NAME, TIME, NUMBER)
    kind = draw(st.sampled_from(["reading", "reading", "packet", "packet", "video"]))
    if kind == "reading":
        items = [("sensor", draw(name)), ("ts", draw(time)), ("value", draw(number))]
    elif kind == "packet":
        samples = st.lists(GOOD_NUMBER, min_size=1, max_size=8).map(lambda v: f"[{', '.join(v)}]") if good else SAMPLES
        rate = (
            st.sampled_from(["100", "0.1", "1e2", "3"]) if good else st.sampled_from(["100", "0", "-1", "1e-9", "true"])
        )
        items = [("sensor", draw(name)), ("t0", draw(time)), ("hz", draw(rate)), ("v", draw(samples))]
    else:
        camera = draw(st.just('"C1"') if good else st.sampled_from(['"C1"', '"C2"', "7"]))
        confidence = draw(st.just("0.93") if good else st.sampled_from(["0.93", "1.5", "null", "1"]))
        items = [("camera", camera), ("ts", draw(time)), ("type", '"fire"'), ("confidence", confidence)]
    if not good:
        if draw(st.integers(0, 4)) == 0:
            items.pop(draw(st.integers(0, len(items) - 1)))
        if draw(st.integers(0, 4)) == 0:
            items.append((draw(st.sampled_from(KEYS)), draw(st.one_of(OTHER, NUMBER, NAME))))
    items = draw(st.permutations(items))
    body = ",".join(f'{draw(SPACE)}"{key}"{draw(SPACE)}:{draw(SPACE)}{value}{draw(SPACE)}' for key, value in items)
    return f"{{{body}}}"


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    text = draw(
        st.one_of(objects(good=True), objects(), st.lists(objects(), max_size=4).map(lambda o: f"[{','.join(o)}]"))
    )
    payload = (draw(SPACE) + text + draw(SPACE)).encode(errors="surrogatepass")
    what = draw(st.integers(0, 12))
    if what == 0:  # cut, or with a byte put in
        return payload[: draw(st.integers(0, len(payload)))]
    if what == 1:
        at = draw(st.integers(0, len(payload)))
        return payload[:at] + draw(st.binary(min_size=1, max_size=2)) + payload[at:]
    return payload


@given(st.lists(messages(), max_size=12))
def test_any_mixture_equals_the_naive_decoder(batch: list[bytes]) -> None:
    """Readings, packets, lists and video events, right and wrong, side by side: every row and every reason."""
    assert plain(decode(*batch)) == naive(batch)


@given(st.lists(st.one_of(messages(), st.binary(max_size=60), st.just(stream(arrow_batch()))), max_size=12), st.data())
def test_batching_does_not_matter(batch: list[bytes], data: st.DataObject) -> None:
    """One message at a time, all at once, or cut anywhere: the same rows, events and letters, never an exception."""
    whole = decode(*batch)
    cuts = sorted({0, len(batch), *data.draw(st.lists(st.integers(0, len(batch)), max_size=3))})
    for bounds in (cuts, range(len(batch) + 1)):
        parts: tuple[list[Any], ...] = ([], [], [])
        for a, b in pairwise(bounds):
            rows, video, dead = plain(decode(*batch[a:b]))
            parts[0].extend((m + a, *rest) for m, *rest in rows)
            parts[1].extend((m + a, *rest) for m, *rest in video)
            parts[2].extend((m + a, *rest) for m, *rest in dead)
        assert parts == plain(whole)
    heard = {*whole.message.tolist(), *(m for m, _ in whole.video), *(letter.offset - 100 for letter in whole.dead)}
    assert heard == set(range(len(batch)))  # nothing is lost
    assert (np.diff(whole.message) >= 0).all()


@given(st.lists(objects(good=True), min_size=1, max_size=5), st.booleans())
def test_the_scanner_takes_what_is_plain(elements: list[str], together: bool) -> None:
    """Any order of keys and any white space is the fast way's; only video is not."""
    texts = [f"[{','.join(elements)}]"] if together else elements
    _, careful = DECODER._scan(raw([text.encode() for text in texts]))
    assert careful.tolist() == ["camera" in text for text in texts]


@pytest.mark.parametrize("extra", ['"x"', "12", "-1.5e3", "true", "false", "null", '""'])
def test_the_scanner_skips_plain_fields_that_nobody_asked_for(extra: str) -> None:
    """Gateways add fields of their own; that must not cost a message the fast way."""
    text = f'{{"quality":{extra},"sensor":"G1","ts":{MS},"unit": {extra} ,"value":1}}'
    rows, careful = DECODER._scan(raw([text.encode()]))
    assert (rows.value.tolist(), careful.tolist()) == ([1.0], [False])


READING = '{"sensor":"G1","ts":%d,"value":%s}'


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (b"", Reject.EMPTY, "no bytes"),
        (b"  ", Reject.NOT_JSON, "expected JSON"),
        (b"[]", Reject.EMPTY, "got none"),
        (b'{"sensor":"\xff"}', Reject.NOT_UTF8, "byte 0xff at byte 11"),
        (b"{", Reject.NOT_JSON, "character 1"),
        (b"[" * 2000, Reject.NOT_JSON, "depth"),
        (b'{"sensor":"\\ud800"}', Reject.NOT_JSON, "surrogate"),
        (b'{"sensor":"\\ud800","value":NaN}', Reject.NOT_JSON, "expected JSON"),
        (b"1", Reject.WRONG_SHAPE, "got 1"),
        (b'"text"', Reject.WRONG_SHAPE, 'got "text"'),
        (b"{}", Reject.MISSING_FIELD, "'sensor'"),
        (b'{"sensor":7}', Reject.WRONG_TYPE, "sensor: expected text, got 7"),
        (b'{"sensor":"G2","ts":1,"value":2}', Reject.UNKNOWN_SENSOR, "'Testville', got \"G2\""),
        (b'{"sensor":"G1","value":1}', Reject.MISSING_FIELD, "'ts'"),
        (b'{"sensor":"G1","value":1,"ts":true}', Reject.WRONG_TYPE, "got true"),
        (b'{"sensor":"G1","value":1,"ts":1764000000000.0}', Reject.WRONG_TYPE, "epoch milliseconds"),
        (b'{"sensor":"G1","value":1,"ts":"yesterday"}', Reject.BAD_TIME, "RFC 3339"),
        (b'{"sensor":"G1","value":1,"ts":18446744073709551615}', Reject.BAD_TIME, "1990-01-01"),
        ((READING % (TS_MAX // MILLISECOND, 1)).encode(), Reject.BAD_TIME, "before 2200"),
        ((READING % (MS, "true")).encode(), Reject.WRONG_TYPE, "value: expected a number, got true"),
        ((READING % (MS, "null")).encode(), Reject.WRONG_TYPE, "got null"),
        ((READING % (MS, '"1"')).encode(), Reject.WRONG_TYPE, 'got "1"'),
        ((READING % (MS, "1e400")).encode(), Reject.NOT_FINITE, "got inf"),
        ((READING % (MS, "NaN")).encode(), Reject.NOT_FINITE, "got nan"),
        ((READING % (MS, "nan")).encode(), Reject.NOT_JSON, "character"),
        (b'{"sensor":"G1","ts":1,"value":1,"v":[1]}', Reject.WRONG_SHAPE, "got both"),
        (b'{"sensor":"G1","t0":%d,"hz":100}' % MS, Reject.MISSING_FIELD, "'v'"),
        (b'{"sensor":"G1","t0":%d,"v":[1]}' % MS, Reject.MISSING_FIELD, "'hz'"),
        (b'{"sensor":"G1","t0":%d,"hz":0,"v":[1]}' % MS, Reject.BAD_RATE, "got 0"),
        (b'{"sensor":"G1","t0":%d,"hz":1e999,"v":[1]}' % MS, Reject.BAD_RATE, "got inf"),
        (b'{"sensor":"G1","t0":%d,"hz":1e-10,"v":[1,2]}' % MS, Reject.BAD_RATE, "2199-12-31"),
        (b'{"sensor":"G1","t0":%d,"hz":100,"v":[]}' % MS, Reject.EMPTY, "v: expected at least one"),
        (b'{"sensor":"G1","t0":%d,"hz":100,"v":7}' % MS, Reject.WRONG_TYPE, "v: expected a list"),
        (b'{"camera":"C9","ts":%d,"type":"fire","confidence":1}' % MS, Reject.UNKNOWN_CAMERA, '"C9"'),
        (b'{"camera":"C1","ts":%d,"type":"fire","confidence":1.01}' % MS, Reject.BAD_CONFIDENCE, "0 to 1"),
        (b'{"camera":"C1","ts":%d,"type":"fire"}' % MS, Reject.MISSING_FIELD, "'confidence'"),
        (b'{"camera":"C1","ts":%d,"type":"","confidence":1}' % MS, Reject.WRONG_TYPE, "type: expected text"),
        (
            b'{"camera":"C1","ts":%d,"type":"fire","confidence":1,"clip":7}' % MS,
            Reject.WRONG_TYPE,
            "clip: expected text",
        ),
    ],
)
def test_a_refused_message_says_why_and_costs_its_neighbours_nothing(
    message: bytes, reason: Reject, detail: str
) -> None:
    """Reason for the metric, detail for the person, bytes for the redrive."""
    good = (READING % (MS, "0.42")).encode()
    found = decode(good, message, good)
    assert found.message.tolist() == [0, 2]
    (letter,) = found.dead
    assert (letter.reason, letter.row, letter.offset, letter.recorded) == (reason, -1, 101, 1)
    assert detail in letter.detail
    assert letter.payload == message


def test_a_bad_row_of_a_packet_loses_only_itself() -> None:
    """Its time stays its own: the rows after it do not move up."""
    found = decode(b'{"sensor":"G1","t0":%d,"hz":100,"v":[1,null,3,true,1e400,NaN,7]}' % MS)
    assert found.value.tolist() == [1, 3, 7]
    assert found.ts.tolist() == [MS * MILLISECOND + i * 10_000_000 for i in (0, 2, 6)]
    assert [(letter.row, letter.reason) for letter in found.dead] == [
        (1, "wrong-type"), (3, "wrong-type"), (4, "not-finite"), (5, "not-finite"),
    ]  # fmt: skip
    expected = {"sensor": "G1", "ts_ns": MS * MILLISECOND + 10_000_000, "value": None}
    assert orjson.loads(found.dead[0].payload) == expected


def test_rows_are_counted_through_a_list() -> None:
    """Offset and row name one place of the stream, so no two letters share them."""
    packet = f'{{"sensor":"G1","t0":{MS},"hz":100,"v":[1,null]}}'
    found = decode(f"[{packet},7,{READING % (MS, 1)},{packet}]".encode())
    assert [(letter.row, letter.reason) for letter in found.dead] == [
        (1, "wrong-type"),
        (2, "wrong-shape"),
        (5, "wrong-type"),
    ]
    assert found.dead[1].payload == b"7"
    assert len(found) == 3


def test_a_video_event_has_the_same_id_whenever_it_is_read() -> None:
    """Made of camera, time and type: a repeat is seen to be one."""
    event = b'{"camera":"C1","ts":%d,"type":"waterlogging","confidence":0.93,"place":"\xe6\xa1\xa5","clip":null}' % MS
    ((message, found),) = decode(event).video
    assert message == 0
    assert found.id == identify("video", "C1", MS * MILLISECOND, "waterlogging")
    assert (found.camera, found.confidence, found.place, found.clip) == ("C1", 0.93, "桥", "")


def test_actions_stand_beside_readings() -> None:
    """With where they stood, so that the desk can refuse them; in a list the rows of readings count as well."""
    seen = Action(UUID(int=1), Verb.ACKNOWLEDGE, MS * MILLISECOND, "li.na", alert=UUID(int=2))
    works = Action(UUID(int=3), Verb.OUT_OF_SERVICE, MS * MILLISECOND, "li.na", sensor="C1", reason="works")
    reading = b'{"sensor":"G1","ts":1764000000123,"value":1.5}'
    decoded = decode(seen.to_json(), reading, b"[" + reading + b"," + works.to_json() + b"]")
    assert decoded.actions == ((0, seen), (2, works))
    assert [action.origin for _, action in decoded.actions] == [Origin("p", 100, 0, 0), Origin("p", 102, 1, 2)]
    assert len(decoded) == 2
    assert not decoded.dead


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action": "resume", "asset": "elsewhere"}, Reject.UNKNOWN_ASSET),
        ({"action": "enter", "asset": "elsewhere"}, Reject.UNKNOWN_ASSET),
        ({"action": "in-service", "sensor": "elsewhere"}, Reject.UNKNOWN_SENSOR),
        ({"action": "acknowledge"}, Reject.BAD_ACTION),
        ({"action": 7}, Reject.BAD_ACTION),
        ({"action": "comment", "alert": str(UUID(int=1)), "comment": "x", "colour": "red"}, Reject.BAD_ACTION),
    ],
)
def test_an_action_that_cannot_be_used(change: dict[str, Any], reason: Reject) -> None:
    """It becomes a dead letter with its reason."""
    message = {"id": str(UUID(int=1)), "ts": MS, "actor": "li.na"} | change
    decoded = decode(orjson.dumps(message))
    assert [letter.reason for letter in decoded.dead] == [reason]
    assert not decoded.actions


def test_a_camera_with_a_clock_that_is_off() -> None:
    """Its events are put right as they come in, and bear the id of the right time."""
    fast = replace(CITY, cameras={"C1": replace(CITY.cameras["C1"], clock_offset=-1.5)})
    event = b'{"camera":"C1","ts":%d,"type":"waterlogging","confidence":0.93}' % MS
    ((_, found),) = Decoder(fast).decode(RawBatch.of("p", [event], [0], [0])).video
    assert found.ts == MS * MILLISECOND + 1_500_000_000
    assert found.id == identify("video", "C1", found.ts, "waterlogging")


def test_reports_stand_beside_readings() -> None:
    """With where they stood; a broken one takes nothing else of its list along."""
    seen = Report(UUID(int=1), "gas-smell", MS * MILLISECOND, Channel.CITIZEN, 115.5, 33.5, text="a\nb")
    reading = b'{"sensor":"G1","ts":1764000000123,"value":1.5}'
    decoded = decode(reading, b"[" + reading + b',{"report":"x"},' + seen.to_json() + b"]")
    assert decoded.reports == ((1, seen),)
    assert decoded.reports[0][1].origin == Origin("p", 101, 2, 1)
    assert len(decoded) == 2
    assert [letter.reason for letter in decoded.dead] == [Reject.BAD_REPORT]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"asset": "elsewhere"}, Reject.UNKNOWN_ASSET),
        ({"zone": "elsewhere"}, Reject.UNKNOWN_ZONE),
        ({"lon": 1.0}, Reject.BAD_REPORT),
        ({}, Reject.BAD_REPORT),
        ({"zone": "elsewhere", "colour": "red"}, Reject.BAD_REPORT),
    ],
)
def test_a_report_that_cannot_be_used(change: dict[str, Any], reason: Reject) -> None:
    """It becomes a dead letter with its reason."""
    message = {"report": "gas-smell", "id": str(UUID(int=1)), "ts": MS, "channel": "citizen"} | change
    decoded = decode(orjson.dumps(message))
    assert [letter.reason for letter in decoded.dead] == [reason]
    assert not decoded.reports


def test_a_message_ends_where_it_ends() -> None:
    """Messages lie side by side in one buffer: one that is cut must not borrow from the next."""
    whole = (READING % (MS, "1234.5")).encode()
    for cut in range(len(whole) + 1):
        batch = [whole[:cut], whole[cut:], whole]
        assert plain(decode(*batch)) == naive(batch)


def test_too_large_a_message_is_refused_unread() -> None:
    """50 MB of one gateway's mistake; the letter keeps its beginning."""
    good = (READING % (MS, "1")).encode()
    large = b'{"sensor":"G1","t0":%d,"hz":100,"v":[' % MS + b"1," * 25_000_000 + b"1]}"
    found = decode(good, large, good, decoder=Decoder(CITY, keep=1000))
    assert found.message.tolist() == [0, 2]
    assert (found.dead[0].reason, found.dead[0].payload) == ("too-large", large[:1000])


def test_a_large_message_within_the_limit_is_read() -> None:
    """More rows than any scratch space: the decoder makes room and gives it back."""
    n = 1_200_000
    large = b'{"sensor":"G1","t0":%d,"hz":1000,"v":[' % MS + b"1," * (n - 1) + b"2]}"
    decoder = Decoder(CITY)
    found = decode(large, (READING % (MS, "1")).encode(), decoder=decoder)
    assert (len(found), found.value[n - 1], found.message[-1]) == (n + 1, 2.0, 1)
    assert len(decoder._scratch.sensor) < n


def test_very_many_refused_rows_are_counted_in_one_letter() -> None:
    """A list of eight million zeros must not become eight million letters."""
    found = decode(b"[" + b"0," * (MAX_ROWS + 9) + b'0,{"sensor":"G1","ts":%d,"value":1}]' % MS)
    assert (len(found), len(found.dead)) == (1, MAX_ROWS + 1)
    last = found.dead[-1]
    assert (last.reason, last.row, last.detail) == (
        "too-many",
        MAX_ROWS,
        "10 further rows were refused (wrong-shape: 10)",
    )


def test_any_buffer_will_do() -> None:
    """Sources hand over bytes, a bytearray that they read into, or a view of it; gaps between messages are nobody's."""
    message = (READING % (MS, "1.5")).encode()
    for data in (b"xx" + message + b"{", bytearray(b"xx" + message + b"{"), memoryview(b"xx" + message + b"{")):
        one = np.array([2])
        found = DECODER.decode(RawBatch("p", data, one, one + len(message), one, one))
        assert found.value.tolist() == [1.5]
    assert len(decode()) == 0
    with pytest.raises(ValueError, match="outside their buffer of 4 bytes"):
        DECODER.decode(RawBatch("p", b"1234", np.array([0]), np.array([5]), np.array([0]), np.array([0])))


def test_columns_are_mapped_to_the_registry() -> None:
    """A file that holds columns already: the same checks, row by row, counted within each message."""
    nan = float("nan")
    batch = Columns(
        "file", ("G1", "nobody", "G"), np.array([0, 1, 2, 0, 2, 0], np.int32),
        np.array([MS * MILLISECOND] * 4 + [TS_MAX, MS * MILLISECOND]), np.array([1.0, 2.0, 3.0, nan, 5.0, 6.0]),
        np.array([0, 0, 0, 1, 1, 2], np.int32), np.array([7, 8, 9]), np.array([70, 80, 90]),
    )  # fmt: skip
    found = DECODER.decode(batch)
    assert (found.sensor.tolist(), found.value.tolist(), found.message.tolist()) == ([1, 0, 1], [1, 3, 6], [0, 0, 2])
    assert [(x.offset, x.row, x.recorded, x.reason) for x in found.dead] == [
        (7, 1, 70, "unknown-sensor"), (8, 0, 80, "not-finite"), (8, 1, 80, "bad-time"),
    ]  # fmt: skip
    assert orjson.loads(found.dead[1].payload) == {"sensor": "G1", "ts_ns": MS * MILLISECOND, "value": "nan"}


def test_good_columns_pass_as_they_are() -> None:
    """No copy of what is right; columns that may not be written to become ones that may."""
    ts, value = np.array([MS * MILLISECOND] * 2), np.array([1.0, 2.0])
    value.flags.writeable = False
    found = DECODER.decode(
        Columns("f", ("G1",), np.zeros(2, np.int32), ts, value, np.zeros(2, np.int32), np.array([1]), np.array([1]))
    )
    assert found.ts is ts
    assert found.value.flags.writeable
    assert found.dead == ()


def test_columns_whose_names_repeat_or_change() -> None:
    """Names are looked up once while they stay the same; a code outside them is a mistake of the source."""
    decoder, one, zero = Decoder(CITY), np.ones(1, np.int64), np.zeros(1, np.int32)

    def sensor(names: tuple[str, ...], code: int = 0) -> Any:
        ts, codes = np.array([MS * MILLISECOND]), np.array([code], np.int32)
        return decoder.decode(Columns("f", names, codes, ts, np.ones(1), zero, one, one)).sensor.tolist()

    names = ("G1", "G")
    assert [sensor(names), sensor(names, 1), sensor(("G", "G1")), sensor(names)] == [[1], [0], [0], [1]]
    for code in (2, -1):
        with pytest.raises(IndexError, match="outside the names"):
            sensor(names, code)


def test_formats_mix_freely() -> None:
    """One batch of all formats: rows in the order of their messages."""
    reading, arrow = (READING % (MS, "9")).encode(), stream(arrow_batch(value=pa.array([1, 2, 3, 4])))
    packet = b'{"sensor":"G","t0":"2025-11-24T16:00:00Z","hz":2,"v":[5,6]}'
    found = decode(reading, arrow, b"?", packet, reading, arrow)
    assert found.value.tolist() == [9, 1, 2, 3, 4, 5, 6, 9, 1, 2, 3, 4]
    assert found.message.tolist() == [0, 1, 1, 1, 1, 3, 3, 4, 5, 5, 5, 5]
    assert [letter.offset for letter in found.dead] == [102]
