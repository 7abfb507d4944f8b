"""librdkafka's mock cluster, with errors on demand: its C interface, which the Python client does not offer."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import confluent_kafka

from tests.kafka_broker import Broker

__all__ = ["FETCH", "LIST_OFFSETS", "PRODUCE", "MockCluster", "mock_cluster"]

#: Numbers of requests in Kafka's protocol.
PRODUCE: Final = 0
FETCH: Final = 1
LIST_OFFSETS: Final = 2


class MockCluster(Broker):
    """Two brokers in this process that hold the same messages."""

    def __init__(self, library: Any, cluster: Any) -> None:
        self._library, self._cluster = library, cluster
        library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        super().__init__(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())

    def make(self, topic: str) -> str:
        """Make a topic of one partition."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), 1, 2) == 0
        return topic

    def lead(self, topic: str, broker: int) -> None:
        """Let a broker (1 or 2) be the topic's leader."""
        assert self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), 0, broker) == 0

    def delay(self, broker: int, ms: int) -> None:
        """Let every answer of a broker take so long; what is sent to it meanwhile it takes, and stamps, at once."""
        assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, broker, ms) == 0

    def fail(self, request: int, *codes: int) -> None:
        """Answer the next requests of a kind by these errors, one each, and what comes then as ever."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(request))
        errors = (ctypes.c_int * len(codes))(*codes)
        push = self._library.rd_kafka_mock_push_request_errors_array
        push(self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), errors)


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """A cluster for the `with` block."""
    package = Path(confluent_kafka.__file__).parent
    (path,) = package.with_name("confluent_kafka.libs").glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(path))
    library.rd_kafka_new.restype = library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    said = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(library.rd_kafka_new(0, None, said, ctypes.c_size_t(len(said))))
    assert client, said.value
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 2))
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
