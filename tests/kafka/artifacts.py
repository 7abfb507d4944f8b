"""Apache Kafka's own jars, fetched once by Maven into a cache outside the checkout and checked against `jars.lock`.

Maven is asked for one artifact and brings its dependencies from whatever repository it is set up for.
`python -m tests.kafka.artifacts` writes the lock anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["Unavailable", "jars"]

KAFKA: Final = "4.1.1"
LOG4J: Final = "2.24.3"  # Kafka's own; binds its log to standard output

_LOCK: Final = Path(__file__).with_name("jars.lock")
_POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lifeline</groupId> <artifactId>test-broker</artifactId> <version>1</version> <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId> <artifactId>kafka_2.13</artifactId> <version>{KAFKA}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId> <artifactId>log4j-slf4j-impl</artifactId> <version>{LOG4J}</version>
    </dependency>
  </dependencies>
</project>
"""


class Unavailable(Exception):
    """A broker of this kind cannot be had on this machine; says why."""


def jars() -> Path:
    """The folder with Kafka's jars; raises Unavailable where there is no Java, no Maven or no repository."""
    if shutil.which("java") is None:
        raise Unavailable("there is no java")
    folder = cache() / f"kafka-{KAFKA}"
    if not folder.is_dir():
        _fetch(folder)
    lock = dict(line.split() for line in _LOCK.read_text().splitlines())
    found = _sums(folder)
    if found != lock:
        wrong = sorted(name for name in found.keys() | lock.keys() if found.get(name) != lock.get(name))
        raise AssertionError(f"{folder} does not hold what {_LOCK.name} names: {', '.join(wrong)}; remove the folder")
    return folder


def cache() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lifeline-tests"


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("there is no mvn, and Kafka is not in the cache yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        pom, lib = Path(place, "pom.xml"), Path(place, "lib")
        pom.write_text(_POM)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={lib}", "-DincludeScope=runtime"]
        try:
            said = subprocess.run([maven, "-q", "-B", "-f", pom, *goal], capture_output=True, text=True, timeout=240)
        except subprocess.TimeoutExpired:
            raise Unavailable("mvn did not end within 240 s") from None
        if said.returncode:
            raise Unavailable(f"mvn could not fetch Kafka: {(said.stdout + said.stderr).strip()[-500:]}")
        try:
            lib.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise somebody else was faster
                raise


def _sums(folder: Path) -> dict[str, str]:
    return {jar.name: sha256(jar.read_bytes()).hexdigest() for jar in sorted(folder.glob("*.jar"))}


if __name__ == "__main__":
    place = cache() / f"kafka-{KAFKA}"
    if not place.is_dir():
        _fetch(place)
    _LOCK.write_text("".join(f"{name} {digest}\n" for name, digest in _sums(place).items()))
    sys.stdout.write(f"{_LOCK}\n")
