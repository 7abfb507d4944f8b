"""The console in a real browser, over a real engine that reads what is measured at this moment.

Chromium is the system's own (Debian: apt install chromium); where there is none, these tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from console.accounts import Accounts, Role
from console.database import Database
from domain.clock import MINUTE, SECOND
from domain.findings import AlertEventType
from domain.identity import identify
from domain.notices import Notice, Why
from sinks.clickhouse.client import note_of
from tests.console.alerts import raised, then
from tests.console.conftest import PASSWORD, Place, cheap
from tests.console.scene import Scene
from tests.console.village import CITY, Feeder, write_village
from tests.flows.command import Command, free_port, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

PHONE = {"width": 390, "height": 844}


@dataclass
class Live:
    """An engine, a console, and what the sensors measure."""

    folder: Path
    feeder: Feeder
    database_port: int
    port: int
    stack: ExitStack
    engine: Command = field(init=False)

    def start(self) -> None:
        """Start the engine (again), and wait until it stores what is measured."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start the engine, and wait until it serves the database."""
        command = Command(
            self.folder, "city", self.folder / "village", "-", "--journal", self.folder / "actions.ndjson",
            "--dsn", f"chdb://{self.folder}/clickhouse", "--serve-port", self.database_port, "--metrics", "",
            "--recovery-directory", self.folder / "recovery", "--snapshot-interval", 0.3, stdin=self.feeder.reader,
        )  # fmt: skip
        self.engine = self.stack.enter_context(command)
        until(note_of(f"{self.folder}/clickhouse").exists, lambda: self.engine.running, said=lambda: self.engine.err)

    def wait(self) -> None:
        """Wait until readings of this moment are stored."""
        until(self.answers, lambda: self.engine.running, said=lambda: self.engine.err)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The engine has ended; it starts again, also for other tests where this one fails meanwhile."""
        self.engine.send(signal.SIGTERM)
        try:
            self.engine.ends()
            yield
        finally:
            self.start()

    def answers(self) -> bool:
        """Whether readings of this moment are stored."""
        try:
            rows = self.ask("SELECT count() AS n FROM sensor_last_seen WHERE last_seen > now64(3) - 5")
        except Exception:
            return False
        return int(rows[0]["n"]) > 0

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Ask the database."""
        return Database(f"clickhouse://default@127.0.0.1:{self.database_port}/lifeline").rows(query)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    write_village(folder / "village")
    accounts = Accounts(folder / "console.sqlite", cheap())
    for name in ("li.na", "wang.jun"):
        accounts.add(name, Role.OPERATOR, PASSWORD)
    with ExitStack() as stack:
        feeder = stack.enter_context(Feeder())
        first = free_port(2)
        found = Live(folder, feeder, first, first + 1, stack)
        found.begin()
        command = Command(
            folder, "console", "--city", folder / "village", "--dsn", f"chdb://{folder}/clickhouse", "--journal",
            folder / "actions.ndjson", "--accounts", folder / "console.sqlite", "--port", found.port,
        )  # fmt: skip
        console = stack.enter_context(command)
        found.wait()
        until(lambda: "http://" in console.out, lambda: console.running, said=lambda: console.err)
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root, in a container, Chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def desks(live: Live, chromium: Browser) -> Iterator[Any]:
    """Opens the desk for somebody; at the end nothing has gone wrong in any page, or come from elsewhere."""
    wrong: list[str] = []
    pages: list[Page] = []

    def opened(name: str, path: str = "/", **options: Any) -> Page:
        page = blank(chromium, **options)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if "//127.0.0.1:" not in request.url else None)
        sign_in(page, live.port, path, name)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert not wrong


def blank(chromium: Browser, **options: Any) -> Page:
    """A page of somebody who has never been here."""
    page = chromium.new_context(locale="en-GB", **options).new_page()
    page.set_default_timeout(8000)
    return page


def sign_in(page: Page, port: int, path: str, name: str = "li.na") -> None:
    """Go to a page of the console, which asks first who it is."""
    page.goto(f"http://127.0.0.1:{port}{path}")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def row(page: Page, well: int) -> Any:
    """The alert at a well in the list."""
    return page.locator(".row", has_text=f"Well {well},")


