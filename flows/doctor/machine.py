"""The machine: Python and its packages, kernels, disks, ports, and the state that is kept between runs."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import socket
import stat
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import urllib3

from domain.kernel_cache import use_kernel_cache
from flows.doctor.checks import Check
from flows.run import RECOVERY_PARTITIONS

__all__ = ["disk", "kernels", "loopback", "packages", "port", "python", "recovery"]

#: What has machine code of its own, and so may be there without working here.
_COMPILED: Final = ("bytewax", "chdb", "confluent_kafka", "numba", "numpy", "orjson", "pyarrow", "scipy")

_GB: Final = 10**9
#: Free room, in bytes, under which a disk is worth a word, and under which no engine should start.
_LITTLE: Final = 10 * _GB
_TOO_LITTLE: Final = _GB


def python() -> Iterator[Check]:
    """The interpreter."""
    version = platform.python_version()
    system = f"{platform.system()} {platform.machine()}"
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        yield Check.fail("python", version, "use Python 3.11 or 3.12: Bytewax has wheels for these")
    elif system != "Linux x86_64":
        yield Check.warn("python", f"{version} on {system}", "Lifeline is tested on Linux x86_64 only")
    else:
        yield Check.ok("python", f"{version} on {system}")


def packages() -> Iterator[Check]:
    """What Lifeline needs is installed, new enough, and works on this machine."""
    install = "install what the lock says: pip install --require-hashes -r requirements.lock"
    try:
        required = metadata.requires("lifeline") or []
    except metadata.PackageNotFoundError:
        yield Check.warn("packages", "Lifeline itself is not installed", "pip install the wheel, or --editable .")
        return
    wrong = []
    for requirement in required:
        found = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?", requirement)
        if found is None or "extra ==" in requirement:
            continue
        name, least = found.groups()
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if least and _numbers(have) < _numbers(least):
            wrong.append(f"{name} {have} is older than {least}")
    for name in _COMPILED:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken extension may raise anything
            wrong.append(f"{name} cannot be loaded: {error}")
    if wrong:
        yield Check.fail("packages", "; ".join(wrong), install)
    else:
        seen = ", ".join(f"{name} {metadata.version(name)}" for name in ("bytewax", "numba", "chdb", "confluent-kafka"))
        yield Check.ok("packages", f"lifeline {metadata.version('lifeline')}; {seen}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def kernels() -> Iterator[Check]:
    """The cache of compiled kernels."""
    folder = use_kernel_cache()
    if not _writable(folder):
        advice = "set NUMBA_CACHE_DIR to a folder that this user may write; without one no kernel can be compiled"
        yield Check.fail("kernel cache", f"{folder} cannot be written", advice)
        return
    count = sum(1 for _ in folder.rglob("*.nbi")) if folder.is_dir() else 0
    if count:
        yield Check.ok("kernel cache", f"{count} compiled kernels in {folder}")
    else:
        advice = "the first run compiles for about half a minute before it reads; `lifeline demo` does that, too"
        yield Check.warn("kernel cache", f"nothing is compiled yet in {folder}", advice)


def disk(what: str, path: Path) -> Iterator[Check]:
    """Room where something will be written."""
    name = f"disk of {what}"
    if not _writable(path):
        yield Check.fail(name, f"{path} cannot be written", "let this user write there, or name another folder")
        return
    place = _existing(path)
    usage = shutil.disk_usage(place)
    nodes = os.statvfs(place)
    found = f"{usage.free / _GB:,.1f} of {usage.total / _GB:,.1f} GB free at {path}"
    if usage.free < _TOO_LITTLE:
        yield Check.fail(name, found, "make room before starting")
    elif usage.free < _LITTLE or usage.free < usage.total // 20:
        yield Check.warn(name, found, "make room, or keep rows for a shorter time (docs/clickhouse.md, retention)")
    elif nodes.f_files and nodes.f_favail < nodes.f_files // 100:
        yield Check.warn(name, f"{nodes.f_favail:,} files can still be made at {path}", "remove some: a part is a file")
    else:
        yield Check.ok(name, found)


def recovery(directory: Path) -> Iterator[Check]:
    """The state of the last run."""
    what = "recovery store"
    parts = sorted(directory.glob("part-*.sqlite3")) if directory.is_dir() else []
    if not parts:
        yield Check.ok(what, f"none at {directory} yet: the first run reads the stream from its start")
        return
    if len(parts) != RECOVERY_PARTITIONS:
        advice = "bring the missing parts back, or remove the directory to start from the beginning of the stream"
        yield Check.fail(what, f"{directory} holds {len(parts)} of {RECOVERY_PARTITIONS} parts", advice)
        return
    mine = [path for path in (directory, *parts) if path.stat().st_uid not in (os.getuid(), 0)]
    if open_to := [path for path in (directory, *parts) if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]:
        advice = f"chmod -R go-w {directory}: who can write the store can run code as this user"
        yield Check.warn(what, f"others than its owner may write {open_to[0]}", advice)
    elif mine:
        yield Check.warn(what, f"{mine[0]} belongs to another user", "run the engine as the user that owns its state")
    else:
        ago = time.time() - max(path.stat().st_mtime for path in parts)
        yield Check.ok(what, f"{directory}, last written {_ago(ago)} ago")


def port(what: str, host: str, number: int) -> Iterator[Check]:
    """Whether a port is free, and whom it is open to."""
    name = f"port of {what}"
    place = f"{host}:{number}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        if (state := _engine_at(host, number)) is not None:
            yield Check.warn(name, f"an engine runs at {place}: {state}", "stop it before you start another here")
        else:
            yield Check.fail(name, f"{place}: {error.strerror or error}", f"free it, or name another for {what}")
        return
    if loopback(host):
        yield Check.ok(name, f"{place} is free, and open to this machine only")
    else:
        advice = "it asks for no password: let a firewall see to who may ask, or listen on 127.0.0.1"
        yield Check.warn(name, f"{place} is free, and will be open to the network", advice)


def _engine_at(host: str, number: int) -> str | None:
    try:
        url = f"http://{host}:{number}/readyz"
        answer = urllib3.request("GET", url, timeout=2.0, retries=False, redirect=False)
        body = answer.json()
        return "ready" if body["good"] else "; ".join(body["reasons"])
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return None


def loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def _writable(path: Path) -> bool:
    place = _existing(path)
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _ago(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"
