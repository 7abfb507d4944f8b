"""Webhooks: what is posted, that it is signed, and what an answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from pathlib import Path

import orjson
import pytest

from domain.answers import Answering
from domain.errors import SinkError, SinkRefused
from domain.identity import identify
from sinks.channel import Bundle, Note
from sinks.http import Poster
from sinks.webhook import WebhookWriter, signing_key, stamped
from tests.sinks.alerts import CITY, T0, event, traced
from tests.sinks.http_server import receiving

KEY = b"0123456789abcdef"


def writer(url: str, key: bytes | None = KEY) -> WebhookWriter:
    return WebhookWriter(Poster(url, "receiver desk", "desk", "LIFELINE_DESK", timeout=5.0), key, "desk", lambda: 1e9)


def test_what_is_posted() -> None:
    """One event a post, as the topic has it; the signature holds over id, time and body, and for nothing else."""
    with receiving() as posts:
        assert writer(posts.url).send([Note(event(0)), Note(event(1))]) == 1
    (body,), (headers,) = posts.bodies, posts.headers
    message = orjson.loads(body)
    assert (message["record"], message["id"]) == ("alert-event", str(event(0).id))
    assert message["alert"]["summary"] == "gas in manhole 7"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == headers["webhook-id"] == str(event(0).id)
    assert headers["webhook-timestamp"] == "1000000000"
    signed = f"{event(0).id}.1000000000.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_answers_and_traces() -> None:
    """With who knows the city, a message answers what people ask first; what a sensor saw is there anyway."""
    with receiving() as posts:
        one = writer(posts.url)
        one._answering = Answering(CITY)
        one.send([Note(traced(event(0)))])
    message = orjson.loads(posts.bodies[0])
    answers = message["answers"]
    assert answers["what"] == "Gas leak, level II"
    assert answers["map"] == "geo:33.800000,115.800000"
    assert answers["since"] == message["alert"]["onset"]
    assert answers["responsible"]["unit"] == "gas"
    assert [len(answers["first"][language]) for language in ("en", "zh")] == [4, 4]
    (trace,) = message["alert"]["traces"]
    assert (trace["sensor"], trace["config"], len(trace["samples"])) == ("G-1", "abc", 2)


def test_a_digest_is_one_post() -> None:
    """All of its steps in one object, under the digest's own id."""
    bundle = Bundle(identify("digest"), T0, "gas", "digest", 2)
    with receiving() as posts:
        notes = [Note(event(0), bundle=bundle), Note(event(0, name="b"), bundle=bundle), Note(event(1))]
        assert writer(posts.url).send(notes) == 2
    (body,), (headers,) = posts.bodies, posts.headers
    message = orjson.loads(body)
    assert headers["webhook-id"] == message["id"] == str(bundle.id)
    assert {name: message[name] for name in ("record", "desk", "why", "count", "ts")} == {
        "record": "notice", "desk": "gas", "why": "digest", "count": 2, "ts": "2025-11-24T16:00:00.000000000Z"
    }  # fmt: skip
    assert [one["id"] for one in message["events"]] == [str(event(0).id), str(event(0, name="b").id)]


def test_the_standards_own_example() -> None:
    """The vector with which Standard Webhooks' libraries are tested."""
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = stamped("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', key, 1614265330)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "short", "whsec_c2hvcnQ=", "whsec_no base64!"])
def test_secrets_that_are_none(secret: str) -> None:
    """A key that could be guessed, or cannot be read, is refused."""
    with pytest.raises(ValueError, match="expected"):
        signing_key(secret)


def test_unsigned() -> None:
    """Without a key there is no signature; the event can still be told from others."""
    with receiving() as posts:
        writer(posts.url, None).send([Note(event(0))])
    assert "webhook-signature" not in posts.headers[0]
    assert posts.headers[0]["webhook-id"] == str(event(0).id)


ANSWERS = dict.fromkeys((400, 413, 422), True) | dict.fromkeys((301, 401, 404, 409, 429, 500, 503), False)


@pytest.mark.parametrize(("code", "refused"), ANSWERS.items())
def test_what_an_answer_means(code: int, refused: bool) -> None:
    """Only who has read a message can refuse it for good; a wrong login or address is somebody's to mend."""
    with receiving(code) as posts:
        posts.answer = {"Retry-After": "7"}
        with pytest.raises(SinkError, match=f"receiver desk at http://.* answered {code} .*words") as caught:
            writer(posts.url).send([Note(event(0))])
        assert isinstance(caught.value, SinkRefused) == refused
        assert refused or caught.value.after == 7.0
        assert len(posts.bodies) == 1


def test_nobody_there() -> None:
    """The error says whom it was for."""
    with pytest.raises(SinkError, match=r"receiver desk at http://127\.0\.0\.1:1 cannot be reached"):
        writer("http://127.0.0.1:1").send([Note(event(0))])


def test_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password come from the environment, under the receiver's name."""
    monkeypatch.setenv("LIFELINE_DESK_USER", "desk")
    monkeypatch.setenv("LIFELINE_DESK_PASSWORD", "secret")
    with receiving() as posts:
        writer(posts.url).send([Note(event(0))])
    assert posts.headers[0]["authorization"] == "Basic ZGVzazpzZWNyZXQ="


def test_tls(identity: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's certificate is told nothing; one that is trusted is."""
    with receiving(tls=identity[1]) as posts:
        with pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
            writer(posts.url).send([Note(event(0))])
        assert posts.bodies == []
        monkeypatch.setenv("SSL_CERT_FILE", str(identity[0]))
        writer(posts.url).send([Note(event(0))])
        assert len(posts.bodies) == 1
