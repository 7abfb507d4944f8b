"""`lifeline city`: watch a city, day and night."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from domain.city_files import load_settings
from domain.errors import ConfigError, Problem
from domain.health import HEALTH
from flows.cluster import end_with_parent, run_processes
from flows.command_topic import CommandsOption, command_topic
from flows.commands.check import check_city
from flows.deadline import deadline
from flows.engine import Engine
from flows.logs import LogFormat, configure
from flows.options import (
    Addresses,
    Backup,
    CityName,
    DsnOption,
    LogOption,
    Processes,
    ProcessId,
    RecoveryDirectory,
    ServePort,
    SnapshotInterval,
    Workers,
)
from flows.receivers import AlertmanagerOption, KafkaOption, ReceiversOption
from flows.receivers import receivers as receivers_of
from flows.run import Cluster, Recovery, stopping
from flows.status import Status, place
from flows.streams import is_live, open_stream
from sinks.clickhouse.client import DEFAULT_DSN

__all__ = ["city"]

log = logging.getLogger(__name__)


def city(
    city: CityName,
    stream: Annotated[
        str, typer.Argument(help="kafka://BROKERS/TOPICS, simulator:, - (standard input) or a recording.")
    ],
    journal: Annotated[
        Path | None, typer.Option(help="What people do at the desk, as `lifeline console` writes it.", metavar="PATH")
    ] = None,
    dsn: DsnOption = DEFAULT_DSN,
    serve_port: ServePort = 8123,
    receivers: ReceiversOption = None,
    kafka_alerts: KafkaOption = "",
    alertmanager: AlertmanagerOption = "",
    commands: CommandsOption = "",
    metrics: Annotated[
        str, typer.Option(help="Where /metrics, /healthz and /readyz are found; empty: nowhere.", metavar="HOST:PORT")
    ] = "127.0.0.1:9464",
    speed: Annotated[float | None, typer.Option(help="Times real time, of a simulator (1) or a recording.")] = None,
    until_end: Annotated[bool, typer.Option(help="Stop at the present end of the Kafka topics.")] = False,
    workers: Workers = 1,
    process_id: ProcessId = None,
    addresses: Addresses = "",
    processes: Processes = 1,
    recovery: RecoveryDirectory = Path("lifeline-data/recovery"),
    no_recovery: Annotated[bool, typer.Option(help="Keep no state between runs.")] = False,
    snapshot_interval: SnapshotInterval = 5.0,
    backup_interval: Backup = 0.0,
    stop_within: Annotated[
        float, typer.Option(min=0, help="Seconds that a stop may take; then the process ends as a crash would.")
    ] = 30.0,
    log_format: LogOption = LogFormat.CONSOLE,
) -> None:
    """Watch a city: read its stream, detect, correlate, and send alerts and aggregates on.

    SIGTERM and Ctrl-C stop it cleanly: what is in flight is finished and the state written, so the next start goes on
    there.
    """
    configure(log_format, news=True, context={} if process_id is None else {"process": process_id})
    registry = check_city(city)
    if processes > 1:
        raise typer.Exit(run_processes(processes, dsn, serve_port))
    cluster = Cluster(workers, process_id or 0, tuple(filter(None, addresses.split(";"))))
    if cluster.process >= max(1, len(cluster.addresses)):
        raise ConfigError(
            [Problem("", "", "--process-id", f"expected one below the number of addresses, got {process_id}")]
        )
    if stream.startswith("simulator:") and speed is None:
        speed = 1.0
    settings = load_settings(city)
    HEALTH.patience = max(HEALTH.patience, 5 * snapshot_interval)
    with ExitStack() as stack:
        if metrics:
            stack.enter_context(Status(*place(metrics, cluster.process), HEALTH))
        stack.enter_context(deadline(stop_within))
        stop = stack.enter_context(stopping())
        end_with_parent()
        engine = Engine(
            registry,
            settings,
            open_stream(stream, registry, speed=speed, until_end=until_end, stop=stop, journal=journal),
            dsn,
            serve=serve_port,
            live=is_live(stream) and not until_end,
            cluster=cluster,
            recovery=None if no_recovery else _recovery(recovery, snapshot_interval, backup_interval),
            alerts=receivers_of(registry, receivers, kafka_alerts, alertmanager),
            commands=command_topic(registry, commands, live=is_live(stream) and not until_end),
        )
        engine.run(stop)


def _recovery(directory: Path, interval: float, backup: float) -> Recovery:
    return Recovery(directory, timedelta(seconds=interval), timedelta(seconds=backup))
