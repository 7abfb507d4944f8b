"""Who may sign in, and who has: users and sessions in one SQLite file.

Passwords are kept as argon2id hashes (RFC 9106), sessions as hashes of their tokens: whoever reads the file can sign in
as nobody. Every request asks the file, so a user who is removed, or gets another role, is so at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import ConfigError, Problem

__all__ = ["Accounts", "Role", "Session", "TooMany", "User"]

#: Seconds after which a session that nobody uses has ended, and after which each has: somewhat more than a shift.
IDLE: Final = 4 * 3600
LONGEST: Final = 16 * 3600

#: Wrong passwords for one name that are answered at once; each further one within the hour doubles the wait.
FREE_TRIES: Final = 5
LONGEST_WAIT: Final = 300
FORGOTTEN: Final = 3600

SHORTEST_PASSWORD: Final = 10

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    token BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    began REAL NOT NULL, used REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (name TEXT NOT NULL, at REAL NOT NULL) STRICT;
"""


class Role(StrEnum):
    """What a user may do; each role may do what the one before it may."""

    VIEWER = "viewer"  # look
    OPERATOR = "operator"  # act on alerts
    ENGINEER = "engineer"  # take sensors out of service, open maintenance windows

    def includes(self, other: Role) -> bool:
        """Whether this role may do all that another one may.

        >>> Role.ENGINEER.includes(Role.OPERATOR), Role.VIEWER.includes(Role.OPERATOR)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class User:
    """One who may sign in."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """One who has signed in. `csrf` is what the forms of the session carry."""

    user: User
    token: str

    @property
    def csrf(self) -> str:
        """A word that only pages of this session know: made of its token, which no page shows."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()


class TooMany(Exception):
    """Too many wrong passwords for one name: wait `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


class Accounts:
    """Users and sessions. May be used by several threads and processes.

    Parameters
    ----------
    path
        The SQLite file; made, readable by its owner only, when it is not there.
    hasher
        Of passwords; a cheap one in tests.
    """

    def __init__(self, path: Path, hasher: PasswordHasher | None = None) -> None:
        self._path = path
        self._hasher = hasher or PasswordHasher()
        self._room = threading.Semaphore(2)  # a hash takes 64 MiB: many tries at once must not take them all
        # An unknown name takes as long as a wrong password: answers do not tell who exists.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        with self._open() as database:
            database.executescript(_TABLES)

    def add(self, name: str, role: Role, password: str) -> None:
        """Add a user, or give one another role and password, which ends the sessions of before. Raises ConfigError."""
        if not _NAME.fullmatch(name):
            raise _wrong("name", f"expected small letters, digits and . _ - such as li.na, got {name!r}")
        if len(password) < SHORTEST_PASSWORD:
            raise _wrong("password", f"expected at least {SHORTEST_PASSWORD} characters")
        hashed = self._hasher.hash(password)
        with self._open() as database:
            database.execute("DELETE FROM users WHERE name = ?", (name,))
            database.execute("INSERT INTO users VALUES (?, ?, ?)", (name, role.value, hashed))

    def remove(self, name: str) -> None:
        """Remove a user and all sessions. Raises ConfigError when there is none of that name."""
        with self._open() as database:
            if not database.execute("DELETE FROM users WHERE name = ?", (name,)).rowcount:
                raise _wrong("name", f"there is no user {name!r}")

    def users(self) -> list[User]:
        """All users, by name."""
        with self._open() as database:
            return [User(name, Role(role)) for name, role in database.execute("SELECT name, role FROM users")]

    def sign_in(self, name: str, password: str, now: float) -> Session | None:
        """A new session, or None when name or password are wrong. Takes a tenth of a second. Raises TooMany.

        Parameters
        ----------
        now
            Seconds since 1970.
        """
        with self._open() as database:
            database.execute("DELETE FROM failures WHERE at < ?", (now - FORGOTTEN,))
            count, last = database.execute("SELECT count(*), max(at) FROM failures WHERE name = ?", (name,)).fetchone()
            wait = min(LONGEST_WAIT, 2 ** (count - FREE_TRIES)) if count >= FREE_TRIES else 0
            if wait and now < last + wait:
                raise TooMany(int(last + wait - now) + 1)
            # Noted before the answer is known, so that tries at the same time count as well.
            database.execute("INSERT INTO failures VALUES (?, ?)", (name, now))
            row = database.execute("SELECT role, hash FROM users WHERE name = ?", (name,)).fetchone()
        role, hashed = row or ("", self._nobody)
        if not self._fits(hashed, password) or not row:
            return None
        token = secrets.token_urlsafe(32)
        with self._open() as database:
            if self._hasher.check_needs_rehash(hashed):
                database.execute("UPDATE users SET hash = ? WHERE name = ?", (self._hasher.hash(password), name))
            database.execute("DELETE FROM failures WHERE name = ?", (name,))
            database.execute("DELETE FROM sessions WHERE used < ? OR began < ?", (now - IDLE, now - LONGEST))
            database.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), name, now, now))
        return Session(User(name, Role(role)), token)

    def session(self, token: str, now: float) -> Session | None:
        """The session of a token, unless it has ended; to ask for it is to use it."""
        with self._open() as database:
            row = database.execute(
                "SELECT name, role, used FROM sessions JOIN users USING (name) "
                "WHERE token = ? AND used >= ? AND began >= ?",
                (_digest(token), now - IDLE, now - LONGEST),
            ).fetchone()
            if row is None:
                return None
            name, role, used = row
            if now > used + 60:
                database.execute("UPDATE sessions SET used = ? WHERE token = ?", (now, _digest(token)))
        return Session(User(name, Role(role)), token)

    def sign_out(self, token: str) -> None:
        """End a session."""
        with self._open() as database:
            database.execute("DELETE FROM sessions WHERE token = ?", (_digest(token),))

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            with self._room:
                return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._path, timeout=10)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            with database:
                yield database
        finally:
            database.close()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _wrong(field: str, message: str) -> ConfigError:
    return ConfigError([Problem("", "", field, message)])