def test_an_incident_from_first_to_last(live: Live, desks: Any) -> None:
    """It appears within two seconds, is acknowledged, commented, shelved and taken back, clears, and is judged.

    Two operators have their pages open all the time, and neither loads one again.
    """
    li, wang = desks("li.na"), desks("wang.jun")
    expect(li.locator(".rows")).to_contain_text("All quiet")
    live.feeder.values["V-G1"] = 45.0
    row(li, 1).wait_for()
    seen = time.time()
    raised = live.ask("SELECT toUnixTimestamp64Milli(min(alerts.raised)) AS at FROM alerts")[0]["at"] / 1000
    assert 0 < seen - raised < 2
    row(wang, 1).wait_for()

    li.keyboard.press("j")
    li.keyboard.press("Enter")
    expect(li.locator("h1")).to_have_text("Gas leak")
    # Where readings were missed while the engine started, a trace is in pieces, and one of them may be quite flat.
    expect(li.locator(".plot .own .trace:visible").first).to_be_visible()
    expect(li.locator(".plot .far:has(.trace)")).to_have_count(3)
    expect(li.locator(".place .pin.here")).to_be_visible()
    li.keyboard.press("a")
    expect(li.locator(".badge")).to_have_text("acknowledged")
    expect(row(wang, 1).locator(".state")).to_have_text("acknowledged · li.na")

    row(wang, 1).locator("a").click()
    wang.keyboard.press("c")
    wang.locator("[data-act=comment] textarea").fill("Crew is on the way. <b>Road</b> closed.")
    wang.locator("[data-act=comment] button").click()
    expect(li.locator(".history")).to_contain_text("Crew is on the way. <b>Road</b> closed.")
    wang.keyboard.press("s")
    wang.locator("[data-act=shelve] [name=reason]").fill("valve works")
    wang.keyboard.press("Enter")
    expect(li.locator(".badge")).to_have_text("shelved")
    expect(row(li, 1)).to_have_count(0)
    expect(li.locator(".history")).to_contain_text("Shelved by wang.jun")
    li.get_by_role("link", name="Shelved 1").click()
    row(li, 1).wait_for()
    li.get_by_role("button", name="Back to the desk").click()
    expect(row(li, 1)).to_have_count(0)
    row(wang, 1).wait_for()

    live.feeder.values["V-G1"] = 1.0
    expect(li.locator(".badge")).to_have_text("cleared")
    expect(row(wang, 1)).to_have_count(0)
    li.keyboard.press("d")
    expect(li.locator("[data-act=case] [name=unit]")).to_be_focused()
    li.keyboard.press("Tab")
    li.keyboard.press("Enter")
    expect(li.locator(".history")).to_contain_text("Dispatched by li.na")
    li.keyboard.press("t")
    expect(li.locator(".facts")).to_contain_text("judged a true alarm")
    done = live.ask("SELECT action, actor FROM operator_actions FINAL ORDER BY operator_actions.ts")
    assert [(one["action"], one["actor"]) for one in done] == [
        ("acknowledge", "li.na"), ("comment", "wang.jun"), ("shelve", "wang.jun"), ("unshelve", "li.na"),
        ("dispatch", "li.na"), ("judge", "li.na"),
    ]  # fmt: skip


def test_the_engine_restarts_underneath(live: Live, desks: Any) -> None:
    """What is known is shown; what is done waits, and counts once the engine is back; nothing is loaded again.

    Of two alerts, one is open with all that stands behind it when the engine ends, the other is opened only then.
    """
    page = desks("li.na")
    page.evaluate("window.unbroken = true")
    for well in (3, 4):
        live.feeder.values[f"V-G{well}"] = 45.0
        row(page, well).wait_for()
    row(page, 3).locator("a").click()
    expect(page.locator(".history")).to_contain_text("Raised")
    with live.away():
        expect(page.locator("#away")).to_be_visible()
        page.keyboard.press("a")
        expect(page.locator(".acts .waiting")).to_contain_text("waits for the engine")
        expect(page.locator(".history")).to_contain_text("Raised")
        row(page, 4).locator("a").click()
        expect(page.locator("article .place").first).to_have_text("Well 4, Mill Lane")
        expect(page.locator("article .summary")).not_to_be_empty()
        for section in (".plots", ".folds", ".history"):
            expect(page.locator(section)).to_contain_text("annot be read while the database does not answer")
        page.keyboard.press("a")
        expect(page.locator(".acts .waiting")).to_contain_text("waits for the engine")
        for well in (3, 4):
            expect(row(page, well).locator(".state")).to_contain_text("Acknowledged …")
    expect(page.locator("#away")).to_be_hidden()
    expect(page.locator(".badge")).to_have_text("acknowledged")
    expect(page.locator(".history")).to_contain_text("Acknowledged by li.na")
    expect(page.locator("[data-away]")).to_have_count(0)
    expect(page.locator(".plot .own .trace:visible").first).to_be_visible()
    expect(row(page, 3).locator(".state")).to_have_text("acknowledged · li.na")
    live.feeder.values.update({"V-G3": 1.0, "V-G4": 1.0})
    expect(page.locator(".badge")).to_have_text("cleared")
    expect(page.locator("#offline")).to_be_hidden()
    assert page.evaluate("window.unbroken")


def test_the_gravest_stays_until_it_is_closed(live: Live, desks: Any) -> None:
    """Also when it has cleared; what cannot be done yet is not offered."""
    page = desks("wang.jun", "/?level=1")
    live.feeder.values["V-G5"] = 90.0
    row(page, 5).locator("a").click()
    live.feeder.values["V-G5"] = 1.0
    expect(page.locator(".badge")).to_have_text("cleared, to be closed")
    expect(page.get_by_role("button", name="Close", exact=False)).to_have_count(0)
    page.keyboard.press("a")
    page.locator("[data-act=close]").wait_for()
    page.keyboard.press("x")
    expect(page.locator(".badge")).to_have_text("closed")
    expect(row(page, 5)).to_have_count(0)


