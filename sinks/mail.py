"""Alert events by e-mail, for people: what came at once is one message, what is of one alert is one thread.

A message's id is made of its events, so a mail system that sees one twice can tell. Nobody wants a mail a minute, so an
alert's updates are left out, and what people do who know of it: what is graver, over, corrected or overdue is not.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from domain import metrics
from domain.answers import Affected, Answering
from domain.city import City
from domain.clock import SECOND
from domain.errors import SinkError, SinkRefused
from domain.findings import AlertEvent, AlertEventType
from domain.identity import identify
from domain.notices import Why
from domain.receivers import Mail
from sinks.channel import Bundle, Channel, Note, together

__all__ = ["MailWriter"]

log = logging.getLogger(__name__)

#: Alerts in one message.
MOST: Final = 50

#: The longest subject, in characters.
SUBJECT: Final = 180


class MailWriter(Channel):
    """Writes to people.

    Parameters
    ----------
    settings
        Server and addresses. User and password, where the server asks for them, come from the environment.
    city
        Names the levels and the units, and has the time zone in which times are given.
    """

    hears: ClassVar[frozenset[AlertEventType] | None] = frozenset(AlertEventType) - {
        AlertEventType.UPDATED,
        AlertEventType.ACKNOWLEDGED,
        AlertEventType.JUDGED,
        AlertEventType.CLOSED,
    }

    def __init__(self, settings: Mail, city: City) -> None:
        self._settings, self._city = settings, city
        self._answering = Answering(city)
        self._zone = ZoneInfo(city.timezone)
        self._levels = {level.rank: level.name for level in city.levels}
        host, _, port = settings.server.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._user = os.environ.get(f"{settings.variables}_USER", "")
        self._password = os.environ.get(f"{settings.variables}_PASSWORD", "")

    def send(self, notes: Sequence[Note]) -> int:
        """As many as people read in one message."""
        notes = together(notes, MOST)
        events = [note.event for note in notes]
        message = self.message(events, notes[0].bundle)
        with self._explained():
            server = self._connected()
            try:
                missed = server.send_message(message)
            finally:
                _leave(server)
        if missed:
            log.warning("%s takes nothing for %s", self._place, _refusals(missed))
        metrics.SINK_ROWS.labels(self._settings.name, "alerts").inc(len(events))
        return len(events)

    def try_out(self) -> None:
        """See that the server lets us in; raises SinkError."""
        with self._explained():
            _leave(self._connected())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of the library as ours."""
        try:
            yield
        except smtplib.SMTPDataError as error:
            if error.smtp_code // 100 == 5:  # it is this message; all else may be another tomorrow
                raise SinkRefused(f"{self._place} refused a message: {_words(error)}") from error
            raise SinkError(f"{self._place}: {_words(error)}") from error
        except smtplib.SMTPResponseException as error:
            raise SinkError(f"{self._place}: {_words(error)}") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise SinkError(f"{self._place} takes nothing for {_refusals(error.recipients)}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise SinkError(f"{self._place} cannot be reached: {error}") from error

    @property
    def _place(self) -> str:
        return f"mail server {self._settings.server}"

    def _connected(self) -> smtplib.SMTP:
        settings, context = self._settings, ssl.create_default_context()
        server: smtplib.SMTP
        if settings.security == "tls":
            server = smtplib.SMTP_SSL(self._host, self._port, timeout=settings.timeout, context=context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=settings.timeout)
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def message(self, events: Sequence[AlertEvent], bundle: Bundle | None = None) -> EmailMessage:
        """What people read: of a long bundle the gravest in full, and a line of each of the others."""
        first = min(events, key=lambda event: event.alert.level)
        host = self._settings.sender.rpartition("@")[2]
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.to)
        message["Date"] = formatdate(localtime=False)
        named = (bundle.id,) if bundle else tuple(event.id for event in events)
        message["Message-ID"] = f"<{identify('mail', *named)}@{host}>"
        message["Auto-Submitted"] = "auto-generated"  # no answers by machines
        if any(event.alert.urgent and event.alert.active for event in events):
            message["Importance"] = "high"
        head = f"[{self._city.name} {self._levels.get(first.alert.level, first.alert.level)}]"
        if bundle is not None:
            subject = f"{head} {_words_of(bundle)}: {len(events)} alerts, the gravest: {first.alert.summary}"
        elif len(events) == 1:
            thread = f"<{first.alert.id}@{host}>"
            message["In-Reply-To"] = message["References"] = thread
            subject = f"{head} {first.type}: {first.alert.summary}"
        else:
            subject = f"{head} {len(events)} alerts: {first.alert.summary}"
        message["Subject"] = _line(subject)[:SUBJECT]
        by_level = sorted(events, key=lambda event: event.alert.level) if bundle else events
        texts = [*map(self._text, by_level[:MOST]), *map(self._brief, by_level[MOST:])]
        message.set_content("\n\n".join(texts) + "\n")
        return message

    @staticmethod
    def _brief(event: AlertEvent) -> str:
        return _line(f"{event.type.upper()}: {event.alert.summary}")

    def _text(self, event: AlertEvent) -> str:
        alert = event.alert
        answers = self._answering.of(alert, event.ts)
        affected, responsible = answers.affected, answers.responsible
        facts = {
            "what": f"{alert.kind}, level {self._levels.get(alert.level, alert.level)}"
            + ", urgent" * alert.urgent
            + ", over" * (not alert.active),
            "where": ", ".join(filter(None, (alert.place, alert.asset, alert.zone)))
            + (f" ({alert.lat:.5f}, {alert.lon:.5f})" if alert.lat or alert.lon else ""),
            "since": self._time(alert.onset),
            "until": self._time(alert.cleared) if alert.cleared else "",
            "sure": f"{alert.corroboration:.2f}" + "".join(f"; {words}" for words in alert.support),
            "against it": "; ".join(alert.against),
            "seen by": ", ".join((*alert.sensors, *alert.cameras)),
            "clips": " ".join(alert.clips),
            "map": answers.map,
            "affected": "; ".join((*affected.exposed, *self._hanging(affected))),
            "answers": "; ".join(
                (
                    ", ".join(filter(None, (responsible.name or responsible.unit, responsible.contact))),
                    *responsible.on_duty,
                )
            ),
            "acknowledged": f"by {alert.acknowledged_by}" if alert.acknowledged else "",
            "shelved": f"by {alert.shelved_by} until {self._time(alert.shelved_until)}" if alert.shelved_until else "",
            "suppressed": "in maintenance or out of service" if alert.suppressed else "",
            "why": event.note,
            "readings": "; ".join(
                f"{one.sensor} {self._time(one.since)} to {self._time(one.until)}" for one in alert.traces
            ),
            "alert": str(alert.id),
        }
        first = answers.first[self._settings.language] if alert.active and not alert.quiet else ()
        lines = [
            f"{event.type.upper()}: {alert.summary}",
            *(f"  {key}: {words}" for key, words in facts.items() if words),
            *(f"  first {number}: {words}" for number, words in enumerate(first, 1)),
        ]
        return "\n".join(map(_line, lines))

    @staticmethod
    def _hanging(affected: Affected) -> tuple[str, ...]:
        if not affected.assets:
            return ()
        more = f" and {affected.assets - len(affected.hanging)} more" * (affected.assets > len(affected.hanging))
        return (f"what hangs on it: {', '.join(affected.hanging)}{more}",)

    def _time(self, ts: int) -> str:
        return f"{datetime.fromtimestamp(ts // SECOND, self._zone):%Y-%m-%d %H:%M:%S %Z}"


def _words_of(bundle: Bundle) -> str:
    return f"{'flood at' if bundle.why == Why.FLOOD else 'digest for'} desk {bundle.desk}"


def _line(text: str) -> str:
    """Text on one line: what a stream brings may hold anything."""
    return "".join(c if c.isprintable() else " " for c in text).rstrip()


def _leave(server: smtplib.SMTP) -> None:
    with suppress(smtplib.SMTPException, OSError):  # a message is taken, or is not, already
        server.quit()


def _words(error: smtplib.SMTPResponseException) -> str:
    said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    return f"{error.smtp_code} {said}"


def _refusals(recipients: dict[str, tuple[int, bytes]]) -> str:
    said = (f"{to} ({code} {words.decode(errors='replace')})" for to, (code, words) in recipients.items())
    return ", ".join(said)
