"""E-mail, against a server of our own: what people read, logins, TLS, and what a refusal means."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from domain.city import City, Level, Unit
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEventType
from domain.identity import identify
from domain.receivers import Mail
from sinks.channel import Bundle, Note
from sinks.mail import MOST, MailWriter
from tests.sinks.alerts import T0, event, traced

CITY = City(
    "Testburg", "Asia/Shanghai", (), levels=(Level(1, "I", urgent=True), Level(2, "II")),
    units={"gas": Unit("gas", "Gas company", "0551-1234")},
)  # fmt: skip


@dataclass
class Mailbox:
    """Takes messages, or answers DATA or RCPT as it is told to."""

    port: int = 0
    data: str = "250 taken"
    recipients: dict[str, str] = field(default_factory=dict)
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        answer = self.recipients.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data.startswith("250"):
            message = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[arg-type]
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.envelopes.append(envelope)
        return self.data


@contextmanager
def served(**options: Any) -> Iterator[Mailbox]:
    """A mail server on loopback."""
    mailbox = Mailbox()
    controller = _Server(mailbox, hostname="127.0.0.1", port=0, ready_timeout=10, **options)
    controller.start()
    try:
        mailbox.port = controller.bound
        yield mailbox
    finally:
        controller.stop()


class _Server(Controller):
    """At any free port."""

    @property
    def bound(self) -> int:
        """Where it listens."""
        assert isinstance(self.server, asyncio.Server)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def _trigger_server(self) -> None:
        socket.create_connection((self.hostname, self.bound), timeout=5).close()


def settings(port: int, **more: Any) -> Mail:
    given = {"security": "none", "to": ("desk@city.example",), **more}
    return Mail(name="people", server=f"127.0.0.1:{port}", sender="lifeline@city.example", timeout=5.0, **given)


def test_one_alert() -> None:
    """What, where, since when, how sure, who answers; machines do not answer it; mails of one alert are a thread."""
    with served() as box:
        writer = MailWriter(settings(box.port, to=("desk@city.example", "chief@city.example")), CITY)
        assert writer.send([Note(event(0))]) == 1
        assert writer.send([Note(event(1, AlertEventType.CLEARED))]) == 1
    first, second = box.messages
    assert first["Subject"] == "[Testburg II] raised: gas in manhole 7"
    assert box.envelopes[0].rcpt_tos == ["desk@city.example", "chief@city.example"]
    assert (first["From"], first["Auto-Submitted"]) == ("lifeline@city.example", "auto-generated")
    body = first.get_content()
    for words in ("gas-leak, level II", "manhole 7, M-7, Z-1 (33.80000, 115.80000)", "2025-11-24 23:59:59 CST",
                  "0.88; two sensors agree", "G-1, G-2", "Gas company, 0551-1234"):  # fmt: skip
        assert words in body
    assert "until" not in body
    assert "until: 2025-11-25 00:00:10 CST" in second.get_content()
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]


def test_first_steps_and_evidence() -> None:
    """What to do first, numbered, in the receiver's language; which readings they stand on; not of what is over."""
    with served() as box:
        writer = MailWriter(settings(box.port, language="zh"), CITY)
        writer.send([Note(traced(event(0)))])
        writer.send([Note(event(1, AlertEventType.CLEARED))])
    body = box.messages[0].get_content()
    assert "first 1: 立即电话通知燃气公司" in body
    assert "readings: G-1 2025-11-24 23:50:00 CST to 2025-11-25 00:00:00 CST" in body
    assert "map: geo:33.800000,115.800000" in body
    assert "first 1" not in box.messages[1].get_content()


def test_many_at_once() -> None:
    """What comes together is one message, its subject that of the gravest; a crowd is several."""
    events = [event(0, name=f"leak {n}") for n in range(MOST + 3)]
    events[2] = replace(events[2], alert=replace(events[2].alert, level=1, urgent=True, summary="the worst"))
    with served() as box:
        writer = MailWriter(settings(box.port), CITY)
        notes = [Note(one) for one in events]
        assert writer.send(notes) == MOST
        assert writer.send(notes[MOST:]) == 3
    assert box.messages[0]["Subject"] == f"[Testburg I] {MOST} alerts: the worst"
    assert box.messages[0]["Importance"] == "high"
    assert box.messages[1]["Importance"] is None
    assert box.messages[0].get_content().count("RAISED") == MOST


