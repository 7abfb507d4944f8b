"""One run of the engine: the city, the stream, the dataflow and the database that it owns, from start to clean stop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from hashlib import sha256
from threading import Event
from typing import Any

from bytewax.outputs import Sink

from domain.city import City
from domain.errors import ConfigError, Problem
from domain.settings import EngineSettings
from domain.streams import Source
from flows.graph import Outlets, city_flow
from flows.run import Cluster, Recovery, run
from operators.decode import Decoder
from operators.intake import Intake
from operators.layout import Layout
from sinks.clickhouse.client import Dsn, connect
from sinks.clickhouse.schema import ensure_schema, load_registry
from sinks.clickhouse.serve import Serving
from sinks.clickhouse.sink import ClickHouseSink

__all__ = ["Engine"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """Everything that decides what a run does.

    Parameters
    ----------
    dsn
        The database; None stores nothing.
    serve
        Loopback port on which the owner of an embedded database answers others while it runs; None: it does not, 0:
        any.
    live
        Whether recorded time ticks on while a partition is caught up.
    epoch
        Between snapshots, where nothing is kept for recovery.
    scope
        What sets this run's blocks apart from those of other runs in the same database: by default the city and its
        shards.
    """

    city: City
    settings: EngineSettings
    source: Source
    dsn: str | None
    serve: int | None = None
    live: bool = False
    cluster: Cluster = field(default_factory=Cluster)
    recovery: Recovery | None = None
    epoch: timedelta = timedelta(seconds=1)
    alerts: Mapping[str, Sink[Any]] = field(default_factory=dict)
    store: Mapping[str, Sink[Any]] = field(default_factory=dict)
    scope: str | None = None

    def run(self, stop: Event | None = None) -> None:
        """Run to the end of the stream, or until `stop` is set."""
        with self._database() as dsn:
            store: dict[str, Sink[Any]] = dict(self.store)
            if dsn is not None:
                names = [sensor.id for sensor in self.city.sensors]
                store["clickhouse"] = ClickHouseSink(dsn, names, self._scope)
            layout = Layout(self.city, self.settings.shards)
            intake = Intake(
                self.source,
                partial(Decoder, self.city, keep=self.settings.keep_dead),
                layout,
                self.settings,
                live=self.live,
                stop=stop,
                alone=not self.cluster.addresses,
            )
            outlets = Outlets(store, self.alerts)
            flow = city_flow(intake, layout, self.settings, outlets, kept=self.recovery is not None)
            # The registry and the libraries stay: a garbage collection that walks them would hold up the fast lane.
            gc.collect()
            gc.freeze()
            run(flow, self.cluster, self.recovery, self.epoch)
            intake.raise_failure()

    @property
    def _scope(self) -> str:
        if self.scope is not None:
            return self.scope
        streams = sha256("\n".join(self.source.partitions()).encode()).hexdigest()[:8]
        return f"{self.city.name}/{self.settings.shards}/{streams}"

    @contextmanager
    def _database(self) -> Iterator[str | None]:
        """The database, made ready; others may read it meanwhile."""
        if self.dsn is None:
            yield None
            return
        embedded = Dsn.parse(self.dsn).scheme == "chdb"
        if embedded and self.cluster.addresses:
            raise ConfigError(
                [
                    Problem(
                        "",
                        "",
                        "dsn",
                        "an embedded database belongs to one process: start `lifeline clickhouse serve` and give "
                        "every process of the cluster its clickhouse:// DSN",
                    )
                ]
            )
        with ExitStack() as stack:
            client = connect(self.dsn)
            stack.callback(client.close)
            if self.cluster.first:
                ensure_schema(client)
                load_registry(client, self.city)
            if embedded and self.serve is not None:
                server = stack.enter_context(Serving(self.dsn, port=self.serve))
                log.info("ClickHouse HTTP interface: %s", server.address)
            yield self.dsn
