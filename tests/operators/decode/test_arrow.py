"""Arrow streams: every reasonable type, and every way to be broken."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.clock import MILLISECOND, SECOND
from domain.records import Decoded, RawBatch
from operators.decode import Decoder
from operators.decode.arrow import ArrowReader
from tests.operators.decode.naive_decode import CITY

MS = 1_764_000_000_123
NAMES = ["G1", "BZ-B03-S07-strain-x", "燃气-07", "G1"]


def stream(*batches: pa.RecordBatch, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def batch(sensor: Any = None, ts: Any = None, value: Any = None, **extra: Any) -> pa.RecordBatch:
    sensor = pa.array(NAMES) if sensor is None else sensor
    ts = pa.array([MS + i for i in range(4)], pa.timestamp("ms")) if ts is None else ts
    value = pa.array([0.5, 1.0, -2.0, 3.25]) if value is None else value
    return pa.record_batch({"sensor": sensor, "ts": ts, "value": value, **extra})


def decode(payload: bytes, **options: Any) -> Decoded:
    return Decoder(CITY, **options).decode(RawBatch.of("p", [payload], [5], [6]))


def dead(decoded: Decoded) -> list[tuple[int, str]]:
    return [(letter.row, letter.reason) for letter in decoded.dead]


@pytest.mark.parametrize(
    "sensor",
    [
        pa.array(NAMES),
        pa.array(NAMES, pa.large_string()),
        pa.array(NAMES, pa.string_view()),
        pa.array(NAMES).dictionary_encode(),
        pa.array(NAMES, pa.dictionary(pa.uint8(), pa.large_string())),
    ],
    ids=lambda array: str(array.type),
)
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Shanghai"])
@pytest.mark.parametrize(("unit", "factor"), [("s", SECOND), ("ms", MILLISECOND), ("us", 1000), ("ns", 1)])
def test_every_type_of_name_and_time(sensor: pa.Array, zone: str | None, unit: str, factor: int) -> None:
    """A time zone in the type is how a time is shown, not which instant it is."""
    count = [MS * MILLISECOND // factor + i for i in range(4)]
    found = decode(stream(batch(sensor, pa.array(count, pa.timestamp(unit, zone)))))
    assert found.sensor.tolist() == [1, 4, 5, 1]
    assert found.ts.tolist() == [c * factor for c in count]
    assert found.value.tolist() == [0.5, 1.0, -2.0, 3.25]
    assert (found.message.tolist(), found.dead) == ([0] * 4, ())
    assert all(column.flags.writeable for column in (found.sensor, found.ts, found.value))


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.float64(), pa.int8(), pa.int64(), pa.uint16()], ids=str
)
def test_every_type_of_value(kind: pa.DataType) -> None:
    """Narrow types save bytes on the way and mean the same numbers."""
    value = pa.array(np.array([1, 2, 3, 4], kind.to_pandas_dtype()))
    assert decode(stream(batch(value=value))).value.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_streams_of_several_batches_with_more_columns(compression: str) -> None:
    """Rows are in the stream's order; columns that nobody asked for are ignored."""
    found = decode(
        stream(batch(quality=pa.array([1, 2, 3, 4])), batch(quality=pa.nulls(4, pa.int64())), compression=compression)
    )
    assert found.sensor.tolist() == [1, 4, 5, 1] * 2


@pytest.mark.parametrize("dictionary", [False, True])
def test_a_bad_row_loses_only_itself(dictionary: bool) -> None:
    """Nulls, unknown names, times out of range and numbers that are none, each between good rows."""
    sensor = pa.array(["G1", None, "nobody", "G1", "G1", "G1", "G1", "G1", "G"])
    ts = pa.array([MS, MS, MS, None, -1, 2**62, MS, MS, MS], pa.timestamp("ms"))
    value = pa.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, None, float("nan"), 2.0], from_pandas=False)
    good = pa.array(NAMES)
    if dictionary:
        good, sensor = good.dictionary_encode(), sensor.dictionary_encode()
    found = decode(stream(batch(good), batch(sensor, ts, value)))
    assert found.value.tolist() == [0.5, 1.0, -2.0, 3.25, 1.0, 2.0]
    assert dead(found) == [
        (5, "wrong-type"),
        (6, "unknown-sensor"),
        (7, "wrong-type"),
        (8, "bad-time"),
        (9, "bad-time"),
        (10, "wrong-type"),
        (11, "not-finite"),
    ]
    assert orjson.loads(found.dead[1].payload) == {"sensor": "nobody", "ts_ns": MS * MILLISECOND, "value": "1.0"}


