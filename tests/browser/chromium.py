"""A real Chromium, axe accessibility checks, and screenshots of pages."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
WHERE = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
QUIET = (
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SERIOUS = {"serious", "critical"}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

type Picture = Callable[[Page, str], None]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Yield one Chromium for all browser tests."""
    executable = next((path for path in (shutil.which("chromium") or "", *WHERE) if Path(path).is_file()), None)
    if executable is None:
        pytest.skip("Chromium is not installed; `make test` installs it where it is root")
    # Chromium refuses its own sandbox to root; the pages that it opens here are all our own.
    flags = [*QUIET, "--no-sandbox"] if os.geteuid() == 0 else list(QUIET)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def open_browser(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Yield a function that opens contexts without shared cookies: ``open_browser(java_script_enabled=False)``, …"""
    opened: list[BrowserContext] = []

    def open_one(**options: Any) -> BrowserContext:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(15_000)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def picture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Picture:
    """Return a function that takes a screenshot of a whole page, into ``TEST_PICTURES`` if that names a folder."""
    folder = os.environ.get("TEST_PICTURES")
    where = Path(folder) if folder else tmp_path_factory.mktemp("pictures")
    where.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=where / f"{name}.png", full_page=True)

    return take


def check_accessibility(page: Page) -> None:
    """Fail if axe finds anything serious on the page, once it has loaded.

    A click ends when the next page has begun to arrive. Of half a page axe would see neither its end nor its styles.
    The DevTools protocol injects axe from a local file, so the pages' content security policy needs no exception.
    """
    page.wait_for_load_state("load")
    session = page.context.new_cdp_session(page)
    try:
        session.send("Page.setBypassCSP", {"enabled": True})
        source = AXE.read_text(encoding="utf-8")
        session.send("Runtime.evaluate", {"expression": source})
        options = json.dumps({"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]})
        answer = session.send(
            "Runtime.evaluate",
            {
                "expression": f"axe.run(document, {options}).then(found => JSON.stringify(found.violations))",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
    finally:
        session.detach()
    violations = json.loads(answer["result"]["value"])
    serious = [violation for violation in violations if violation["impact"] in SERIOUS]
    said = [
        f"{violation['id']}: {violation['help']}\n"
        + "\n".join(f"    {node['html'][:160]}\n    {node['failureSummary'][:300]}" for node in violation["nodes"][:3])
        for violation in serious
    ]
    assert not serious, f"axe on {page.url}:\n" + "\n".join(said)


def check_fits(page: Page) -> None:
    """Fail if the page is wider than its window."""
    width = page.evaluate("document.documentElement.scrollWidth")
    assert page.viewport_size is not None
    assert width <= page.viewport_size["width"], f"{page.url} is {width} px wide in {page.viewport_size['width']} px"


def words(page: Page) -> str:
    """Return the text of the page with whitespace collapsed."""
    return re.sub(r"\s+", " ", page.inner_text("body"))