def test_keys_languages_and_small_screens(live: Live, desks: Any) -> None:
    """Every page by a key, in both languages, and no wider than a phone."""
    page = desks("li.na", viewport=PHONE)
    for key, name in (("m", "Map"), ("s", "Sensors"), ("l", "Load"), ("f", "Feed"), ("d", "Desk")):
        page.locator("body").press("g")
        page.locator("body").press(key)
        expect(page.locator("nav [aria-current]")).to_have_text(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name
    page.locator("body").press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("nav [aria-current]")).to_have_text("告警台")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.goto(f"http://127.0.0.1:{live.port}/sensors/{CITY.sensors[0].id}")
    expect(page.locator(".plot .trace")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("button", name="退出").click()
    expect(page).to_have_url(re.compile("/login$"))


def test_folds_stay_as_they_are(place: Place, chromium: Browser) -> None:
    """News of an alert closes nothing that somebody has opened; keys pass over rows that are folded away."""
    scene = Scene(time.time_ns() - 6 * MINUTE)
    place.store(*scene.everything, raised(time.time_ns() - MINUTE, 4))
    page = blank(chromium)
    sign_in(page, place.port, f"/login?next=/alerts/{scene.cause.alert.id}")
    expect(page.locator("article [data-fold=reports] li").first).to_be_hidden()
    page.locator("article [data-fold=reports] > summary").click()
    expect(page.locator("article [data-fold=reports]")).to_contain_text("It smells of gas at the corner")
    page.keyboard.press("j")
    expect(page.locator("article .place").first).to_have_text("Well 4, Mill Lane")
    page.keyboard.press("k")
    expect(page.locator("article .place").first).to_have_text("Well 1, Mill Lane")
    page.locator(".under summary").click()
    page.locator("article [data-fold=reports] > summary").click()
    news = then(scene.cause, AlertEventType.UPDATED, level=1, summary="Gas leak at Well 1, still")
    place.write(news, Notice(identify(news.id), news.ts, "fire-brigade", Why.AT_ONCE, (news,)))
    expect(page.locator("article .summary")).to_have_text("Gas leak at Well 1, still")
    expect(page.locator("article [data-fold=told] > summary b")).to_have_text("4")
    expect(page.locator("article [data-fold=reports] li").first).to_be_visible()
    expect(page.locator("article [data-fold=told] li").first).to_be_hidden()
    expect(page.locator(".under .row")).to_be_visible()
    page.locator(".under .row a").click()
    expect(page.locator("article .cause")).to_contain_text("Consequence of")
    page.locator("article .cause a").click()
    expect(page.locator("article .place").first).to_have_text("Well 1, Mill Lane")
    page.context.close()


def test_what_cannot_be_done_is_said(place: Place, chromium: Browser) -> None:
    """A key that has no alert, and an alert that does not come; the next key fetches it."""
    place.store(raised(time.time_ns() - MINUTE))
    page = blank(chromium)
    sign_in(page, place.port, "/login")
    row(page, 1).wait_for()
    page.keyboard.press("a")
    expect(page.locator("#toast.shown")).to_contain_text("No alert is open")
    page.route("**/parts/alert/*", lambda route: route.fulfill(status=503, body="not now"), times=1)
    row(page, 1).locator("a").click()
    expect(page.locator("#toast.shown")).to_contain_text("not now")
    page.keyboard.press("a")
    expect(page.locator(".acts .waiting")).to_contain_text("waits for the engine")
    page.context.close()


def test_what_comes_late_does_not_take_the_place_of_what_was_opened(place: Place, chromium: Browser) -> None:
    """The map, or another alert, that was asked for before an alert was opened and comes after it."""
    events = [raised(time.time_ns() - MINUTE, well) for well in (1, 2, 3)]
    place.store(*events)
    page = blank(chromium)
    sign_in(page, place.port, "/login")
    row(page, 1).wait_for()
    held: list[Route] = []
    for path, well in (("**/parts/map*", 2), (f"**/parts/alert/{events[1].alert.id}", 1)):
        page.route(path, lambda route: held.append(route), times=1)
        place.write(then(events[2], AlertEventType.UPDATED, well * SECOND, corroboration=well / 10))
        deadline = time.monotonic() + 5
        while not held:
            assert time.monotonic() < deadline
            page.wait_for_timeout(50)
        row(page, well).locator("a").click()
        expect(page.locator("article .place").first).to_have_text(f"Well {well}, Mill Lane")
        held.pop().continue_()
        page.wait_for_timeout(500)
        expect(page.locator("article .place").first).to_have_text(f"Well {well}, Mill Lane")
    page.context.close()
