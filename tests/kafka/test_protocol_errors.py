"""Errors that a broker answers with: what heals is waited for, what does not is told, and no message is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from domain.errors import SinkRefused, SourceError
from sinks.kafka import KafkaWriter
from sources.kafka import KafkaSource
from tests.kafka.mock import FETCH, PRODUCE, MockCluster
from tests.kafka_broker import drain, payloads
from tests.sinks.alerts import FINDING, event


@pytest.fixture
def mock(cluster: MockCluster) -> Iterator[MockCluster]:
    yield cluster
    for request in (FETCH, PRODUCE):
        cluster.fail(request)


def test_leader_moved(mock: MockCluster) -> None:
    """Reading goes on at the new leader."""
    topic = mock.make(mock.topic())
    mock.lead(topic, 1)
    mock.produce(topic, [b"before"] * 30)
    partition = KafkaSource(mock.address, [topic]).open(f"{topic}/0", None)
    found = payloads(drain(partition, 30))
    mock.lead(topic, 2)
    mock.produce(topic, [b"behind"] * 30)
    found += payloads(drain(partition, 30))
    partition.close()
    assert found == [b"before"] * 30 + [b"behind"] * 30


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError._TRANSPORT,
    ],
)
def test_fetch_fails_for_a_while(mock: MockCluster, code: int) -> None:
    """Nothing is lost, nothing comes twice."""
    topic = mock.make(mock.topic())
    sent = [b"%d" % i for i in range(50)]
    mock.produce(topic, sent)
    mock.fail(FETCH, code, code)
    partition = KafkaSource(mock.address, [topic], batch=10).open(f"{topic}/0", None)
    assert payloads(drain(partition, 50)) == sent
    partition.close()


def test_reading_refused(mock: MockCluster) -> None:
    """A permission that is taken away ends the run with what to do."""
    topic = mock.make(mock.topic())
    mock.produce(topic, [b"secret"])
    mock.fail(FETCH, *[KafkaError.TOPIC_AUTHORIZATION_FAILED] * 20)
    partition = KafkaSource(mock.address, [topic]).open(f"{topic}/0", None)
    with pytest.raises(SourceError, match="give this user access"):
        drain(partition, 1)
    partition.close()


@pytest.mark.parametrize("code", [KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_LEADER_FOR_PARTITION])
def test_write_fails_for_a_while(mock: MockCluster, code: int) -> None:
    """Every message is there in the end, once, in order."""
    topic = mock.make(mock.topic())
    writer = KafkaWriter(mock.address, topic)
    mock.fail(PRODUCE, code, code)
    for seq in range(5):
        writer.write([event(seq)])
    writer.flush()
    partition = KafkaSource(mock.address, [topic], until_end=True).open(f"{topic}/0", None)
    found = payloads(drain(partition))
    partition.close()
    assert [f'"seq":{seq}'.encode() in payload for seq, payload in enumerate(found)] == [True] * 5


def test_write_refused(mock: MockCluster) -> None:
    """A message that the broker never takes is told apart from what may work later."""
    writer = KafkaWriter(mock.address, mock.make(mock.topic()))
    mock.fail(PRODUCE, KafkaError.MSG_SIZE_TOO_LARGE)
    writer.write([FINDING])
    with pytest.raises(SinkRefused, match=r"max\.message\.bytes"):
        writer.flush()
