"""Actions are read as they were written, and whatever is wrong with one is said."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import SOURCES, Action, Verb, parse
from domain.clock import MILLISECOND, TS_MAX, TS_MIN
from domain.errors import ActionError

TS = 1_764_000_000_123
FULL: dict[str, Any] = {
    "action": "shelve",
    "id": str(UUID(int=7)),
    "ts": TS,
    "actor": "li.na",
    "role": "operator",
    "alert": str(UUID(int=9)),
    "asset": "A",
    "sensor": "S",
    "zone": "Z",
    "kind": "gas-leak",
    "until": TS + 1,
    "reason": "works",
    "comment": "two\nlines",
    "verdict": "true",
    "case": "2025-17",
    "unit": "U",
    "place": "North Gate",
    "level": 2,
    "source": "video",
    "command": str(UUID(int=8)),
    "state": "running",
}

lines = st.text(st.characters(exclude_categories=["C"]), max_size=20)
times = st.integers(TS_MIN // MILLISECOND, TS_MAX // MILLISECOND - 2).map(lambda ms: ms * MILLISECOND)
actions = st.builds(
    Action,
    id=st.uuids(),
    verb=st.sampled_from(Verb),
    ts=times,
    actor=lines.filter(bool),
    role=lines,
    alert=st.uuids(),
    asset=lines.filter(bool),
    sensor=lines.filter(bool),
    zone=lines,
    kind=lines.filter(bool),
    until=st.just(TS_MAX - MILLISECOND),
    reason=lines.filter(bool),
    comment=lines.map(lambda line: f"a\n{line}"),
    verdict=st.sampled_from(["true", "false"]),
    case=lines.filter(bool),
    unit=lines.filter(bool),
    place=lines,
    level=st.integers(0, 255),
    source=st.sampled_from(["", *SOURCES]),
    command=st.none() | st.uuids(),
    state=lines.filter(bool),
)


@given(actions)
def test_read_as_written(action: Action) -> None:
    """All fields come back."""
    assert parse(action.to_json()) == action


def test_all_fields() -> None:
    """Times are ms on the wire and ns inside; what a journal adds is passed over."""
    action = parse(FULL | {"recorded": TS + 5})
    assert action == Action(
        UUID(int=7), Verb.SHELVE, TS * MILLISECOND, "li.na", "operator", UUID(int=9), "A", "S", "Z", "gas-leak",
        (TS + 1) * MILLISECOND, "works", "two\nlines", "true", "2025-17", "U",
        "North Gate", 2, "video", UUID(int=8), "running",
    )  # fmt: skip
    assert orjson.loads(action.to_json()) == FULL


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"action": "shelf"}, "action: expected one of acknowledge, shelve"),
        ({"id": "7"}, "id: expected a UUID, got '7'"),
        ({"id": None}, "shelve: expected id as well"),
        ({"ts": "2025-11-24T16:00:00Z"}, "ts: expected whole epoch milliseconds"),
        ({"ts": True}, "ts: expected whole"),
        ({"ts": 5}, "ts: expected whole"),
        ({"until": None, "reason": ""}, "shelve: expected until and reason as well"),
        ({"until": TS}, "until: expected a time after ts"),
        ({"alert": 9}, "alert: expected a UUID, got 9"),
        ({"actor": 3}, "actor: expected text, got 3"),
        ({"actor": "li\nna"}, "actor: expected text without control characters"),
        ({"comment": "x" * 2001}, "comment: expected at most 2000 characters, got 2001"),
        ({"verdict": "maybe"}, "verdict: expected 'true' or 'false', got 'maybe'"),
        ({"untill": 3}, "got 'untill'"),
        ({"action": "judge", "verdict": ""}, "judge: expected verdict as well"),
        ({"action": "dispatch", "unit": ""}, "dispatch: expected unit as well"),
    ],
)
def test_what_is_wrong(change: dict[str, Any], words: str) -> None:
    """Which field, what was expected, what came."""
    with pytest.raises(ActionError) as caught:
        parse(FULL | change)
    assert words in str(caught.value)


@pytest.mark.parametrize("message", [b"{broken", b"[]", b"3"])
def test_no_action_at_all(message: bytes) -> None:
    """Bytes that hold no object."""
    with pytest.raises(ActionError, match="expected"):
        parse(message)
