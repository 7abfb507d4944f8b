"""Whether those who are told of alerts can be reached. Nobody is told anything."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from domain.city import City
from domain.errors import SinkError
from domain.receivers import Alertmanager, Cap, Kafka, Mail, Receiver, Webhook
from flows.doctor.broker import topic
from flows.doctor.checks import Check
from sinks.cap import folder_of
from sinks.http import login
from sinks.mail import MailWriter

__all__ = ["receiver", "unheard"]


def receiver(one: Receiver, city: City) -> Iterator[Check]:
    """Check one receiver."""
    what = one.name if one.name in ("alertmanager", "kafka") else f"receiver {one.name}"
    match one:
        case Alertmanager():
            yield _alertmanager(what, one)
        case Kafka():
            yield from topic(one.brokers, one.topic)
        case Mail():
            yield _mail(what, one, city)
        case Webhook() | Cap():
            folder = folder_of(one.url)
            yield _folder(what, folder) if folder is not None else _listens(what, one.url)


def unheard(receivers: Sequence[Receiver], city: City) -> Iterator[Check]:
    """Desks that no receiver serves, and units to which alerts are escalated though no receiver hears of them."""
    advice = "name it in a receiver"
    for desk in city.policy.desks:
        if not any(desk.name in one.desks for one in receivers):
            yield Check.warn(f"desk {desk.name}", "no receiver serves it: what it is told reaches nobody", advice)
    called = dict.fromkeys(unit for level in city.desk.level for unit in level.escalate_to)
    for unit in called:
        desks = {desk.name for desk in city.policy.desks if desk.serves(unit)}
        if not any(_hears_of(one, unit, desks) for one in receivers):
            yield Check.warn(f"unit {unit}", "alerts are escalated to it, and no receiver hears of them", advice)


def _hears_of(one: Receiver, unit: str, desks: Collection[str]) -> bool:
    return (not one.units or unit in one.units) and (not one.desks or not set(one.desks).isdisjoint(desks))


def _alertmanager(what: str, one: Alertmanager) -> Check:
    url = one.url
    try:
        page = f"{url.rstrip('/')}/api/v2/status"
        headers = login(one.variables)
        answer = urllib3.request("GET", page, headers=headers, timeout=5.0, retries=False, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        return Check.fail(what, f"{url} cannot be reached: {error}", "start it, or check the address")
    if answer.status in (401, 403):
        advice = f"set {one.variables}_USER and {one.variables}_PASSWORD"
        return Check.fail(what, f"{url} answered {answer.status} {answer.reason}", advice)
    if answer.status != 200:
        return Check.fail(what, f"{url} answered {answer.status} {answer.reason}", "is that address Alertmanager's?")
    return Check.ok(what, url)


def _mail(what: str, one: Mail, city: City) -> Check:
    try:
        MailWriter(one, city).try_out()
    except SinkError as error:
        return Check.fail(
            what, str(error), f"check server and security; {one.variables}_USER and {one.variables}_PASSWORD log in"
        )
    return Check.ok(what, f"{one.server}, to {', '.join(one.to)}")


def _listens(what: str, url: str) -> Check:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=5.0):
            return Check.ok(what, url)
    except (OSError, ValueError) as error:
        return Check.fail(what, f"{url} cannot be reached: {error}", "start it, or check the address")


def _folder(what: str, folder: Path) -> Check:
    there = next((place for place in (folder, *folder.parents) if place.exists()), Path())
    if there.is_dir() and os.access(there, os.W_OK):
        return Check.ok(what, str(folder))
    return Check.fail(what, f"{folder} cannot be written", f"let this user write to {there}")
