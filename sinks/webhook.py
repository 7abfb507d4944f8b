"""Alert events as JSON by POST, signed: who receives them can tell whose they are, and that he has had one before.

Headers and signature are those of Standard Webhooks (standardwebhooks.com, 1.0.0), for which there are libraries in
many languages: `webhook-id` is the event's id, the same however often it comes; `webhook-timestamp` is the time of
sending; `webhook-signature` is "v1," and the HMAC-SHA256 of "id.timestamp.body" in base64. `Idempotency-Key` says the
id once more, for servers and proxies that look there.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

from domain import metrics
from domain.answers import Answering
from sinks.channel import Channel, Note, together
from sinks.http import Poster
from sinks.messages import encode, encode_bundle

__all__ = ["WebhookWriter", "signing_key", "stamped"]

#: A key of so many bytes at least: a shorter one could be guessed.
SHORTEST: Final = 16

_PREFIX: Final = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: what follows "whsec_" in base64, or its own bytes. Raises ValueError.

    >>> signing_key("whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    b'0123456789abcdef'
    """
    try:
        key = base64.b64decode(secret[len(_PREFIX) :], validate=True) if secret.startswith(_PREFIX) else secret.encode()
    except binascii.Error as error:
        raise ValueError(f"expected base64 after {_PREFIX}") from error
    if len(key) < SHORTEST:
        raise ValueError(f"expected a secret of at least {SHORTEST} bytes")
    return key


def stamped(id: str, body: bytes, key: bytes | None, now: float) -> dict[str, str]:
    """Headers that say which message it is, and with a key, that it is ours.

    >>> stamped("msg_1", b"{}", b"0123456789abcdef", 1614265330)["webhook-signature"]
    'v1,T6G+9d54XLd3V+eJ73IFDfWtElJVqn81+/MflSqjVb4='
    """
    headers = {"webhook-id": id, "webhook-timestamp": str(int(now)), "Idempotency-Key": id}
    if key is not None:
        signed = hmac.digest(key, f"{id}.{int(now)}.".encode() + body, "sha256")
        headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return headers


class WebhookWriter(Channel):
    """Posts alert events, each by itself, or a digest or summary as one, as `sinks.messages` writes them.

    Parameters
    ----------
    poster
        Where to.
    key
        Signs what is sent; None: nothing is signed.
    label
        Of this receiver, in metrics.
    now
        The time of day, s; replaced in tests.
    answering
        Knows the city; None: messages have no answers.
    """

    def __init__(
        self,
        poster: Poster,
        key: bytes | None,
        label: str,
        now: Callable[[], float] = time.time,
        answering: Answering | None = None,
    ) -> None:
        self._poster, self._key, self._label, self._now, self._answering = poster, key, label, now, answering

    def send(self, notes: Sequence[Note]) -> int:
        """The first, or the first bundle."""
        notes, bundle = together(notes, 1), notes[0].bundle
        events = [note.event for note in notes]
        body = encode(events[0], self._answering) if bundle is None else encode_bundle(bundle, events, self._answering)
        headers = stamped(str(bundle.id if bundle else events[0].id), body, self._key, self._now())
        self._poster.post(body, {"Content-Type": "application/json", **headers})
        metrics.SINK_ROWS.labels(self._label, "alerts").inc(len(events))
        return len(events)

    def close(self) -> None:
        """Close the connections."""
        self._poster.close()
