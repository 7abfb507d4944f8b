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
from math import inf
from threading import Event
from typing import Any, Final

from bytewax.outputs import Sink
from clickhouse_connect.driver.client import Client

from domain.city import City
from domain.clock import SECOND
from domain.errors import ConfigError, Problem, SinkError, SinkRefused
from domain.health import HEALTH
from domain.settings import EngineSettings
from domain.streams import Source
from flows.graph import Outlets, city_flow
from flows.membership import Membership
from flows.run import Cluster, Recovery, run
from operators.decode import Decoder
from operators.high_water import HighWater
from operators.inlet import Intake
from operators.layout import Layout
from operators.pace import Pace
from operators.pulse import Pulse
from sinks.clickhouse.client import Dsn, connect
from sinks.clickhouse.schema import check_schema, ensure_schema, load_registry
from sinks.clickhouse.serve import Serving
from sinks.clickhouse.sink import ClickHouseSink
from sinks.clickhouse.spool import Spool
from sinks.commands import CommandTopic
from sinks.receivers import Receiver

__all__ = ["Engine"]

log = logging.getLogger(__name__)

#: Seconds that the database has to answer an insert.
ANSWER: Final = 60


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
        What sets this run's blocks apart from those of other runs in the same database: by default the city, its
        shards and the stream.
    look
        Seconds between two looks for new partitions, live.
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
    alerts: Mapping[str, Sink[Any] | Receiver] = field(default_factory=dict)
    commands: Mapping[str, CommandTopic] = field(default_factory=dict)
    store: Mapping[str, Sink[Any]] = field(default_factory=dict)
    scope: str | None = None
    look: float = 5.0

    def run(self, stop: Event | None = None) -> None:
        """Run to the end of the stream, or until `stop` is set."""
        stop = stop or Event()
        HEALTH.live = self.live
        HEALTH.behind = inf if self.settings.lag is None else self.settings.lag / SECOND
        with self._database(stop) as database, self._receivers(stop):
            store: dict[str, Sink[Any] | ClickHouseSink] = dict(self.store)
            if database is not None:
                store["clickhouse"] = database
            layout = Layout(self.city, self.settings.shards)
            if self.recovery is not None:
                self.recovery.fit(**self._kept)
            membership = Membership(self.source, self.recovery, self.cluster, self.look if self.live else None)
            members = membership.begin()
            high = self._high_water()
            pulse = self._pulse() if self.live else None
            while members and not stop.is_set():
                pause = Event()
                intake = Intake(
                    self.source,
                    partial(Decoder, self.city, keep=self.settings.keep_dead),
                    layout,
                    self.settings,
                    members=members,
                    live=self.live,
                    stop=stop,
                    pause=pause,
                    alone=not self.cluster.addresses,
                    pulse=pulse,
                    pace=self._pace(),
                    high=high,
                )
                outlets = Outlets(store, self.alerts, self.commands)
                flow = city_flow(intake, layout, self.settings, outlets, kept=self.recovery is not None)
                # The registry and the libraries stay: a garbage collection that walks them would hold up the fast lane.
                gc.collect()
                gc.freeze()
                with membership.watching(members, pause):
                    run(flow, self.cluster, self.recovery, self.epoch)
                intake.raise_failure()
                if stop.is_set() or not pause.is_set():
                    if self.cluster.first:
                        high.forget()
                    return
                members = membership.join(members, intake.watermark, high.before)

    def _pace(self) -> Pace | None:
        """Processes of a cluster that share a recovery directory catch up together."""
        if self.recovery is None or not self.cluster.addresses:
            return None
        return Pace(self.recovery.directory / "pace", self.cluster.process, len(self.cluster.addresses))

    def _high_water(self) -> HighWater:
        """How far panes may have been closed, by this run and by one that was killed."""
        folder = self.recovery.directory / "closed" if self.recovery is not None else None
        return HighWater(folder, self.cluster.process)

    def _pulse(self) -> Pulse:
        city, settings = self.city, self.settings
        epoch = self.recovery.interval if self.recovery else self.epoch
        every = max(settings.heartbeat, round(epoch.total_seconds() * SECOND))
        return Pulse(city.name, city.levels, self.cluster.process, every, settings.lag)

    @property
    def _kept(self) -> dict[str, object]:
        """What state is numbered and cut by: it stays as it is for as long as the state does."""
        block, pane = self.settings.block, self.settings.time.pane
        return {
            "city": self.city.name,
            "shards": self.settings.shards,
            "block": f"{block / SECOND:g} s",
            "pane": f"{pane / SECOND:g} s",
        }

    @property
    def _scope(self) -> str:
        if self.scope is not None:
            return self.scope
        streams = sha256(self.source.identity.encode()).hexdigest()[:8]
        return f"{self.city.name}/{self.settings.shards}/{streams}"

    @contextmanager
    def _database(self, stop: Event) -> Iterator[ClickHouseSink | None]:
        """The database, made ready; others may read it meanwhile.

        One that is away is waited for where results can wait on disk, and it was there before.
        """
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
        spool = self._spool()
        with ExitStack() as stack:
            opened: Client | None = None
            try:
                opened = self._connect()
                stack.callback(opened.close)
                if spool is not None:
                    spool.folder.mkdir(parents=True, exist_ok=True)
            except SinkRefused:
                raise
            except SinkError as error:
                if embedded or spool is None or not spool.folder.exists():
                    raise
                log.warning("%s. Results wait in %s until it is back", error, spool.folder)
            if embedded and self.serve is not None:
                server = stack.enter_context(Serving(self.dsn, port=self.serve))
                log.info("ClickHouse HTTP interface: %s", server.address)
            names = [sensor.id for sensor in self.city.sensors]
            opening = partial(self._prepared, opened)
            yield stack.enter_context(ClickHouseSink(opening, names, self._scope, spool, stop))

    @contextmanager
    def _receivers(self, stop: Event) -> Iterator[None]:
        """Whoever is told of alerts, each with an outbox of its own, and the field that takes orders."""
        folder = None
        if self.recovery is not None:
            self.recovery.prepare()
            folder = self.recovery.directory / "receivers"
        with ExitStack() as stack:
            for receiver in self.alerts.values():
                if isinstance(receiver, Receiver):
                    processes = max(1, len(self.cluster.addresses))
                    stack.enter_context(receiver.opened(folder, stop, self.cluster.process, processes))
            for topic in self.commands.values():
                stack.enter_context(topic.opened())
            yield

    def _connect(self) -> Client:
        """Open the database; the first process prepares it."""
        assert self.dsn is not None
        client = connect(self.dsn, timeout=ANSWER, patient=True)
        try:
            if self.cluster.first:
                ensure_schema(client)
                load_registry(client, self.city)
        except BaseException:
            client.close()
            raise
        return client

    def _prepared(self, opened: Client | None) -> Client:
        """The database, opened by now or not; raises SinkError while the first process still has to prepare it."""
        client = opened or self._connect()
        try:
            if not self.cluster.first:
                check_schema(client)
        except SinkError:
            if client is not opened:
                client.close()
            raise
        return client

    def _spool(self) -> Spool | None:
        if self.recovery is None:
            return None
        self.recovery.prepare()
        root, processes = self.recovery.directory / "outbox", max(1, len(self.cluster.addresses))
        return Spool.of_process(root, self.settings.spool, self.cluster.process, processes)
