"""What controllers say is read as actions of theirs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.actions import Verb, parse
from domain.clock import MILLISECOND
from domain.commands import Answer, is_answer, parse_answer
from domain.errors import ActionError

TS = 1_764_000_000_123
SAID: dict[str, Any] = {"command": str(UUID(int=3)), "asset": "T1", "state": "selected", "ts": TS}


def test_an_answer_is_an_action() -> None:
    """Its id follows from what it says, so that it counts once however often it comes."""
    assert is_answer(SAID)
    said = parse_answer(SAID)
    assert (said.verb, said.ts, said.actor, said.role) == (Verb.ANSWER, TS * MILLISECOND, "T1", "controller")
    assert (said.command, said.state, said.asset) == (UUID(int=3), Answer.SELECTED, "T1")
    assert parse_answer(SAID) == said
    assert parse_answer(SAID | {"state": "running"}).id != said.id
    assert parse(said.to_json()) == said  # as a journal would keep it
    assert parse_answer(SAID | {"actor": "plc-7", "id": str(UUID(int=5))}).id == UUID(int=5)


def test_a_reading_is_no_answer() -> None:
    """Nor is an action that names a command."""
    assert not is_answer({"sensor": "G1", "ts": TS, "value": 1.0})
    assert not is_answer(SAID | {"action": "answer"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "happy"}, "state: expected one of selected, refused"),
        ({"asset": ""}, "expected .*asset"),
        ({"command": "7"}, "command: expected a UUID"),
        ({"ts": "now"}, "ts: expected whole epoch milliseconds"),
        ({"colour": "red"}, "expected only"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], words: str) -> None:
    """Field by field."""
    with pytest.raises(ActionError, match=words):
        parse_answer(SAID | change)
