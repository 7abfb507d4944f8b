"""Brokers that demand something: what the environment says is used, and a refusal is clear."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from domain.errors import SinkError, SourceError
from flows.cli import main
from sinks.kafka import KafkaWriter
from sources.kafka import KafkaSource
from tests.flows.town import write_town
from tests.kafka.feed import make_topic
from tests.kafka.server import PASSWORD, USER, Server
from tests.kafka_broker import Broker, drain, payloads
from tests.sinks.alerts import FINDING

_SASL = {"SASL_USERNAME": USER, "SASL_PASSWORD": PASSWORD}


def demands(server: Server) -> Mapping[str, tuple[str, Mapping[str, str]]]:
    """By name: a listener, and what it asks for."""
    tls = {"SSL_CA_LOCATION": str(server.certificate)}
    plain, scram = {"SASL_MECHANISM": "PLAIN"}, {"SASL_MECHANISM": "SCRAM-SHA-512"}
    return {
        "plain": (server.sasl, {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **plain, **_SASL}),
        "scram": (server.sasl, {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **scram, **_SASL}),
        "scram over tls": (server.secure, {"SECURITY_PROTOCOL": "SASL_SSL", **scram, **_SASL, **tls}),
        "tls": (server.tls, {"SECURITY_PROTOCOL": "SSL", **tls}),
    }


def use(monkeypatch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"LIFELINE_KAFKA_{name}", value)


@pytest.mark.parametrize("name", ["plain", "scram", "scram over tls", "tls"])
def test_admitted(kafka: Broker, server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Source and sink come in with what the environment holds."""
    address, settings = demands(server)[name]
    topic = make_topic(kafka.address, kafka.topic(), 1)
    use(monkeypatch, settings)
    writer = KafkaWriter(address, topic)
    writer.write([FINDING])
    writer.flush()
    source = KafkaSource(address, [topic], until_end=True)
    assert source.partitions() == (f"{topic}/0",)
    partition = source.open(f"{topic}/0", None)
    (payload,) = payloads(drain(partition))
    partition.close()
    assert b'"finding"' in payload


WRONG = {
    "wrong password": ("plain", {"SASL_PASSWORD": "guess"}, "_AUTHENTICATION.*check LIFELINE_KAFKA_SASL_USERNAME"),
    "wrong password, scram": ("scram", {"SASL_PASSWORD": "guess"}, "_AUTHENTICATION.*check LIFELINE_KAFKA_SASL_USER"),
    "unknown certificate": ("tls", {"SSL_CA_LOCATION": "probe"}, "_SSL.*LIFELINE_KAFKA_SSL_CA_LOCATION"),
    "no tls": ("scram over tls", {"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "security protocol"),
}


@pytest.mark.parametrize("name", WRONG)
def test_refused(kafka: Broker, server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The error says what to check, within the time to answer; no password is in it."""
    monkeypatch.setattr("sources.kafka._ANSWER", 1.5)
    listener, change, said = WRONG[name]
    address, settings = demands(server)[listener]
    use(monkeypatch, {**settings, **change})
    with pytest.raises(SourceError, match=said) as error:
        KafkaSource(address, ["readings"]).partitions()
    assert "guess" not in str(error.value)
    writer = KafkaWriter(address, "alerts", timeout=1.0)
    writer.write([FINDING])
    with pytest.raises(SinkError) as undelivered:
        writer.flush()
    assert "guess" not in str(undelivered.value)


def test_command_refused(
    kafka: Broker,
    server: Server,
    directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The engine ends with one line that says what to do, and exit code 1."""
    address, settings = demands(server)["scram"]
    use(monkeypatch, {**settings, "SASL_PASSWORD": "guess"})
    monkeypatch.chdir(tmp_path)
    arguments = ["city", str(write_town(tmp_path / "town")), f"kafka://{address}/readings", "--metrics", ""]
    database = ["--dsn", f"chdb://{directory}?database=refused", "--serve-port", "0"]
    monkeypatch.setattr("sys.argv", ["lifeline", *arguments, *database])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "check LIFELINE_KAFKA_SASL_USERNAME" in said
    assert "guess" not in said
