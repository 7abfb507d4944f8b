"""Who is told of alerts, and of which: the `[[receiver]]` tables of a file that a deployment writes.

Secrets are no part of it. They come from the environment, under the receiver's name: a receiver "desk" logs in with
LIFELINE_DESK_USER and LIFELINE_DESK_PASSWORD, and signs with LIFELINE_DESK_SECRET.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from domain.city import City
from domain.fields import Flag, Id, Text
from domain.findings import AlertEvent
from domain.operations import KIND
from domain.rota import Rota
from domain.settings import FROM_FILE
from domain.toml_files import Array, Document, read_toml
from domain.units import duration
from domain.validation import Place, Problems, did_you_mean, join, validated

__all__ = ["Alertmanager", "Cap", "Kafka", "Mail", "Receiver", "Webhook", "read_receivers"]

#: Bytes of alerts that wait on disk for one receiver.
SPOOL: Final = 64 << 20


def _url(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not (parts.netloc or parts.scheme == "file"):
            raise ValueError(f"expected an address that begins with {' or '.join(schemes)}, got {text!r}")
        if "@" in parts.netloc:
            raise ValueError("user and password belong into the environment, not here")
        return text

    return AfterValidator(check)


def _server(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"expected a host and a port such as 'mail.example:587', got {text!r}")
    return text


def _address(text: str) -> str:
    name, _, host = text.rpartition("@")
    if not name or not host or not text.isascii() or any(c.isspace() or c in ",;<>" for c in text):
        raise ValueError(f"expected an address such as desk@city.example, got {text!r}")
    return text


def _word(text: str) -> str:
    if not text or any(c.isspace() or c in ",<&" for c in text):
        raise ValueError(f"expected a word without spaces, ',', '<' and '&', got {text!r}")
    return text


def _seconds(value: object, info: ValidationInfo) -> Any:
    return duration(value) if info.context == FROM_FILE else value


_Http = Annotated[str, _url("https", "http")]
_Address = Annotated[str, AfterValidator(_address)]
_Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
_Names = tuple[Id, ...]


class _Receiver(BaseModel):
    """What all receivers have. A filter that is empty lets everything through."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    levels: _Names = Field(default=(), description="names of the city's levels")
    kinds: _Names = Field(default=(), description="kinds of alerts")
    units: _Names = Field(default=(), description="ids of responsible units")
    zones: _Names = Field(default=(), description="ids of zones")
    desks: _Names = Field(
        default=(), description="names of desks of policy.toml: it hears what they are told, as they are"
    )
    shifts: _Names = Field(
        default=(), description="names of shifts of policy.toml: what begins while one of them is on"
    )
    urgent: Flag = Field(default=False, description="only what is pushed point to point at once")
    timeout: _Seconds = Field(default=10.0, description="s that one attempt may take; in a file with its unit")
    spool: int = Field(
        default=SPOOL,
        strict=True,
        ge=0,
        description="bytes that wait on disk while it is away; then the oldest are given up",
    )
    heartbeats: Flag = Field(default=False, description="whether it hears the engine's heartbeat and lag")

    def wants(self, event: AlertEvent, city: City, desk: str = "", at: int | None = None) -> bool:
        """Whether the filters let an alert through.

        What was escalated to one of the units that the receiver names is urgent, and grave enough, by that.

        Parameters
        ----------
        event
            The step of it that is to be told.
        city
            Has the levels, and the policy.
        desk
            Which desk is told; empty: the alert's owner is.
        at
            When, ns; None: as it happens.
        """
        alert = event.alert
        levels = {level.rank for level in city.levels if level.name in self.levels}
        called = any(unit in self.units for unit in event.notify)
        desks = (
            (desk,) if desk else tuple(one.name for one in city.policy.desks if one.serves(alert.owner, *event.notify))
        )
        return (
            (called or not self.levels or alert.level in levels)
            and (not self.kinds or alert.kind in self.kinds)
            and (called or not self.units or alert.owner in self.units)
            and (not self.zones or alert.zone in self.zones)
            and (called or alert.urgent or not self.urgent)
            and (not self.desks or any(one in self.desks for one in desks))
            and (not self.shifts or Rota(city).is_on(self.shifts, event.ts if at is None else at))
        )

    @property
    def variables(self) -> str:
        """What the environment variables with this receiver's _USER, _PASSWORD and _SECRET begin with.

        >>> Webhook(name="night-desk", url="https://desk.example").variables
        'LIFELINE_NIGHT_DESK'
        """
        return f"LIFELINE_{self.name.upper().replace('-', '_')}"


class Webhook(_Receiver):
    """JSON by POST, signed."""

    type: Literal["webhook"] = "webhook"
    url: _Http
    signed: Flag = Field(default=True, description="whether its SECRET signs what is sent")


