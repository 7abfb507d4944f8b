"""`lifeline demo`: it ends by itself where nobody sits before it, and with an open desk where somebody does."""

from __future__ import annotations

import http.client
import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from tests.flows.command import Command


def test_without_a_terminal_it_ends(tmp_path: Path) -> None:
    """With 0, with books that balance, and with a word on how to open the desk; nobody waits for a key."""
    with Command(tmp_path, "demo", "--minutes", 1) as run:
        run.ends()
        found = re.search(
            r"([\d,]+) readings decoded = ([\d,]+) stored \+ ([\d,]+) .* ([\d,]+) late \+ ([\d,]+)", run.out
        )
        assert found, run.out
        decoded, *parts = (int(number.replace(",", "")) for number in found.groups())
        assert decoded == sum(parts) > 700_000
        assert "lifeline console user add" in run.out
        assert "password" not in run.out


def test_in_a_terminal_the_desk_is_open(tmp_path: Path) -> None:
    """Its address, a name and a password are printed, and let one in; Ctrl-C ends all with 0."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        line = [sys.executable, "-m", "flows.cli", "demo", "--minutes", "1", "--port", "0"]
        os.execve(sys.executable, line, os.environ | {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "COLUMNS": "200"})
    try:
        said = heard(terminal, r"password\s+\S+\s")
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", said)[0])
        password = re.findall(r"password\s+(\S+)", said)[0]
        form = urlencode({"name": "operator", "password": password, "next": "/"})
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/login", form, {"content-type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        assert answer.status == 303, answer.read()
        connection.close()
        kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".bin"]
        assert not any(password.encode() in content for content in kept)
        os.write(terminal, b"\x03")
        heard(terminal, "desk is closed")
        deadline = time.monotonic() + 20
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        pid = 0
        assert os.waitstatus_to_exitcode(ended[1]) == 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)


def heard(terminal: int, pattern: str, seconds: float = 90.0) -> str:
    """What a terminal shows, up to and with a pattern."""
    deadline, said = time.monotonic() + seconds, ""
    while not re.search(pattern, said):
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing in {seconds} s: {said[-3000:]}"
        try:
            said += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            raise AssertionError(f"ended too early: {said[-3000:]}") from None
    return said
