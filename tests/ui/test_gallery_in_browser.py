"""Every component in a real Chromium: light, dark, narrow, forced colours, printed, with JavaScript and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.chromium import Picture, check_accessibility, check_fits
from tests.ui.gallery import SECRET, EveryField, Gallery, context, render, stranger_request

pytestmark = pytest.mark.browser

type Open = Callable[..., BrowserContext]

NARROW = {"width": 320, "height": 700}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "narrow": {"viewport": NARROW},
    "narrow-dark": {"viewport": NARROW, "color_scheme": "dark"},
    "forced-colours": {"forced_colors": "active"},
    "without-javascript": {"java_script_enabled": False},
    "narrow-without-javascript": {"viewport": NARROW, "java_script_enabled": False},
}


@pytest.fixture
def gallery() -> Gallery:
    """Return the gallery with its pages in each relevant state."""
    return Gallery(
        {
            "/": render("gallery/components.html", context()),
            "/calm/": render("gallery/components.html", context(EveryField())),
            "/code/": render("gallery/sign_in.html", context(EveryField(), next_code_in=30), stranger_request()),
            "/wrong-code/": render("gallery/sign_in.html", context(), stranger_request()),
            "/once/": render("gallery/shown_once.html", context(), stranger_request()),
            "/missing/": render("404.html", None, stranger_request()),
        }
    )


@pytest.mark.parametrize("look", list(LOOKS))
def test_every_component_can_be_seen_and_used_by_everybody(
    look: str, gallery: Gallery, open_browser: Open, picture: Picture
) -> None:
    browser = open_browser(**LOOKS[look])
    for path in gallery.pages:
        page = gallery.open(browser, path)
        picture(page, f"gallery-{look}-{path.strip('/') or 'wrong'}")
        check_fits(page)
        if LOOKS[look].get("java_script_enabled", True):
            check_accessibility(page)
    assert gallery.refused == [], "the site's own policy is kept"


def test_what_can_be_pressed_is_large_enough_for_a_finger(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(viewport=NARROW), "/calm/")
    page.locator("summary", has_text="Manage user settings").click()
    pressed = page.locator("a.button:visible, button:visible, summary:visible, select:visible, .tabs a")
    boxes = [(one.inner_text(), one.bounding_box()) for one in pressed.all()]
    assert len(boxes) > 25
    assert [(text, box) for text, box in boxes if box is None or box["height"] < 44 or box["width"] < 44] == []
    labels = [one.bounding_box() for one in page.locator(".tick label").all()]
    assert len(labels) == 5
    assert all(box is not None and box["height"] >= 44 for box in labels)


def test_the_focus_can_be_seen_everywhere(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(), "/calm/")
    seen = 0
    for _ in range(60):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "() => { const e = document.activeElement; if (e === document.body) return null;"
            " const s = getComputedStyle(e); return [e.outerHTML.slice(0, 80), s.outlineStyle, s.outlineWidth] }"
        )
        if style is None:
            break
        seen += 1
        assert style[1] != "none", style
        assert float(style[2].removesuffix("px")) >= 3, style
    assert seen > 40


def test_the_skip_link_is_the_first_stop_and_leads_to_the_content(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(), "/calm/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_summary_of_errors_has_the_focus_and_leads_to_the_fields(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser())
    expect(page.locator(".error-summary")).to_be_focused()
    assert page.locator(".error-summary").evaluate("e => getComputedStyle(e).outlineWidth") == "3px"
    page.locator(".error-summary a[href='#id_code']").click()
    expect(page.get_by_label("Security code")).to_be_focused()
    page.locator(".error-summary a[href='#id_channel_0']").click()
    expect(page.get_by_label("Text me a code")).to_be_focused()


@pytest.mark.parametrize("with_script", [True, False])
@pytest.mark.parametrize("menu", ["App launcher", "Settings", "Account of Alice Lindqvist"])
def test_a_menu_opens_by_keyboard_with_javascript_and_without(
    menu: str, with_script: bool, gallery: Gallery, open_browser: Open
) -> None:
    page = gallery.open(open_browser(java_script_enabled=with_script), "/calm/")
    summary = page.locator(f"summary[aria-label='{menu}']")
    links = page.locator("details.menu", has=summary).locator(".menu-list")
    expect(links).to_be_hidden()
    summary.focus()
    page.keyboard.press("Enter")
    expect(links).to_be_visible()
    check_fits(page)
    page.keyboard.press("Enter")
    expect(links).to_be_hidden()


@pytest.mark.parametrize("with_script", [True, False])
def test_where_there_is_little_room_the_navigation_opens_by_a_button(
    with_script: bool, gallery: Gallery, open_browser: Open, picture: Picture
) -> None:
    page = gallery.open(open_browser(viewport=NARROW, java_script_enabled=with_script), "/calm/")
    button, links = page.get_by_role("button", name="Menu"), page.locator(".navigation")
    expect(links).to_be_hidden()
    box = button.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 120, "the first screen is left to the page"
    button.focus()
    page.keyboard.press("Enter")
    expect(links).to_be_visible()
    box = links.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, NARROW["width"])
    assert all(one.evaluate("e => e.getBoundingClientRect().height") >= 44 for one in links.locator("a").all())
    check_fits(page)
    if with_script:
        check_accessibility(page)
    picture(page, f"gallery-navigation-{with_script}")
    page.keyboard.press("Escape")
    expect(links).to_be_hidden()
    expect(button).to_be_focused()


def test_where_there_is_room_the_navigation_is_there_without_a_button(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(), "/calm/")
    expect(page.locator(".navigation")).to_be_visible()
    expect(page.locator(".navigation-button")).to_be_hidden()


def test_a_menu_closes_by_escape_by_a_click_elsewhere_and_when_the_focus_leaves(
    gallery: Gallery, open_browser: Open
) -> None:
    page = gallery.open(open_browser(), "/calm/")
    launcher, gear = page.locator("summary[aria-label='App launcher']"), page.locator("summary[aria-label='Settings']")
    links = page.locator(".menu-list").first
    launcher.click()
    expect(links).to_be_visible()
    page.keyboard.press("Tab")
    expect(links).to_be_visible()
    page.keyboard.press("Escape")
    expect(links).to_be_hidden()
    expect(launcher).to_be_focused()
    launcher.click()
    page.locator("h1").click()
    expect(links).to_be_hidden()
    launcher.click()
    gear.focus()
    expect(links).to_be_hidden()


def test_a_password_can_be_shown_and_is_hidden_again_when_it_is_sent(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(), "/code/")
    field = page.get_by_label("Password", exact=True)
    field.fill("seven quiet otters")
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    expect(field).to_have_value("seven quiet otters")
    expect(page.get_by_role("button", name="Hide password")).to_have_text("Hide")
    page.get_by_role("button", name="Verify").click()
    expect(field).to_have_attribute("type", "password")


def test_without_javascript_no_button_is_dead(gallery: Gallery, open_browser: Open) -> None:
    browser = open_browser(java_script_enabled=False)
    page = gallery.open(browser, "/calm/")
    for name in ("Copy", "Print", "Copy the letter", "Show password"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    expect(page.get_by_label("Tick everybody on this page")).to_be_hidden()
    expect(page.locator("#secret")).to_have_text(SECRET)
    page = gallery.open(browser, "/code/")
    expect(page.locator("#wait")).to_contain_text("You can ask for another code in")
    expect(page.get_by_role("button", name="Call the number")).to_be_enabled()


def test_a_secret_and_a_letter_can_be_copied(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(permissions=["clipboard-read", "clipboard-write"]), "/calm/")
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == SECRET
    page.get_by_role("button", name="Copy the letter").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert page.evaluate("navigator.clipboard.readText()").startswith("Dear colleagues")


def test_where_copying_is_not_allowed_the_text_is_selected(gallery: Gallery, open_browser: Open) -> None:
    browser = open_browser()
    browser.add_init_script("delete Navigator.prototype.clipboard")
    page = gallery.open(browser, "/calm/")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_function("getSelection().toString().trim() !== ''")
    assert page.evaluate("getSelection().toString()").strip() == SECRET


def test_one_tick_box_ticks_everybody_and_says_how_many(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(), "/calm/")
    everybody, number = page.get_by_label("Tick everybody on this page"), page.locator("[data-ticked]")
    everybody.check()
    expect(number).to_have_text("3")
    assert all(box.is_checked() for box in page.locator("input[name=person]").all())
    page.get_by_label("Bob Castillo").uncheck()
    expect(number).to_have_text("2")
    assert everybody.evaluate("box => box.indeterminate")
    assert not everybody.is_checked()


def test_the_wait_counts_down_and_then_the_button_wakes(gallery: Gallery, open_browser: Open) -> None:
    browser = open_browser()
    browser.clock.install()
    page = gallery.open(browser, "/code/")
    again = page.get_by_role("button", name="Call the number")
    expect(again).to_be_disabled()
    browser.clock.run_for(10_000)
    expect(page.locator("#wait")).to_have_text("You can ask for another code in 20 seconds.")
    browser.clock.run_for(19_000)
    expect(page.locator("#wait")).to_have_text("You can ask for another code in 1 second.")
    expect(again).to_be_disabled()
    browser.clock.run_for(1_000)
    expect(page.locator("#wait")).to_be_hidden()
    expect(again).to_be_enabled()


def test_a_form_is_sent_once_however_often_it_is_pressed(gallery: Gallery, open_browser: Open) -> None:
    browser = open_browser()
    browser.clock.install()
    page = gallery.open(browser, "/code/")

    with page.expect_request("**/save/"):
        page.get_by_role("button", name="Verify").dblclick()
    page.get_by_role("button", name="Verify").dblclick()
    assert gallery.sent == ["/save/"]
    browser.clock.run_for(5_000)
    with page.expect_request("**/save/"):
        page.get_by_role("button", name="Verify").click()
    assert gallery.sent == ["/save/", "/save/"], "when nothing came back it can be sent again"


def test_a_table_is_a_stack_on_a_phone_and_still_a_table_to_those_who_listen(
    gallery: Gallery, open_browser: Open
) -> None:
    page = gallery.open(open_browser(viewport=NARROW), "/calm/")
    row = page.get_by_role("row").filter(has_text="Alice Lindqvist")
    box = row.get_by_text("Enforced").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= NARROW["width"], "the state can be seen without scrolling"
    expect(row.get_by_role("cell")).to_have_count(3)
    expect(row.get_by_role("rowheader")).to_have_text("Alice Lindqvist")
    assert row.locator("td").last.evaluate("e => getComputedStyle(e, '::before').content") == '"State"'
    expect(page.get_by_role("link", name="Sign-in name")).to_be_visible()


def test_without_javascript_a_table_scrolls_in_a_region_that_the_keyboard_reaches(
    gallery: Gallery, open_browser: Open
) -> None:
    page = gallery.open(open_browser(viewport=NARROW, java_script_enabled=False), "/calm/")
    region = page.get_by_role("region", name="People")
    region.focus()
    expect(region).to_be_focused()
    for _ in range(50):  # no script runs here, so there is nothing to wait on but the next press of the key
        page.keyboard.press("ArrowRight")
        if region.evaluate("e => e.scrollLeft") > 0:
            return
    pytest.fail("the table does not scroll")


def test_on_paper_only_what_was_meant_for_paper(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(color_scheme="dark"), "/once/")
    page.emulate_media(media="print")
    expect(page.locator("#secret")).to_be_visible()
    for gone in (".plain-foot", "a.button", "[data-copy]", ".skip-link"):
        expect(page.locator(gone)).to_be_hidden()
    assert _ink(page) == "rgb(27, 31, 36)", "dark ink even from a dark screen"


def test_the_chosen_tab_is_marked_where_colours_are_forced(gallery: Gallery, open_browser: Open) -> None:
    page = gallery.open(open_browser(forced_colors="active"), "/calm/")
    chosen = page.locator(".tabs a[aria-current]").evaluate("e => getComputedStyle(e).outlineWidth")
    other = page.locator(".tabs a:not([aria-current])").evaluate("e => getComputedStyle(e).outlineStyle")
    assert (chosen, other) == ("2px", "none")


def test_nothing_moves(gallery: Gallery, open_browser: Open) -> None:
    """No element moves, so the site needs no rule for *prefers-reduced-motion*."""
    page = gallery.open(open_browser(), "/calm/")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
        " return s.transitionDuration !== '0s' || s.animationName !== 'none' }).length"
    )
    assert moving == 0


def _ink(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).color"))
