"""How Kafka is reached: what the source and the sink share. Secrets come from the environment only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from domain.secrets import refuse_password

__all__ = ["access", "advice", "bootstrap", "security"]

_PREFIX: Final = "LIFELINE_KAFKA_"
_KINDS: Final = ("SECURITY_", "SASL_", "SSL_")

#: What to do about librdkafka's errors, by their names.
_ADVICE: Final = {
    "UNKNOWN_TOPIC_OR_PART": "create the topic, or check its name",
    "_UNKNOWN_TOPIC": "create the topic, or check its name",
    "_UNKNOWN_PARTITION": "the topic has fewer partitions now than it had: start without the old recovery directory",
    "TOPIC_AUTHORIZATION_FAILED": f"give this user access to the topic, or set {_PREFIX}SASL_USERNAME and _PASSWORD",
    "SASL_AUTHENTICATION_FAILED": f"check {_PREFIX}SASL_USERNAME, _PASSWORD and _MECHANISM",
    "_AUTHENTICATION": f"check {_PREFIX}SASL_USERNAME, _PASSWORD and _MECHANISM",
    "_SSL": f"check {_PREFIX}SECURITY_PROTOCOL and {_PREFIX}SSL_CA_LOCATION",
    "_RESOLVE": "check the host name of the broker",
    "_TRANSPORT": "check that the broker runs and that address, port and security protocol are right",
    "_ALL_BROKERS_DOWN": "check that the broker runs and that address, port and security protocol are right",
    "_TIMED_OUT": "check that the broker runs and that address, port and security protocol are right",
    "MSG_SIZE_TOO_LARGE": "raise the topic's max.message.bytes",
}


def bootstrap(brokers: str) -> str:
    """The addresses of brokers, as librdkafka takes them; raises ConfigError where they name a user or a password."""
    for broker in brokers.split(","):
        refuse_password(f"kafka://{broker}", "brokers", f"{_PREFIX}SASL_USERNAME, {_PREFIX}SASL_PASSWORD")
    return brokers


def security(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The librdkafka settings for TLS and SASL that the environment names.

    >>> security({"LIFELINE_KAFKA_SASL_PASSWORD": "secret", "LIFELINE_KAFKA_FETCH": "no"})
    {'sasl.password': 'secret'}
    """
    return {
        name.removeprefix(_PREFIX).lower().replace("_", "."): value
        for name, value in sorted(environ.items())
        if name.startswith(tuple(_PREFIX + kind for kind in _KINDS))
    }


def access(brokers: str) -> dict[str, Any]:
    """The librdkafka settings of every client: where the brokers are, and how to sign in; raises as `bootstrap`."""
    return {"bootstrap.servers": bootstrap(brokers), **security()}


def advice(error: str) -> str:
    """What to do about an error that librdkafka calls `error`.

    >>> advice("UNKNOWN_TOPIC_OR_PART")
    'create the topic, or check its name'
    """
    return _ADVICE.get(error, "see the broker's log")