def test_a_digest_is_one_message() -> None:
    """However many there are: the gravest in full, a line for each of the rest, and its desk in the subject."""
    bundle = Bundle(identify("digest"), T0, "gas", "digest", MOST + 3)
    events = [event(0, name=f"leak {n}") for n in range(MOST + 3)]
    events[-1] = replace(events[-1], alert=replace(events[-1].alert, level=1, summary="the worst"))
    with served() as box:
        notes = [Note(one, bundle=bundle) for one in events]
        assert MailWriter(settings(box.port), CITY).send([*notes, Note(event(1))]) == MOST + 3
    (message,) = box.messages
    assert message["Subject"] == f"[Testburg I] digest for desk gas: {MOST + 3} alerts, the gravest: the worst"
    body = message.get_content()
    assert body.count("RAISED") == MOST + 3
    assert body.count("sure:") == MOST
    assert body.startswith("RAISED: the worst")


def test_the_same_again() -> None:
    """A message that is sent twice bears the same id."""
    writer = MailWriter(settings(1), CITY)
    assert writer.message([event(0)])["Message-ID"] == writer.message([event(0)])["Message-ID"]
    assert writer.message([event(0)])["Message-ID"] != writer.message([event(0), event(1)])["Message-ID"]


def test_what_a_stream_brings_writes_no_header() -> None:
    """Line breaks and control characters in names stay text, and on their line."""
    step = event(0)
    odd = "x\r\nBcc: everybody@example.com\r\n\x1b[2Jq"
    step = replace(step, alert=replace(step.alert, summary=odd, place=odd, support=(odd,)))
    with served() as box:
        MailWriter(settings(box.port), CITY).send([Note(step)])
    assert box.messages[0]["Bcc"] is None
    assert "\x1b" not in box.messages[0].as_string()
    assert not any(line.startswith("Bcc") for line in box.messages[0].get_content().splitlines())


def test_refused_message() -> None:
    """A message that the server will not have is refused for good; one that it puts off is not."""
    with served() as box:
        writer = MailWriter(settings(box.port), CITY)
        box.data = "554 looks like spam"
        with pytest.raises(SinkRefused, match="554 looks like spam"):
            writer.send([Note(event(0))])
        box.data = "451 try again"
        with pytest.raises(SinkError, match="451 try again") as caught:
            writer.send([Note(event(0))])
        assert not isinstance(caught.value, SinkRefused)


def test_refused_recipients(caplog: pytest.LogCaptureFixture) -> None:
    """Who can be told is told, and the others are named; where nobody can be, it waits."""
    with served() as box:
        writer = MailWriter(settings(box.port, to=("gone@city.example", "desk@city.example")), CITY)
        box.recipients["gone@city.example"] = "550 no such user"
        writer.send([Note(event(0))])
        assert box.envelopes[0].rcpt_tos == ["desk@city.example"]
        assert "gone@city.example (550 no such user)" in caplog.text
        box.recipients["desk@city.example"] = "450 greylisted"
        with pytest.raises(SinkError, match="greylisted") as caught:
            writer.send([Note(event(0))])
        assert not isinstance(caught.value, SinkRefused)


def test_nobody_there() -> None:
    """The error names the server."""
    with pytest.raises(SinkError, match=r"mail server 127\.0\.0\.1:1 cannot be reached"):
        MailWriter(settings(1), CITY).send([Note(event(0))])


def test_tls_and_login(identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    """STARTTLS comes before the password, to a certificate that is trusted; a wrong password waits to be mended."""

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=(login.login, login.password) == (b"ann", b"open-sesame"), handled=False)

    monkeypatch.setenv("LIFELINE_PEOPLE_USER", "ann")
    monkeypatch.setenv("LIFELINE_PEOPLE_PASSWORD", "open-sesame")
    options = {"authenticator": authenticate, "auth_required": True, "require_starttls": True}
    with served(tls_context=identity[1], **options) as box:
        with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
            MailWriter(settings(box.port, security="starttls"), CITY).send([Note(event(0))])
        monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
        writer = MailWriter(settings(box.port, security="starttls"), CITY)
        writer.try_out()
        writer.send([Note(event(0))])
        assert len(box.messages) == 1
        monkeypatch.setenv("LIFELINE_PEOPLE_PASSWORD", "guess")
        with pytest.raises(SinkError, match="535") as caught:
            MailWriter(settings(box.port, security="starttls"), CITY).send([Note(event(0))])
        assert not isinstance(caught.value, SinkRefused)
        assert "guess" not in str(caught.value)


def test_tls_from_the_start(identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    """As port 465 has it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
    with served(ssl_context=identity[1]) as box:
        MailWriter(settings(box.port, security="tls"), CITY).send([Note(event(0))])
    assert len(box.messages) == 1
