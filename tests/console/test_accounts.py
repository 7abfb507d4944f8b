"""Users, sessions and wrong passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.accounts import FREE_TRIES, IDLE, LONGEST, Accounts, Role, TooMany
from domain.errors import ConfigError
from tests.console.conftest import PASSWORD, cheap


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    found = Accounts(tmp_path / "deep" / "console.sqlite", cheap())
    found.add("li.na", Role.OPERATOR, PASSWORD)
    return found


def test_a_session_lasts_a_shift(accounts: Accounts) -> None:
    """It ends when nobody uses it, and in any case after a while; then, and signed out, its token is worth nothing."""
    session = accounts.sign_in("li.na", PASSWORD, 1000.0)
    assert session is not None
    assert session.user.role is Role.OPERATOR
    assert accounts.session(session.token, 1000.0 + IDLE) == session  # which is to use it
    assert accounts.session(session.token, 1001.0 + 2 * IDLE) is None
    again = accounts.sign_in("li.na", PASSWORD, 0.0)
    assert again is not None
    assert again.token != session.token
    for hour in range(1, LONGEST // 3600 + 1):
        assert accounts.session(again.token, hour * 3600.0)
    assert accounts.session(again.token, LONGEST + 1.0) is None
    last = accounts.sign_in("li.na", PASSWORD, 0.0)
    assert last is not None
    accounts.sign_out(last.token)
    assert accounts.session(last.token, 1.0) is None


def test_who_is_removed_or_changed_is_so_at_once(accounts: Accounts) -> None:
    """A role is looked up with every request; a new password ends the sessions of the old one."""
    session = accounts.sign_in("li.na", PASSWORD, 0.0)
    assert session is not None
    accounts.add("li.na", Role.VIEWER, "another password")
    assert accounts.session(session.token, 1.0) is None
    assert accounts.sign_in("li.na", PASSWORD, 1.0) is None
    session = accounts.sign_in("li.na", "another password", 2.0)
    assert session is not None
    assert session.user.role is Role.VIEWER
    accounts.remove("li.na")
    assert accounts.session(session.token, 3.0) is None
    with pytest.raises(ConfigError, match="no user"):
        accounts.remove("li.na")


def test_guessing_gets_slow(accounts: Accounts) -> None:
    """After some wrong passwords each further one takes longer, whether or not there is such a user."""
    for name in ("li.na", "nobody"):
        for _ in range(FREE_TRIES):
            assert accounts.sign_in(name, "wrong password", 0.0) is None
        with pytest.raises(TooMany):
            accounts.sign_in(name, PASSWORD, 0.5)
        assert accounts.sign_in(name, "wrong again", 1.5) is None
        with pytest.raises(TooMany):
            accounts.sign_in(name, PASSWORD, 3.0)
    assert accounts.sign_in("li.na", PASSWORD, 10.0) is not None


def test_the_file_tells_no_secrets(accounts: Accounts, tmp_path: Path) -> None:
    """Neither passwords nor tokens stand in it, and nobody else may read it."""
    session = accounts.sign_in("li.na", PASSWORD, 0.0)
    assert session is not None
    path = tmp_path / "deep" / "console.sqlite"
    content = path.read_bytes()
    assert b"$argon2id$" in content
    assert PASSWORD.encode() not in content
    assert session.token.encode() not in content
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "password"), [("Li Na", PASSWORD), ("", PASSWORD), ("li.na", "short")])
def test_bad_names_and_short_passwords_are_refused(accounts: Accounts, name: str, password: str) -> None:
    """With a word about what was expected."""
    with pytest.raises(ConfigError, match="expected"):
        accounts.add(name, Role.VIEWER, password)