def test_all_names_null() -> None:
    """A dictionary without an entry."""
    found = decode(stream(batch(pa.nulls(4, pa.dictionary(pa.int32(), pa.string())))))
    assert dead(found) == [(i, "wrong-type") for i in range(4)]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (stream(batch().drop_columns(["ts"])), "missing-field"),
        (stream(batch().rename_columns(["sensor", "ts", "ts"])), "missing-field"),
        (stream(batch(ts=pa.array([MS] * 4))), "wrong-type"),
        (stream(batch(sensor=pa.array([1, 2, 3, 4]))), "wrong-type"),
        (stream(batch(value=pa.array([True] * 4))), "wrong-type"),
        (stream(batch(value=pa.array(["1"] * 4))), "wrong-type"),
        (stream(batch().slice(0, 0)), "empty"),
        (b"\xff\xff\xff\xff", "bad-arrow"),
        (b"\xff\xff\xff\xff" + bytes(100), "bad-arrow"),  # an end of stream in place of a schema
        (b"\xff\xff\xff\xff" + b"\x7f" * 100, "bad-arrow"),
    ],
)
def test_a_stream_that_cannot_be_used_is_one_dead_letter(payload: bytes, reason: str) -> None:
    """It has the message's own bytes, up to the limit, for whoever looks into it."""
    found = decode(payload, keep=300)
    assert dead(found) == [(-1, reason)]
    assert found.dead[0].payload == payload[:300]
    assert (found.dead[0].partition, found.dead[0].offset, found.dead[0].recorded) == ("p", 5, 6)


