"""One Apache Kafka broker (KRaft) on the loopback, that can be killed, stopped and started again.

It has four listeners: a plain one for everybody, and three that demand something: a password, a password over TLS, and
TLS alone. It ends with the process that started it.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.flows.command import free_port, until
from tests.kafka.artifacts import jars

__all__ = ["PASSWORD", "USER", "Server", "answers", "spawn"]

USER: Final = "lifeline"
PASSWORD: Final = "open sesame"
_STORE: Final = "changeit"

#: Seconds that a broker lives at most.
_LIFE: Final = 1200.0

#: Names and protocols of the listeners.
_LISTENERS: Final = {
    "PLAIN": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "SASL": "SASL_PLAINTEXT",
    "SECURE": "SASL_SSL",
    "TLS": "SSL",
}

#: What small brokers need: one replica of everything, and quick cleaning.
_SETTINGS: Final = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAIN",
    "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in _LISTENERS.items()),
    "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.password": _STORE,
    "num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "log.cleaner.backoff.ms": "200",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "log.message.timestamp.before.max.ms": "9223372036854775807",
    "log.message.timestamp.after.max.ms": "9223372036854775807",
    "log.retention.ms": "-1",
    "controlled.shutdown.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
}


class Server:
    """A broker with its data in `folder`; starts with the `with` block.

    Attributes
    ----------
    address
        Of the listener that demands nothing.
    sasl, secure, tls
        Of the listeners that demand a password (PLAIN or SCRAM-SHA-512), the same over TLS, and TLS.
    certificate
        File with the certificate to trust.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._jars = jars()
        port = free_port(len(_LISTENERS))
        at = {name: f"127.0.0.1:{port + i}" for i, name in enumerate(_LISTENERS)}
        self.address, self.sasl, self.secure, self.tls = at["PLAIN"], at["SASL"], at["SECURE"], at["TLS"]
        self.certificate = folder / "broker.pem"
        self._process: subprocess.Popen[bytes] | None = None
        self._make_certificate()
        self._write_configuration(at)

    def __enter__(self) -> Server:
        self.start()
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        user = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(USER, user, PASSWORD.encode())
        admin.alter_user_scram_credentials([change])[USER].result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, seconds: float = 60.0) -> None:
        """Start the broker, on the data that it has, and wait until it answers."""
        java = ["java", "-Xms96m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        java += ["-cp", f"{self._jars}/*", "kafka.Kafka", "server.properties"]
        process = self._process = spawn(java, self._folder)
        until(lambda: answers(self.address), lambda: process.poll() is None, seconds, lambda: self.said)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def freeze(self) -> None:
        """It holds its connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def said(self) -> str:
        """The end of its log."""
        return (self._folder / "broker.log").read_text(errors="replace")[-3000:]

    def _make_certificate(self) -> None:
        store = ["-keystore", "broker.p12", "-storetype", "PKCS12", "-storepass", _STORE, "-alias", "broker"]
        names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1"]
        for arguments in (
            ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30", *names],
            ["-exportcert", "-rfc", "-file", self.certificate.name],
        ):
            subprocess.run(["keytool", *arguments, *store], cwd=self._folder, check=True, capture_output=True)

    def _write_configuration(self, at: Mapping[str, str]) -> None:
        module = "org.apache.kafka.common.security.{} required"
        plain = f'{module.format("plain.PlainLoginModule")} user_{USER}="{PASSWORD}";'
        scram = f"{module.format('scram.ScramLoginModule')};"
        data = self._folder / "data"
        settings = {
            **_SETTINGS,
            "controller.quorum.voters": f"1@{at['CONTROLLER']}",
            "listeners": ",".join(f"{name}://{place}" for name, place in at.items()),
            "advertised.listeners": ",".join(f"{name}://{at[name]}" for name in at if name != "CONTROLLER"),
            "log.dirs": str(data),
            "ssl.keystore.location": str(self._folder / "broker.p12"),
            **{f"listener.name.{name}.plain.sasl.jaas.config": plain for name in ("sasl", "secure")},
            **{f"listener.name.{name}.scram-sha-512.sasl.jaas.config": scram for name in ("sasl", "secure")},
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._folder / "server.properties").write_text(text)
        # What Kafka's `storage format` would write, which costs another start of Java.
        data.mkdir()
        identity = "version=1\nnode.id=1\ncluster.id=bGlmZWxpbmUtdGVzdHM\ndirectory.id=bGlmZWxpbmUtdGVzdHN0MQ\n"
        (data / "meta.properties").write_text(identity)


def spawn(command: Sequence[str | Path], folder: Path) -> subprocess.Popen[bytes]:
    """Start a broker that logs to `folder`/broker.log; it ends with this process, or after a while."""
    with (folder / "broker.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    end = Timer(_LIFE, process.kill)
    end.daemon = True
    end.start()
    return process


def answers(address: str) -> bool:
    """Whether a broker answers there."""
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=5).brokers)
    except (OSError, KafkaException):
        return False


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
