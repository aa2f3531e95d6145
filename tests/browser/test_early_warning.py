"""Step 6 of the story: a stranger has the right password, and its owner ends that with one button."""

from __future__ import annotations

import email
import imaplib
import re
import time
from collections.abc import Callable, Iterator
from email import policy

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.chromium import Picture, words
from tests.browser.demo import Demo, running_demo
from tests.browser.player import OWN, Player, open_mailbox

pytestmark = pytest.mark.browser

SUBJECT = "Somebody knows your password"
PROMISE_SECONDS = 2.0
NEW = "nine brave herons wait"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Yield a fresh demo."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def player(open_browser: Callable[..., BrowserContext], demo: Demo, picture: Picture) -> Callable[[], Player]:
    """Return a function that opens a browser of its own for a person."""
    return lambda: Player(open_browser(), demo, picture, scripts=True)


def wait_for_mail(demo: Demo, subject: str, seconds: float) -> str:
    """Poll the mailbox as a mail program does until a mail with the subject arrives; return its text."""
    deadline = time.monotonic() + seconds
    program = open_mailbox(demo, "alice", demo.alices_app_password)
    while time.monotonic() < deadline:
        try:
            program.select("INBOX", readonly=True)
        except imaplib.IMAP4.abort:
            # The change of password just before closed the open session; a mail program connects again.
            program.shutdown()
            program = open_mailbox(demo, "alice", demo.alices_app_password)
            continue
        _ok, (found,) = program.search(None, "ALL")
        for number in reversed(found.split()):
            _ok, parts = program.fetch(number.decode(), "(RFC822)")
            # Flag changes of other programs may come first, as a response of its own (RFC 3501 section 7.4.2).
            content = next(part[1] for part in parts if isinstance(part, tuple))
            message = email.message_from_bytes(content, policy=policy.default)
            if str(message["Subject"]).startswith(subject):
                body = message.get_body(("plain",))
                assert body is not None
                program.logout()
                return str(body.get_content())
    raise AssertionError(f"no mail {subject!r} within {seconds} seconds")


def is_closed(program: imaplib.IMAP4) -> bool:
    try:
        program.noop()
    except (imaplib.IMAP4.abort, OSError):
        program.shutdown()
        return True
    return False


def test_a_stranger_with_the_right_password_is_shut_out_by_one_button(player: Callable[[], Player], demo: Demo) -> None:
    owner = player()
    owner.begin("alice", demo.passwords["alice"])
    owner.verify(owner.texted_code())
    owner.choose_own_password()
    expect(owner.page.get_by_role("heading", name="Hello, Alice Lindqvist")).to_be_visible()

    stranger = player()
    stranger.begin("alice", OWN)
    code = owner.texted_code()
    wrong = f"{(int(code.replace(' ', '')) + 1) % 1_000_000:06d}"
    # One wrong code may be a slip; the second raises a warning.
    began = time.monotonic()
    for _try in range(2):
        stranger.page.get_by_label("Security code").fill(wrong)
        with stranger.page.expect_navigation():
            stranger.page.get_by_role("button", name="Verify").click()
        began = time.monotonic()
        expect(stranger.page.get_by_text("That code didn't work").first).to_be_visible()
    body = wait_for_mail(demo, SUBJECT, PROMISE_SECONDS - (time.monotonic() - began))
    for word in ("failed at the security code", "127.0.0.1", "This wasn't me"):
        assert word in body
    for secret in (OWN, code, wrong):
        assert secret not in body
    link = re.search(r"http://\S+/not-me/\S+", body)
    assert link is not None

    answer = player()
    answer.page.goto(link[0])
    expect(answer.page.get_by_role("heading", level=1)).to_have_text("Was this not you?")
    assert "#" not in answer.page.url
    answer.see("not-me")
    owner.page.goto(f"{demo.web}/security/")
    expect(owner.page.get_by_role("heading", name="Security info")).to_be_visible()
    program = open_mailbox(demo, "alice", demo.alices_app_password)
    program.noop()
    answer.page.get_by_role("button", name="This wasn't me").click()
    expect(answer.page.get_by_role("heading", level=1)).to_have_text("What was closed")
    answer.see("not-me-done")
    answer.page.set_viewport_size({"width": 320, "height": 800})
    answer.page.emulate_media(color_scheme="dark")
    answer.see("not-me-done-narrow-and-dark")
    answer.page.set_viewport_size({"width": 1280, "height": 800})
    said = words(answer.page)
    for word in ("The old password is useless", "Phone ending", "App password", "First comes a code"):
        assert word in said

    owner.page.goto(f"{demo.web}/security/")
    expect(owner.page.get_by_label("Sign-in name")).to_be_visible()
    deadline = time.monotonic() + 10
    while not is_closed(program):
        assert time.monotonic() < deadline, "the mail connection is still open"
    # The right code, posted faster than the page learns that its attempt has ended.
    csrf = next(cookie["value"] for cookie in stranger.page.context.cookies() if cookie["name"] == "csrf")
    form: dict[str, str | float | bool] = {"answer": code, "csrfmiddlewaretoken": csrf}
    late = stranger.page.request.post(f"{demo.web}/sign-in/prove/", form=form, headers={"Origin": demo.web})
    assert late.ok
    assert "Sign-in name" in late.text()
    stranger.page.reload()
    expect(stranger.page.get_by_label("Sign-in name")).to_be_visible()
    stranger.begin("alice", OWN)
    expect(stranger.page.get_by_text("That name or password is not right.").first).to_be_visible()

    answer.page.get_by_role("button", name="Text a code").click()
    expect(answer.page.get_by_role("heading", level=1)).to_have_text("Check your phone")
    answer.verify(owner.texted_code())
    answer.see("not-me-new-password")
    answer.page.get_by_label("New password").fill(NEW)
    answer.page.get_by_role("button", name="Save the password").click()
    expect(answer.page.get_by_text("Your password is set. Sign in with it now.")).to_be_visible()
    owner.begin("alice", NEW)
    owner.verify(owner.texted_code())
    expect(owner.page.get_by_role("heading", name="Hello, Alice Lindqvist")).to_be_visible()
    owner.page.goto(f"{demo.web}/warnings/")
    owner.see("warnings")
    owner.page.goto(f"{demo.web}/app-passwords/")
    owner.see("app-passwords")
    owner.page.get_by_role("link", name="Limits").first.click()
    owner.see("limits")

    root = player()
    root.begin_as_root()
    root.page.goto(f"{demo.web}/admin/alerts/")
    root.see("alerts")
    said = words(root.page)
    for word in ("Right password, no code", "was pressed", "the old password is useless", "Alice Lindqvist"):
        assert word in said
    root.page.get_by_role("button", name="Close").first.click()
    expect(root.page.get_by_text("The alert is closed.")).to_be_visible()
