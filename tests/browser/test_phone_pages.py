"""The pages while a code is on its way, in a real Chromium beside the demo's simulated phone."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Picture, check_accessibility, check_fits
from tests.browser.demo import Demo, running_demo
from tests.browser.player import OWN, Player
from tests.browser.test_every_page import LOOKS
from tests.scenarios.mail.site import wait_until

pytestmark = pytest.mark.browser

PAUSE = 10_000
"""The longest pause, in milliseconds, between two polls of a page that waits."""
LIVE = 15_000
"""The time in milliseconds within which a waiting page has polled again, on a busy machine."""


class Clock:
    """Shifts the demo's timestamps into the past, so that tests needn't wait, and sets delivery results."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def write(self, *statements: str) -> None:
        """Run statements on the database of the running demo."""
        with closing(sqlite3.connect(self._home / "watchword.sqlite3", timeout=30)) as database, database:
            for statement in statements:
                database.execute(statement)

    def settle(self) -> None:
        """Wait until every message has been sent and its first result is stored."""
        with closing(sqlite3.connect(self._home / "watchword.sqlite3", timeout=30)) as database:
            wait_until(lambda: not database.execute("SELECT 1 FROM messaging_outboxmessage LIMIT 1").fetchone())

    def pass_by(self, seconds: int) -> None:
        """Make every code older by a number of seconds."""
        self.settle()
        older = f"strftime('%Y-%m-%d %H:%M:%f', created_at, '-{seconds} seconds')"
        self.write(
            f"UPDATE messaging_delivery SET created_at = {older}",
            f"UPDATE signin_codechallenge SET created_at = {older}",
        )

    def becomes(self, result: str) -> None:
        """Set the result of the newest message."""
        self.settle()
        newest = "(SELECT id FROM messaging_delivery ORDER BY created_at DESC LIMIT 1)"
        self.write(f"UPDATE messaging_delivery SET result = '{result}' WHERE id = {newest}")

    def late_texts_come(self) -> None:
        """Let late texts arrive now."""
        self.settle()
        now = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
        self.write(f"UPDATE simulator_arrival SET at = {now} WHERE at > {now}")

    def number_match(self, requested: bool) -> None:
        """Set whether the organisation requires two digits to be pressed in calls."""
        self.write(f"UPDATE directory_organisation SET number_match = {int(requested)}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the demo."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(home: Path) -> Iterator[Demo]:
    """Yield one demo for all tests of the module."""
    with running_demo(home) as running:
        yield running


@pytest.fixture
def clock(demo: Demo, home: Path) -> Clock:
    """Return the clock of the demo, with all codes of earlier tests far in the past."""
    clock = Clock(home)
    clock.pass_by(3 * 86_400)
    clock.number_match(requested=False)
    return clock


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Return whether the browsers run JavaScript."""
    value: bool = request.param
    return value


@pytest.fixture
def sit_down(open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture) -> Callable[..., Player]:
    """Return a function that opens a browser of its own for a new person."""

    def player(*, scripts: bool = True, **options: object) -> Player:
        context = open_browser(java_script_enabled=scripts, **options)
        # The pages' own clock: it runs as usual and can be fast-forwarded.
        context.clock.install()
        return Player(context, demo, picture, scripts=scripts)

    return player


def looks_again(page: Page) -> None:
    """Fast-forward the page's clock past the pause between two polls."""
    page.clock.fast_forward(PAUSE)


def to_the_code(player: Player, name: str) -> None:
    """Type name and password, at the first sign-in the initial one; the code is sent."""
    player.begin(name, OWN)
    if player.page.get_by_role("alert").count():
        player.begin(name, player.demo.passwords[name])
    expect(player.page.get_by_role("heading", level=1)).to_contain_text(re.compile("Check your phone|Choose a new"))


def signed_in(player: Player) -> None:
    """Check that the person is signed in; at the first sign-in, replace the initial password before."""
    heading = player.page.get_by_role("heading", level=1)
    expect(heading).to_have_text(re.compile("Choose a new password|Hello, Alice"), timeout=LIVE)
    if heading.inner_text() == "Choose a new password":
        player.choose_own_password()
    expect(heading).to_have_text("Hello, Alice Lindqvist")


def pick_up(player: Player, *keys: str) -> None:
    """Answer the ringing phone, and press keys."""
    player.telephone.goto(f"{player.demo.web}/demo/telephone/")
    player.telephone.get_by_role("button", name="Answer").click()
    for key in keys:
        player.telephone.get_by_role("button", name=f"Key {key}", exact=True).click()


def carried(player: Player, clock: Clock, *, scripts: bool) -> None:
    """Wait until the requested message has been sent; without scripts, reload the page to show it."""
    player.page.wait_for_load_state()
    clock.settle()
    if not scripts:
        player.page.reload()


def shown_digits(page: Page) -> str:
    digits = page.locator(".match [aria-hidden]").inner_text()
    assert re.fullmatch("[1-9][0-9]", digits)
    return digits


def test_a_late_text_offers_a_call_and_its_arrival_is_seen_without_loading_the_page_again(
    sit_down: Callable[..., Player], clock: Clock
) -> None:
    bob = sit_down()
    to_the_code(bob, "bob")
    bob.choose_own_password()
    bob.page.get_by_role("link", name="Set it up now").click()
    bob.page.get_by_label("Phone number").fill("0151 23456796")
    bob.page.get_by_role("button", name="Contact me").click()
    says = bob.page.locator("[data-says]")
    expect(says).to_have_text("Sent.")
    late = bob.page.get_by_text("It hasn't arrived yet. We can call you instead.")
    expect(late).to_be_hidden()
    bob.page.evaluate("window.stayed = true")
    field = bob.page.get_by_label("Security code")
    button = bob.page.get_by_role("button", name="Call the number ending 96")
    before = field.bounding_box(), button.bounding_box()
    clock.pass_by(31)
    looks_again(bob.page)
    expect(late).to_be_visible(timeout=LIVE)
    bob.see("text-is-late")
    clock.late_texts_come()
    code = bob.texted_code()
    looks_again(bob.page)
    expect(says).to_have_text("Delivered.", timeout=LIVE)
    expect(late).to_be_hidden()
    assert bob.page.evaluate("window.stayed") is True
    assert (field.bounding_box(), button.bounding_box()) == before, "nothing has moved"
    bob.verify(code)
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Your app password")


def test_digits_half_typed_are_left_alone_whatever_is_reported(sit_down: Callable[..., Player], clock: Clock) -> None:
    alice = sit_down()
    to_the_code(alice, "alice")
    alice.page.get_by_label("Security code").fill("12")
    clock.becomes("unreachable")
    for _ in range(2):
        with alice.page.expect_response(lambda answer: "sign-in/state" in answer.url, timeout=LIVE):
            looks_again(alice.page)
    expect(alice.page.get_by_label("Security code")).to_have_value("12")
    alice.page.get_by_label("Security code").fill("")
    looks_again(alice.page)
    expect(alice.page.get_by_role("alert")).to_contain_text("did not get through", timeout=LIVE)
    expect(alice.page.get_by_role("alert")).to_be_focused()


def test_a_page_in_the_background_asks_for_nothing(sit_down: Callable[..., Player], clock: Clock) -> None:
    alice = sit_down()
    to_the_code(alice, "alice")
    hide = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true });"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    alice.page.evaluate(hide % "true")
    alice.page.wait_for_load_state()
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url) if "state" in request.url else None)
    for _ in range(5):
        looks_again(alice.page)
    assert asked == []
    with alice.page.expect_response(lambda answer: "sign-in/state" in answer.url, timeout=LIVE):
        alice.page.evaluate(hide % "false")


