"""Pictures for the docs: one incident from its first sample to its closed case, and the console's pages.

`make pictures` takes them, of the demo's city as it goes on after its report. Everything happens by the console's own
keys and forms, in Chromium.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.conftest import ROOT
from tests.flows.command import Command, until

OUT = ROOT / "docs/console"
DESK = ViewportSize(width=1440, height=900)
TALL = ViewportSize(width=1440, height=1200)  # so that an alert is seen with its history
PHONE = ViewportSize(width=390, height=844)

#: The incident that is followed: the first one after the report, and how much faster than life the city is meanwhile.
INCIDENT = "Gas leak"
SPEED = 3


@dataclass
class Camera:
    """Somebody at the demo's desk, who takes pictures."""

    browser: Browser
    address: str
    name: str
    password: str

    @contextmanager
    def at(self, path: str, size: ViewportSize = DESK, **look: Any) -> Iterator[Page]:
        """A page, signed in."""
        look = {"locale": "en-GB", "color_scheme": "dark"} | look
        page = self.browser.new_context(viewport=size, **look).new_page()
        page.set_default_timeout(600_000)  # for what happens in the city; it takes its time
        page.goto(f"{self.address}login?next={path}")
        page.locator("[name=name]").fill(self.name)
        page.locator("[name=password]").fill(self.password)
        page.locator("button.primary").click()
        page.locator("main.one, .rows").first.wait_for()
        yield page
        page.context.close()


def take(page: Page, name: str) -> None:
    """Take a picture, and make it small: a console has few colours."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)
    path = OUT / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def walk(desk: Camera) -> None:
    """From the first sample to the closed case."""
    with desk.at("/") as page:
        take(page, "desk")
    with desk.at("/", TALL) as page:
        known = [str(row.get_attribute("id")) for row in page.locator(".row").all()]
        old = "".join(f":not([id='{id}'])" for id in known)
        page.locator(f".row{old}", has_text=INCIDENT).first.wait_for()
        page.locator(f".row{old}", has_text=INCIDENT).first.locator("a").click()
        page.locator(".plot .found").first.wait_for()
        take(page, "raised")
        # Whoever has taken note of a lesser alert is called again by a graver one.
        page.locator(".head .mark.l1").wait_for()
        page.keyboard.press("a")
        page.locator(".badge.acknowledged").wait_for()
        page.keyboard.press("c")
        page.locator("[data-act=comment] textarea").fill("Crew 3 is on its way, four minutes. Police told.")
        page.locator("[data-act=comment] button").click()
        act(page, "dispatch", "Dispatched")
        act(page, "accept", "Accepted")
        take(page, "handled")
        page.locator(".badge.cleared, .badge.gone").first.wait_for()
        act(page, "handle", "In hand")
        page.get_by_role("button", name="True alarm").click()
        page.locator(".facts", has_text="judged a true alarm").wait_for()
        act(page, "close-case", "Case closed")
        page.keyboard.press("x")
        page.locator(".badge.closed").wait_for()
        page.set_viewport_size(TALL | {"height": 1560})
        take(page, "closed")


def act(page: Page, verb: str, word: str) -> None:
    """One step of the case, seen in the history."""
    if not page.locator(f"[data-act={verb}] button").is_visible():
        page.locator("[data-act=case] > summary").click()
    page.locator(f"[data-act={verb}] button").click()
    page.locator(".history", has_text=word).wait_for()


def pages(desk: Camera) -> None:
    """The other pages, by night, by day, in Chinese, and on a phone."""
    for name in ("sensors", "load", "feed"):
        with desk.at(f"/{name}") as page:
            take(page, name)
    with desk.at("/", locale="zh-CN", color_scheme="light") as page:
        page.locator(".row a").first.click()
        page.locator(".plot").wait_for()
        take(page, "chinese")
    with desk.at("/", PHONE) as page:
        take(page, "phone")


def main() -> None:
    """Take them all."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        line = ("--data", "data", "--figures", "figures.json", "--port", 0, "--desk", "--speed", SPEED)
        with Command(Path(folder), "demo", *line) as demo:
            until(lambda: "password" in demo.out, lambda: demo.running, 900, lambda: demo.err)
            found = re.search(r"(http://\S+)\s+name\s+(\S+)\s+password\s+(\S+)", demo.out)
            assert found, demo.out
            desk = Camera(browser, *found.groups())
            walk(desk)
            pages(desk)
        browser.close()


if __name__ == "__main__":
    main()