def test_a_cut_stream_keeps_what_came_before_the_cut() -> None:
    """Wherever it is cut: whole batches are rows, what follows is one dead letter (none if cut between batches)."""
    payload = stream(*[batch()] * 3)
    for n in range(4, len(payload)):
        found = decode(payload[:n])
        assert len(found) in (0, 4, 8, 12)
        assert found.sensor.tolist() == [1, 4, 5, 1] * (len(found) // 4)
        letters = dead(found)
        assert letters in ([], [(len(found) or -1, "bad-arrow")], [(-1, "empty")])
        assert letters or len(found)


def test_spoilt_streams_never_raise() -> None:
    """Any byte may be wrong: each message is rows or a dead letter."""
    rng = random.Random(11)
    payload = stream(batch(pa.array(NAMES).dictionary_encode()), batch(pa.array(NAMES).dictionary_encode()))
    for _ in range(1000):
        spoilt = bytearray(payload)
        for _ in range(rng.randint(1, 4)):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        found = decode(bytes(spoilt))
        assert len(found) or found.dead


@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("kind", ["dictionary", "plain", "view"])
def test_the_quick_way_equals_the_careful_one(kind: str, extra: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever bytes are wrong: same rows, same letters to the word, whether or not the dictionary was seen before."""
    rng = random.Random(kind)
    names = pa.array(NAMES, pa.string_view()) if kind == "view" else pa.array(NAMES)
    more = {"site": pa.array(["a", "气", None, ""])} if extra else {}
    one = batch(names.dictionary_encode() if kind == "dictionary" else names, **more)
    payload = stream(one, one)
    messages = [payload]
    for _ in range(1500):
        spoilt = bytearray(payload)
        for _ in range(rng.randint(1, 3)):
            spoilt[rng.randrange(len(spoilt))] = rng.choice([0, 1, 2, 8, 0x7F, 0xFF, rng.randrange(256)])
        messages += [bytes(spoilt)]
    raw = RawBatch.of("p", messages, range(len(messages)), [0] * len(messages))
    quick = Decoder(CITY)
    found = [quick.decode(raw), quick.decode(raw)]
    monkeypatch.setattr(ArrowReader, "_good", lambda reader, batch: None)
    expected = Decoder(CITY).decode(raw)
    for way in found:
        assert way.dead == expected.dead
        assert way.message.tolist() == expected.message.tolist()
        assert way.sensor.tolist() == expected.sensor.tolist()
        assert way.ts.tolist() == expected.ts.tolist()
        assert way.value.tobytes() == expected.value.tobytes()


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_codes_of_every_type(kind: str) -> None:
    """A code outside its dictionary is a broken stream and reads nobody's memory, however wide it is."""
    entries = pa.array(["G", "G1"])
    for code in (2, np.iinfo(kind).max, np.iinfo(kind).min):
        codes = pa.array(np.array([1, 0, code, 1], kind))
        found = decode(stream(batch(pa.DictionaryArray.from_arrays(codes, entries, safe=False))))
        if code == 0:
            assert found.sensor.tolist() == [1, 0, 0, 1]
        else:
            assert dead(found) == [(-1, "bad-arrow")]


def test_a_dictionary_is_known_by_all_of_its_bytes() -> None:
    """Ends, sizes and codes are equal and one entry in the middle is not; all are read through one buffer."""
    decoder = Decoder(CITY)
    filler, buffer, one = ["x" * 70], bytearray(), np.array([0])
    for middle in ["G1", "?1", "G1", "?2", "?1", "G1"]:
        entries = pa.array([*filler, middle, *filler])
        payload = stream(batch(pa.DictionaryArray.from_arrays(pa.array([1] * 4, pa.int32()), entries)))
        if not buffer:
            buffer = bytearray(payload)
        buffer[:] = payload  # as a source that reads into one buffer does: same size, same place
        found = decoder.decode(RawBatch("p", buffer, one, one + len(payload), one, one))
        assert found.sensor.tolist() == ([1] * 4 if middle == "G1" else [])
        assert len(found.dead) == (0 if middle == "G1" else 4)


def test_many_dictionaries_are_not_all_kept() -> None:
    """A thousand gateways, each with names of its own, and one of very many names."""
    decoder = Decoder(CITY)
    for i in range(200):
        names = pa.array(["G1", f"other-{i}", "G", "G1"]).dictionary_encode()
        assert dead(decoder.decode(RawBatch.of("p", [stream(batch(names))], [5], [6]))) == [(1, "unknown-sensor")]
    many = pa.array([f"other-{i}" for i in range(100_000)] + ["G1"])
    names = pa.DictionaryArray.from_arrays(pa.array([100_000] * 4), many)
    assert decoder.decode(RawBatch.of("p", [stream(batch(names))], [5], [6])).sensor.tolist() == [1] * 4
    assert len(decoder._arrow._known) <= 64


def test_rows_are_their_own_after_the_next_batch() -> None:
    """The decoder writes the next batch over its own memory, not over what it has handed out."""
    decoder = Decoder(CITY)
    first = decoder.decode(RawBatch.of("p", [stream(batch())] * 3000, range(3000), [0] * 3000))
    second = decoder.decode(RawBatch.of("p", [stream(batch(value=pa.array([9.0] * 4)))], [5], [6]))
    assert first.value.tolist() == [0.5, 1.0, -2.0, 3.25] * 3000
    assert second.value.tolist() == [9.0] * 4


_TEXTS = {
    "plain": '{"sensor":"G1","ts":%d,"value":7.5}',
    "escaped": '{"sensor":"\\u00471","ts":%d,"value":8.5}',
    "packet": '{"sensor":"G1","t0":%d,"hz":1,"v":[1,2]}',
    "no": "no message %d",
}

#: Rows of good streams, and messages of other kinds between them: `-n` is a stream of n rows with a bad one at its end.
_KINDS = st.one_of(st.integers(1, 6), st.integers(-6, -1), st.sampled_from(["broken", *_TEXTS]))
_MIXES = st.lists(st.lists(_KINDS, max_size=4), max_size=4)


def _message(kind: int | str, at: int) -> bytes:
    if kind == "broken":
        codes = pa.DictionaryArray.from_arrays(pa.array([0, 0, 0, 9]), pa.array(["G1"]), safe=False)
        return stream(batch(codes))
    if isinstance(kind, str):
        return (_TEXTS[kind] % (MS + at)).encode()
    n = abs(kind)
    values = np.arange(at, at + n, dtype=float)
    if kind < 0:
        values[-1] = np.nan
    return stream(batch(pa.array(["G1"] * n).dictionary_encode(), pa.array([MS] * n, pa.timestamp("ms")), values))


@example([[-4, "escaped"]])  # as many rows as were read as Arrow, but others
@example([[2, "broken", 2]])  # what was read of it is in the memory, and in no piece
@given(_MIXES)
@settings(max_examples=50)
def test_however_messages_are_batched_their_rows_are_the_same(mix: list[list[int | str]]) -> None:
    """Good streams alone are handed over uncopied; beside others, or after a refused row, they are copied."""
    decoder, found, alone = Decoder(CITY), [], []
    decoder._arrow._columns = np.empty(8, np.int32), np.empty(8, np.int64), np.empty(8)  # soon full
    for number, kinds in enumerate(mix):
        messages = [_message(kind, 100 * number + 10 * i) for i, kind in enumerate(kinds)]
        found.append(decoder.decode(RawBatch.of("p", messages, range(len(messages)), [0] * len(messages))))
        alone.append([decode(message) for message in messages])
    for decoded, each in zip(found, alone, strict=True):
        for name in ("sensor", "ts", "value"):
            expected = [x for one in each for x in getattr(one, name).tolist()]
            assert getattr(decoded, name).tolist() == expected
        assert decoded.message.tolist() == [i for i, one in enumerate(each) for _ in range(len(one))]
        assert dead(decoded) == [x for one in each for x in dead(one)]
