"""Whatever comes in: every message is accounted for, and no good reading beside a bad one is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from domain import metrics
from domain.clock import MILLISECOND
from flows.engine import Engine
from flows.run import Cluster
from tests.flows.memory import MemorySource
from tests.flows.stored import chdb, tables
from tests.flows.town import CITY, SETTINGS, T0, Messages, event, reading


def _arrow(sensor: str, ms: int, rows: int) -> bytes:
    names = pa.array([sensor] * rows).dictionary_encode()
    ts = pa.array([T0 + ms + i for i in range(rows)], pa.timestamp("ms"))
    batch = pa.record_batch([names, ts, pa.array([2.0] * rows)], names=["sensor", "ts", "value"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _nan() -> bytes:
    return b'{"sensor":"G00","t0":%d,"hz":10,"v":[1.0,NaN,1.5,Infinity,2.0]}' % (T0 + 9_000)


#: What is sent, and what must come of it: readings stored, and reasons of dead letters.
BAD: list[tuple[bytes, int, list[str]]] = [
    (b"", 0, ["empty"]),
    (b"   ", 0, ["not-json"]),
    (b'{"sensor":"G00","ts":', 0, ["not-json"]),
    (b'{"sensor":"G\xff0","ts":1764000000000,"value":1}', 0, ["not-utf8"]),
    (b"null", 0, ["wrong-shape"]),
    (b"[]", 0, ["empty"]),
    (reading("nobody", 1_000, 1.0), 0, ["unknown-sensor"]),
    (json.dumps({"sensor": "G00", "ts": T0}).encode(), 0, ["missing-field"]),
    (json.dumps({"sensor": "G00", "ts": T0, "value": "1"}).encode(), 0, ["wrong-type"]),
    (json.dumps({"sensor": 7, "ts": T0, "value": 1}).encode(), 0, ["wrong-type"]),
    (json.dumps({"sensor": "G00", "ts": "yesterday", "value": 1}).encode(), 0, ["bad-time"]),
    (json.dumps({"sensor": "G00", "ts": -1, "value": 1}).encode(), 0, ["bad-time"]),
    (json.dumps({"sensor": "G00", "ts": 10**19, "value": 1}).encode(), 0, ["bad-time"]),
    (b'{"sensor":"G00","ts":%d,"value":NaN}' % T0, 0, ["not-finite"]),
    (_nan(), 3, ["not-finite", "not-finite"]),
    (json.dumps({"sensor": "G00", "t0": T0, "hz": 0, "v": [1, 2]}).encode(), 0, ["bad-rate"]),
    (json.dumps({"camera": "nobody", "ts": T0, "type": "smoke", "confidence": 1}).encode(), 0, ["unknown-camera"]),
    (event("C0", 1_000, confidence=7.0), 0, ["bad-confidence"]),
    (_arrow("G04", 9_000, 50)[:200], 0, ["bad-arrow"]),
    (_arrow("G04", 9_000, 50), 50, []),
    (b'{"sensor":"G08","ts":%d,"value":1.0,"note":"%s"}' % (T0 + 9_100, b"x" * 20_000_000), 0, ["too-large"]),
    (b"[" + reading("G12", 9_000, 1.0) + b"," + reading("nobody", 9_000, 1.0) + b"]", 1, ["unknown-sensor"]),
    (reading("G16", 3_600_000, 1.0), 0, ["from-the-future"]),
]


def _stream() -> tuple[Messages, int]:
    """Good readings all around the bad messages, in two partitions; and how many good ones there are."""
    good = [(ms, reading(f"G{i:02}", ms, 1.0)) for ms in range(0, 20_000, 250) for i in (20, 24, 28)]
    swapped = [good[i ^ 1] for i in range(len(good))]  # neighbours come in the wrong order
    rows = [(T0 + ms + 500, payload) for ms, payload in swapped]
    for i, (payload, _, _) in enumerate(BAD):
        rows.insert(114 + 3 * i // 2, (T0 + 10_000, payload))
    rows.append((T0 + 20_500, good[-1][1]))  # a repeat
    rows.append((T0 + 20_500, reading("G20", 1_100, 5.0)))  # late
    newest = 0
    stamped = []
    for recorded, payload in rows:
        newest = max(newest, recorded)
        stamped.append((newest * MILLISECOND, payload))
    other = [((T0 + ms) * MILLISECOND, reading("G01", ms, 1.0)) for ms in range(0, 20_000, 250)]
    return {"p0": stamped, "p1": other}, len(good) + len(other)


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (10_000, 2)])
def test_everything_is_accounted_for(tmp_path: Path, batch: int, workers: int) -> None:
    """Stored, a counted repeat, a late row, or a dead letter with its reason; alone in a poll or among others."""
    stream, good = _stream()
    dsn = chdb(tmp_path / "clickhouse")
    before = _duplicates()
    Engine(CITY, SETTINGS, MemorySource(stream, batch), dsn, cluster=Cluster(workers)).run()
    stored = tables(dsn)
    assert len(stored["readings"]) == good + sum(readings for _, readings, _ in BAD)
    assert _duplicates() - before == 1
    assert [row.split("\t")[0] for row in stored["late_rows"]] == ["G20"]
    letters = [row.split("\t") for row in stored["dead_letters"]]
    assert Counter(letter[4] for letter in letters) == Counter(reason for _, _, reasons in BAD for reason in reasons)
    assert all(letter[5] for letter in letters), "each with what was expected and what came"
    assert max(len(letter[6]) for letter in letters) < 2 * SETTINGS.keep_dead


def _duplicates() -> float:
    return sum(s.value for m in metrics.DUPLICATES.collect() for s in m.samples if s.name.endswith("_total"))