def test_two_digits_are_pressed_and_the_door_opens(
    sit_down: Callable[..., Player], clock: Clock, scripts: bool
) -> None:
    clock.number_match(requested=True)
    alice = sit_down(scripts=scripts)
    to_the_code(alice, "alice")
    clock.pass_by(31)
    alice.page.reload()
    alice.page.get_by_role("button", name="Call the number ending 78").click()
    digits = shown_digits(alice.page)
    expect(alice.page.get_by_label("Security code")).to_have_count(0)
    alice.see("two-digits")
    alice.page.get_by_role("button", name="I pressed them").click()
    expect(alice.page.get_by_role("alert")).to_contain_text("still waiting for the two digits")
    assert shown_digits(alice.page) == digits
    alice.see("two-digits-too-early")
    pick_up(alice, digits[0])
    alice.see("telephone-two-digits", alice.telephone)
    alice.telephone.get_by_role("button", name=f"Key {digits[1]}", exact=True).click()
    expect(alice.telephone.locator("main")).to_contain_text("You can go on at your screen.")
    alice.see("telephone-says-goodbye", alice.telephone)
    if not scripts:
        expect(alice.page.get_by_role("link", name="Check again")).to_be_visible()
        alice.page.get_by_role("button", name="I pressed them").click()
    signed_in(alice)


@pytest.mark.parametrize("what", ["mismatched", "fraud"])
def test_wrong_digits_and_fraud_are_said_and_lead_on(
    sit_down: Callable[..., Player], clock: Clock, scripts: bool, what: str
) -> None:
    clock.number_match(requested=True)
    alice = sit_down(scripts=scripts)
    to_the_code(alice, "alice")
    clock.pass_by(31)
    alice.page.reload()
    alice.page.get_by_role("button", name="Call the number ending 78").click()
    wrong = "10" if shown_digits(alice.page) != "10" else "11"
    pick_up(alice, *((*wrong, *wrong) if what == "mismatched" else ("0", "#")))
    if not scripts:
        alice.page.get_by_role("link", name="Check again").click()
    says = "Wrong digits were pressed twice" if what == "mismatched" else "they are not signing in"
    if scripts:
        looks_again(alice.page)
    expect(alice.page.get_by_role("alert")).to_contain_text(says, timeout=LIVE)
    expect(alice.page.locator(".match")).to_have_count(0)
    alice.see(f"two-digits-{what}")
    clock.pass_by(31)
    alice.page.reload()
    alice.page.get_by_role("button", name="Text the number ending 78").click()
    alice.verify(alice.texted_code())
    signed_in(alice)