class Mail(_Receiver):
    """E-mail by SMTP."""

    type: Literal["mail"] = "mail"
    server: Annotated[str, AfterValidator(_server)] = Field(description="host:port")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="TLS after a greeting (port 587), from the start (465), or none: loopback only"
    )
    sender: _Address
    to: Annotated[tuple[_Address, ...], Field(min_length=1)]
    language: Literal["en", "zh"] = Field(default="en", description="of what to do first")
    heartbeats: Literal[False] = False

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        host = self.server.rpartition(":")[0].strip("[]")
        if self.security == "none" and host not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"expected security 'starttls' or 'tls' for {host}: without, anybody on the way can read")
        return self


class Cap(_Receiver):
    """CAP 1.2, by POST or as files in a folder."""

    type: Literal["cap"] = "cap"
    url: Annotated[str, _url("https", "http", "file")]
    sender: Annotated[str, AfterValidator(_word)] = Field(description="who sends, unique in the world: a domain name")
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    scope: Literal["Public", "Restricted", "Private"] = "Restricted"
    restriction: Text = Field(default="units that answer for the city's lifelines", description="of scope Restricted")
    addresses: tuple[Annotated[str, AfterValidator(_word)], ...] = Field(default=(), description="of scope Private")
    language: Annotated[str, Field(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*$")] = "en-US"
    signed: Flag = Field(default=False, description="whether its SECRET signs what is posted")
    heartbeats: Literal[False] = False

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if (self.scope == "Private") != bool(self.addresses):
            raise ValueError("expected addresses with scope 'Private', and only with it")
        return self


class Alertmanager(_Receiver):
    """The API v2 of Alertmanager."""

    type: Literal["alertmanager"] = "alertmanager"
    url: _Http
    heartbeats: Flag = True


class Kafka(_Receiver):
    """A Kafka topic; TLS and logins come from LIFELINE_KAFKA_*, as for what is read."""

    type: Literal["kafka"] = "kafka"
    brokers: Annotated[str, Field(min_length=1)]
    topic: Annotated[str, Field(min_length=1)]
    timeout: _Seconds = 30.0
    heartbeats: Flag = True


Receiver: TypeAlias = Webhook | Mail | Cap | Alertmanager | Kafka


_TYPES: Final[dict[str, type[_Receiver]]] = {
    "webhook": Webhook,
    "mail": Mail,
    "cap": Cap,
    "alertmanager": Alertmanager,
    "kafka": Kafka,
}

#: Names whose variables belong to something else.
_TAKEN: Final = frozenset({"clickhouse"})


def read_receivers(path: Path, city: City) -> tuple[Receiver, ...]:
    """The receivers of a file, checked against the city; raises ConfigError with all problems."""
    problems = Problems([path.name])
    document = read_toml(path, problems)
    found: dict[str, Receiver] = {}
    for name in document.data if document else ():
        if name != "receiver":
            problems.add(Place(path.name), name, f"expected [[receiver]] tables only{did_you_mean(name, ['receiver'])}")
    entries = Array(document or Document(path.name, {}, []), "receiver")
    for number, raw in enumerate(entries.entries):
        receiver = _read(entries, number, raw, problems)
        if receiver is None:
            continue
        if receiver.name in found or receiver.name in _TAKEN:
            problems.add(entries.place(number, "name"), "name", f"expected a name of its own, got {receiver.name!r}")
        _check(receiver, city, entries, number, problems)
        found[receiver.name] = receiver
    problems.raise_any()
    return tuple(found.values())


def _read(entries: Array, number: int, raw: Any, problems: Problems) -> Receiver | None:
    named = raw.get("type") if isinstance(raw, dict) else None
    model = _TYPES.get(named) if isinstance(named, str) else None
    if model is None:
        hint = did_you_mean(str(named), _TYPES)
        problems.add(entries.place(number, "type"), "type", f"expected {join(_TYPES)}, got {named!r}{hint}")
        return None

    def parse(raw: Any) -> Any:
        return model.model_validate(raw, context=FROM_FILE)

    entry = validated(parse, entries, number, raw, list(model.model_fields), problems)
    return entry.item if entry is not None else None


def _check(receiver: Receiver, city: City, entries: Array, number: int, problems: Problems) -> None:
    """What a filter names must be there, or it would let nothing through in silence."""
    known = {
        "levels": {level.name for level in city.levels},
        "kinds": {one.kind for one in city.monitors} | {one.kind for one in city.video_rules} | {KIND},
        "units": set(city.units),
        "zones": set(city.zones),
        "desks": {desk.name for desk in city.policy.desks},
        "shifts": {shift.name for desk in city.policy.desks for shift in desk.shift},
    }
    for field, names in known.items():
        for name in getattr(receiver, field):
            if name not in names:
                hint = did_you_mean(name, sorted(names)) or f"; there are {join(sorted(names)) or 'none'}"
                problems.add(entries.place(number, field), field, f"{city.name} has no {name!r}{hint}")
