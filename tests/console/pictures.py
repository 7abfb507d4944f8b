"""Pictures of the console over the demo's database, for the docs.

lifeline demo && python -m tests.console.pictures
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

from console.accounts import Accounts, Role
from tests.conftest import ROOT
from tests.console.conftest import PASSWORD, cheap
from tests.flows.command import Command, free_port, until

OUT = ROOT / "docs/console"
DESK = ViewportSize(width=1440, height=900)
PHONE = ViewportSize(width=390, height=844)


def main(dsn: str) -> None:
    """Take them all."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder, port = Path(temporary), free_port()
        Accounts(folder / "users.sqlite", cheap()).add("li.na", Role.OPERATOR, PASSWORD)
        line = ("--dsn", dsn, "--accounts", folder / "users.sqlite", "--journal", folder / "actions.ndjson")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])

        def page(path: str, language: str = "en-GB", size: ViewportSize = DESK) -> Page:
            found = browser.new_context(locale=language, viewport=size, color_scheme="dark").new_page()
            found.goto(f"http://127.0.0.1:{port}/login?next={path}")
            found.locator("[name=name]").fill("li.na")
            found.locator("[name=password]").fill(PASSWORD)
            found.locator("button.primary").click()
            return found

        def take(found: Page, name: str) -> None:
            found.wait_for_timeout(800)
            found.screenshot(path=OUT / f"{name}.png")
            found.context.close()

        with Command(ROOT, "console", *line, "--port", port) as console:
            until(lambda: "http://" in console.out, lambda: console.running, said=lambda: console.err)
            take(page("/"), "desk")
            alert = page("/")
            alert.locator(".row", has_text="Waterlogging").locator("a").click()
            alert.locator(".plot").wait_for()
            take(alert, "alert")
            chinese = page("/", "zh-CN")
            chinese.locator(".row a").first.click()
            chinese.locator(".plot").wait_for()
            take(chinese, "chinese")
            take(page("/load"), "load")
            take(page("/", size=PHONE), "phone")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else f"chdb://{ROOT}/lifeline-data/demo/clickhouse")