def test_a_busy_number_offers_the_text_at_once(sit_down: Callable[..., Player], clock: Clock, scripts: bool) -> None:
    alice = sit_down(scripts=scripts)
    to_the_code(alice, "alice")
    alice.verify(alice.texted_code())
    signed_in(alice)
    alice.page.goto(f"{alice.demo.web}/methods/add/phone/?slot=alternate")
    alice.page.get_by_label("Phone number").fill("0151 23456798")
    alice.page.get_by_label("Call me with a code").check()
    alice.page.get_by_role("button", name="Contact me").click()
    carried(alice, clock, scripts=scripts)
    busy = "We called, and the line was busy. Choose another way:"
    expect(alice.page.get_by_role("alert")).to_contain_text(busy, timeout=LIVE)
    alice.see("busy")
    text = alice.page.get_by_role("button", name="Text the number ending 98")
    expect(text).to_be_enabled()
    text.click()
    carried(alice, clock, scripts=scripts)
    sent = "We sent a text message to the number ending 98 · Delivered."
    expect(alice.page.locator("main")).to_contain_text(sent, timeout=LIVE)
    alice.verify(alice.texted_code())
    expect(alice.page.locator("main")).to_contain_text("text to the number ending 98")
    alice.see("last-codes")


def test_a_call_that_is_declined_offers_the_text_without_loading_by_hand(
    sit_down: Callable[..., Player], clock: Clock
) -> None:
    alice = sit_down()
    to_the_code(alice, "alice")
    clock.pass_by(31)
    alice.page.reload()
    alice.page.get_by_role("button", name="Call the number ending 78").click()
    says = alice.page.locator("[data-says]")
    expect(says).to_have_text("Ringing…")
    pick_up(alice)
    looks_again(alice.page)
    expect(says).to_have_text("Answered.", timeout=LIVE)
    alice.telephone.get_by_role("button", name="Hang up").click()
    looks_again(alice.page)
    expect(alice.page.get_by_role("alert")).to_contain_text("before the code was heard", timeout=LIVE)
    first = alice.page.locator("main form button").first
    expect(first).to_have_text("Text the number ending 78")
    first.click()
    alice.verify(alice.texted_code())
    signed_in(alice)


@pytest.mark.parametrize("kind", list(LOOKS))
def test_every_state_can_be_seen_by_everybody(
    kind: str, sit_down: Callable[..., Player], clock: Clock, picture: Picture
) -> None:
    alice = sit_down(**LOOKS[kind])
    page = alice.page
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))

    def look(name: str, shown: Page = page) -> None:
        shown.wait_for_load_state()
        check_accessibility(shown)
        check_fits(shown)
        picture(shown, f"phone-{kind}-{name}")

    clock.number_match(requested=True)
    to_the_code(alice, "alice")
    look("delivered")
    # A page that has learnt that the text arrived stops polling; after a reload it polls once more.
    page.reload()
    place = page.get_by_label("Security code").bounding_box()
    clock.becomes("waiting")
    looks_again(page)
    expect(page.locator("[data-says]")).to_have_text("Sending…", timeout=LIVE)
    assert page.get_by_label("Security code").bounding_box() == place, "nothing has moved"
    look("on-its-way")
    clock.pass_by(31)
    looks_again(page)
    expect(page.get_by_text("It hasn't arrived yet.")).to_be_visible(timeout=LIVE)
    page.reload()
    look("late")
    clock.becomes("unreachable")
    looks_again(page)
    expect(page.get_by_role("alert")).to_contain_text("did not get through", timeout=LIVE)
    look("text-in-trouble")
    page.get_by_role("button", name="Call the number ending 78").click()
    look("two-digits")
    page.get_by_role("button", name="I pressed them").click()
    look("two-digits-too-early")
    pick_up(alice)
    look("telephone-connected", alice.telephone)
    alice.telephone.get_by_role("button", name="Hang up").click()
    clock.becomes("voicemail")
    looks_again(page)
    expect(page.get_by_role("alert")).to_contain_text("If it was a machine", timeout=LIVE)
    look("call-in-trouble")
    page.get_by_role("button", name="Text the number ending 78").click()
    expect(page.locator("main")).to_contain_text("No more codes are sent in this sign-in.")
    look("no-more")
    page.reload()
    clock.write("UPDATE signin_codechallenge SET expires_at = created_at")
    looks_again(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Get a security code", timeout=LIVE)
    look("over")
    assert [problem for problem in problems if "404" not in problem] == [], "the browser complains"
