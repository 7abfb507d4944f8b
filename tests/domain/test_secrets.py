"""Nothing secret leaves the environment."""

from __future__ import annotations

import pytest

from domain.errors import ConfigError
from domain.kafka import bootstrap
from domain.secrets import redact, refuse_password

ENVIRONMENT = {
    "LIFELINE_CLICKHOUSE_PASSWORD": "a/b c:d@e",
    "LIFELINE_KAFKA_SASL_PASSWORD": "a/b",
    "LIFELINE_KAFKA_SASL_OAUTHBEARER_CONFIG": "principal=ann scope=all",
    "LIFELINE_KAFKA_SSL_KEY_PASSWORD": "key-pass",
    "GRAFANA_TOKEN": "glsa_1234",
    "LIFELINE_KAFKA_SASL_USERNAME": "annabel",
}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("a/b c:d@e", "***"),
        ("with a%2Fb%20c%3Ad%40e in a URL", "with *** in a URL"),
        ("key-pass and glsa_1234", "*** and ***"),
        ("bearer principal=ann scope=all.", "bearer ***."),
        ("annabel may be seen", "annabel may be seen"),
        ("a/b is too short to be hidden", "a/b is too short to be hidden"),
        ("http://ann:p@ss:word@db:8123/x?y", "http://ann:***@db:8123/x?y"),
        ("kafka+ssl://:only@b", "kafka+ssl://:***@b"),
        ("http://db:8123/x@y", "http://db:***@y"),  # better one too many
        ("{'Authorization': 'Basic YW5uOnNlY3JldA=='}", "{'Authorization': 'Basic ***'}"),
        ("authorization: bearer abc.def-ghi", "authorization: bearer ***"),
        ("nothing at all", "nothing at all"),
    ],
)
def test_hidden(text: str, hidden: str) -> None:
    """Values of secret variables as they are and as URLs spell them, and passwords in URLs."""
    assert redact(text, ENVIRONMENT) == hidden


@pytest.mark.parametrize("url", ["http://ann:secret@alerts:9093", "https://ann@alerts", "kafka://a:b@broker:9092/t"])
def test_refused_on_the_command_line(url: str) -> None:
    """Every process of the machine reads command lines. The refusal does not repeat what it refuses."""
    with pytest.raises(ConfigError, match="environment") as error:
        refuse_password(url, "--url", "LIFELINE_X_PASSWORD")
    assert "secret" not in str(error.value)


def test_brokers() -> None:
    """In every address of a list."""
    assert bootstrap("one:9092,two:9092") == "one:9092,two:9092"
    with pytest.raises(ConfigError, match="LIFELINE_KAFKA_SASL_PASSWORD"):
        bootstrap("one:9092,ann:secret@two:9092")
