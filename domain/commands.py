"""Orders to controllers in the field, and what these answer.

The way of an order is that of IEC 61850-7-2's control class "SBO with enhanced security": *select* reserves the device,
*operate* moves it, and only what is read back from the process counts as done. A *command* is one such way from its
selection to its end; it has an id, and so has every step of it. An answer of the field is one more message of the
stream, read as an action of its controller:

    {"command": "6f1c...", "asset": "BZ-ST-0004", "state": "selected", "ts": 1764000000123}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.actions import Action, parse
from domain.errors import ActionError
from domain.identity import identify

__all__ = ["ORDERS", "UNCONFIRMED", "Answer", "CommandEvent", "Gauge", "Interlock", "Step", "is_answer", "parse_answer"]


#: Kind, and monitor, of the findings that say that an order was not seen to work.
UNCONFIRMED: Final = "ventilation-unconfirmed"


class Answer(StrEnum):
    """What a controller says of itself; in brackets what IEC 61850 has for it."""

    SELECTED = "selected"  # it is reserved for the command (a positive response to SelectWithValue)
    REFUSED = "refused"  # it does not do what it was told, and gives a reason (a negative response with AddCause)
    RUNNING = "running"  # it runs (CommandTermination+)
    STOPPED = "stopped"  # it stands
    FAILED = "failed"  # it broke off (CommandTermination-)
    LOCKOUT = "lockout"  # a switch on the spot keeps everybody else from it (Loc, "blocked by switching hierarchy")
    RELEASED = "released"  # ... not any more


class Step(StrEnum):
    """A step of a command."""

    BLOCKED = "blocked"  # it was asked for, and an interlock holds
    SELECT = "select"  # order: reserve the device
    CANCEL = "cancel"  # order: give it free
    OPERATE = "operate"  # order: run
    STOP = "stop"  # order: stand
    RUNNING = "running"  # the field says that it runs
    CONFIRMED = "confirmed"  # a sensor shows that it does
    UNCONFIRMED = "unconfirmed"  # no sensor has shown it in time
    ENDED = "ended"  # the command is over, for the reason that is given


#: Steps that are sent to the field.
ORDERS: Final = frozenset({Step.SELECT, Step.CANCEL, Step.OPERATE, Step.STOP})


class Interlock(StrEnum):
    """What keeps a device from being started."""

    LOCKOUT = "lockout"
    PEOPLE_INSIDE = "people-inside"
    MAINTENANCE = "maintenance"
    FAULTY_SENSOR = "faulty-sensor"
    STALE_SENSOR = "stale-sensor"
    RUNS_ALREADY = "runs-already"  # and not by our order
    TOO_SOON = "too-soon"


@dataclass(frozen=True, slots=True)
class CommandEvent:
    """One step of one command: what is sent to the field, and what is kept of it for good."""

    id: UUID  # of command and seq
    command: UUID  # of asset and the time at which it began
    seq: int  # 0, 1, 2, ... within the command
    step: Step
    ts: int  # ns, event time
    asset: str
    by: str  # "lifeline", or who gave the answer or did what led to it
    reason: str
    finding: UUID | None  # that asked for it
    sensor: str  # by which it is read back
    value: float  # that the gas sensor read last
    expires: int = 0  # ns; an order that has not been carried out by then must not be any more; 0: it is no order
    run: int = 0  # ns; of `operate`: the device stands again after so long, whatever it hears


@dataclass(frozen=True, slots=True)
class Gauge:
    """A reading that commands depend on."""

    ts: int
    sensor: str
    value: float

    @property
    def known(self) -> int:
        """As in Finding."""
        return self.ts

    @property
    def order(self) -> tuple[int, int, str]:
        """The order in which readings count."""
        return (self.ts, self.ts, self.sensor)


def is_answer(message: Mapping[str, Any]) -> bool:
    """Whether a message is a controller's answer."""
    return "command" in message and "state" in message and "action" not in message


def parse_answer(message: Mapping[str, Any]) -> Action:
    """Read a controller's answer: `command`, `asset`, `state` and `ts`, with `reason`, `actor` and `id` where it likes.

    `command` may be null for what it does by itself. Raises ActionError.

    >>> said = parse_answer({"command": None, "asset": "T1", "state": "lockout", "ts": 1764000000123})
    >>> said.verb.value, said.state, said.actor
    ('answer', 'lockout', 'T1')
    """
    asset, state = message.get("asset") or "", message.get("state")
    if state not in list(Answer):
        raise ActionError(f"state: expected one of {', '.join(Answer)}, got {str(state)[:80]!r}")
    id = message.get("id") or identify("answer", asset, message["command"], state, message.get("ts"))
    return parse({"role": "controller", "actor": asset, **message, "action": "answer", "id": id})
