"""Attacks that only a real browser shows: frames, the Back button, two tabs, a session ended from another browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.demo import Demo, running_demo

pytestmark = pytest.mark.browser

OWN = "seven quiet otters sail"
OTHER = "eight loud otters row"
FRAMED = ["/sign-in/", "/", "/security/", "/methods/add/app_password/", "/admin/users/", "/nothing/", "/invitation/"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Start one demo for all of these tests."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


class Elsewhere:
    """A foreign site on this machine; the test sets its only page."""

    def __init__(self) -> None:
        self.page = ""
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = elsewhere.page.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name in the base class)
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A browser treats another host name of this machine as another site.
        self.address = f"http://localhost:{self.server.server_port}/"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Serve a foreign site."""
    site = Elsewhere()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join(10)


def sign_in(page: Page, demo: Demo, *passwords: str) -> None:
    """Sign Carol in (no second factor) with the first of these passwords that is right; replace an initial one."""
    for password in (*passwords, OWN, OTHER, demo.passwords["carol"]):
        page.goto(f"{demo.web}/sign-in/")
        page.get_by_label("Sign-in name").fill("carol@harbour.example")
        page.get_by_role("button", name="Next").click()
        page.get_by_label("Password", exact=True).fill(password)
        with page.expect_navigation():
            page.get_by_role("button", name="Sign in").click()
        if page.get_by_role("alert").count() == 0:
            break
    if page.get_by_label("New password").count():
        choose_password(page, OWN)
    page.goto(f"{demo.web}/security/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Security info")


def choose_password(page: Page, password: str, current: str = "") -> None:
    if current:
        page.get_by_label("Current password").fill(current)
    page.get_by_label("New password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Save the password").click()


def sign_out(page: Page) -> None:
    page.locator("summary[aria-label^='Account of']").click()
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    page.wait_for_url("**/sign-in/")


def is_signed_out(page: Page) -> bool:
    return "/sign-in/" in page.url and page.get_by_label("Sign-in name").count() == 1


def test_ses_13_no_page_can_be_framed_by_another_site(
    open_browser: Callable[..., BrowserContext], demo: Demo, elsewhere: Elsewhere
) -> None:
    """A foreign page that frames ours shows nothing of it, error pages and one-time pages included."""
    context = open_browser()
    page = context.new_page()
    sign_in(page, demo)
    frames = "".join(f'<iframe src="{demo.web}{path}"></iframe>' for path in FRAMED)
    elsewhere.page = f"<!doctype html><title>win</title>{frames}"
    asked: list[str] = []
    page.on("response", lambda answer: asked.append(answer.url.removeprefix(demo.web)))
    page.goto(elsewhere.address)
    page.wait_for_load_state("networkidle")
    inner = [frame for frame in page.frames if frame != page.main_frame]
    assert len(inner) == len(FRAMED)
    assert {"/sign-in/", "/nothing/", "/invitation/"} <= set(asked)
    for frame in inner:
        assert frame.url == "chrome-error://chromewebdata/"
        assert "Watchword" not in frame.content()


def test_ses_03_a_form_on_another_site_does_nothing_here(
    open_browser: Callable[..., BrowserContext], demo: Demo, elsewhere: Elsewhere
) -> None:
    """A foreign page that posts to ours with the victim's cookies changes nothing and signs nobody in or out."""
    context = open_browser()
    page = context.new_page()
    sign_in(page, demo)
    for path, field in (("/sign-out/", ""), ("/sessions/end-others/", ""), ("/sign-in/", "name")):
        elsewhere.page = (
            f'<!doctype html><form method="post" action="{demo.web}{path}">'
            f'<input name="{field or "x"}" value="alice@harbour.example"><button>Win a prize</button></form>'
        )
        page.goto(elsewhere.address)
        with page.expect_response(f"{demo.web}{path}") as answer:
            page.get_by_role("button").click()
        assert answer.value.status == 403, path
    page.goto(f"{demo.web}/security/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Security info")


def test_ses_04_the_way_back_after_signing_out_shows_nothing(
    open_browser: Callable[..., BrowserContext], demo: Demo
) -> None:
    """After signing out, Back, Forward and a restored tab lead to the sign-in and show no earlier page."""
    context = open_browser()
    page = context.new_page()
    sign_in(page, demo)
    page.goto(f"{demo.web}/app-passwords/")
    page.goto(f"{demo.web}/security/")
    sign_out(page)
    for _step in range(3):
        page.go_back()
        page.wait_for_load_state("load")
        assert "carol@harbour.example" not in page.content()
        assert "Security info" not in page.content()
    page.goto(f"{demo.web}/security/")
    assert is_signed_out(page)


def test_ses_01_two_tabs_go_on_together_and_end_together(
    open_browser: Callable[..., BrowserContext], demo: Demo
) -> None:
    """A token renewed in one tab serves the other; after one tab signs out, the other is sent to the sign-in."""
    context = open_browser()
    one, other = context.new_page(), context.new_page()
    sign_in(one, demo)
    other.goto(f"{demo.web}/security/")
    before = {cookie["name"]: cookie["value"] for cookie in context.cookies()}
    one.goto(f"{demo.web}/methods/add/password/")
    new = OTHER if sign_in_password_is(demo, OWN, open_browser) else OWN
    choose_password(one, new, OWN if new == OTHER else OTHER)
    expect(one.get_by_role("heading", level=1)).to_have_text("Security info")
    after = {cookie["name"]: cookie["value"] for cookie in context.cookies()}
    assert after["watchword-session"] != before["watchword-session"]
    other.reload()
    expect(other.get_by_role("heading", level=1)).to_have_text("Security info")
    sign_out(one)
    other.locator("summary[aria-label^='Account of']").click()
    other.get_by_role("button", name="Sign out", exact=True).first.click()
    other.wait_for_load_state("load")
    assert is_signed_out(other)


def sign_in_password_is(demo: Demo, password: str, open_browser: Callable[..., BrowserContext]) -> bool:
    """Return whether this is Carol's current password."""
    page = open_browser().new_page()
    page.goto(f"{demo.web}/sign-in/")
    page.get_by_label("Sign-in name").fill("carol@harbour.example")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Password", exact=True).fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()
    return page.get_by_role("alert").count() == 0


def test_ses_04_a_browser_signed_out_from_another_is_out_within_a_second(
    open_browser: Callable[..., BrowserContext], demo: Demo
) -> None:
    """A browser that is signed out from another one gets no page a second later; the other one stays signed in."""
    mine, lost = open_browser().new_page(), open_browser().new_page()
    sign_in(lost, demo)
    sign_in(mine, demo)
    mine.get_by_role("button", name="Sign out everywhere else").click()
    ended = time.monotonic()
    expect(mine.get_by_role("heading", level=1)).to_have_text("Security info")
    lost.goto(f"{demo.web}/security/")
    assert is_signed_out(lost)
    assert time.monotonic() - ended < 5, "the page itself took longer than any promise"
    mine.reload()
    expect(mine.get_by_role("heading", level=1)).to_have_text("Security info")
