"""What a form asks for, as an action for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import uuid4

from console.accounts import Role, User
from domain.actions import Action, Verb, parse
from domain.clock import MILLISECOND, MINUTE

__all__ = ["ROLES", "action_of"]

#: Who may do what at least. What takes more than one alert off the desk is the engineer's.
ROLES: Final[Mapping[Verb, Role]] = {
    verb: Role.ENGINEER if verb in (Verb.SUPPRESS, Verb.RESUME, Verb.OUT_OF_SERVICE, Verb.IN_SERVICE) else Role.OPERATOR
    for verb in Verb
}

#: The longest that one shelving may last: nothing is put away for good.
LONGEST: Final = 7 * 24 * 60

_NAMED: Final = ("alert", "asset", "sensor", "zone", "kind", "reason", "comment", "verdict", "case", "unit")


def action_of(form: Mapping[str, str], user: User, at: int) -> Action:
    """The action that a form of a user asks for. Raises ActionError, which says what was expected.

    Parameters
    ----------
    form
        As the fields of an action, but `minutes` instead of `until`.
    at
        When it is done, ns.
    """
    ts = at // MILLISECOND
    message: dict[str, object] = {
        "action": form.get("verb", ""),
        "id": str(uuid4()),
        "ts": ts,
        "actor": user.name,
        "role": user.role.value,
    }
    message |= {name: text for name in _NAMED if (text := form.get(name, "").strip())}
    minutes = form.get("minutes", "")
    if minutes.isdecimal() and 0 < int(minutes) <= LONGEST:
        message["until"] = ts + int(minutes) * MINUTE // MILLISECOND
    return parse(message)
