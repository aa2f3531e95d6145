"""One-time links in a browser: with its script, without one, and what stays behind in address and history."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.chromium import Picture, check_accessibility, check_fits
from tests.browser.demo import Demo, running_demo
from tests.browser.test_every_page import sign_in_as_root

pytestmark = pytest.mark.browser

PASSWORD = "a heron waits by the mill"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


def invite(page: Page, demo: Demo, name: str) -> str:
    """Import a new person as an administrator does, and return the link that the page shows."""
    sign_in_as_root(page, demo)
    page.goto(f"{demo.web}/admin/users/import/")
    content = f"Sign-in name,Display name\n{name}@harbour.example,{name.title()}\n".encode()
    page.locator('input[type="file"]').set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="See what would happen").click()
    page.get_by_role("button", name="Import now").click()
    found = re.search(r"http://\S+/invitation/#[a-z2-8-]{29}", page.content())
    assert found is not None
    return found[0]


def check(page: Page, picture: Picture, name: str) -> None:
    check_accessibility(page)
    check_fits(page)
    picture(page, name)


def test_a_link_leads_on_by_itself_and_its_code_is_in_no_address(
    open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture
) -> None:
    link = invite(open_browser().new_page(), demo, "dora")
    code = link.partition("#")[2]
    page = open_browser(viewport={"width": 320, "height": 700}).new_page()
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108 - Playwright marks the function, a builtin takes no mark
    page.goto(f"{demo.web}/sign-in/")
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your password")
    check(page, picture, "link-opened-narrow")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_text("Your password is set. Sign in with it now.")).to_be_visible()
    for request in asked:
        assert code not in request.url
        assert code not in request.headers.get("referer", "")
    history = page.context.new_cdp_session(page).send("Page.getNavigationHistory")["entries"]
    assert [entry["url"] for entry in history if "/invitation/" in entry["url"]]
    assert code not in str([entry["url"] for entry in history])
    # The same page is open already, and the link is followed once more: nothing is loaded, the address changes.
    page.goto(f"{demo.web}/invitation/")
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
    assert code not in page.url


def test_without_a_script_the_code_is_typed(
    open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture
) -> None:
    link = invite(open_browser().new_page(), demo, "emil")
    code = link.partition("#")[2]
    page = open_browser(java_script_enabled=False).new_page()
    page.goto(link)
    picture(page, "link-without-script")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("alert")).to_contain_text("Enter the code from the message.")
    page.get_by_label("Code from the message").fill(code.replace("-", " ").upper())
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Choose your password")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_text("Your password is set. Sign in with it now.")).to_be_visible()
