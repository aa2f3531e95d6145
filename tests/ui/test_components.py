"""The markup of the ``ui`` package: labels, ties between elements, escaping, plain words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django import forms
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils import timezone

from tests.ui import gallery
from tests.ui.gallery import HOSTILE, SECRET, EveryField, context, render, stranger_request
from watchword.ui.icons import ICONS
from watchword.ui.templatetags.watchword_ui import icon, in_words, initials, person_time, seconds_until, state_tag

VOID = {"input", "meta", "link", "img", "br"}
ERROR_PAGES = ("400.html", "403.html", "403_csrf.html", "404.html", "500.html")


class Elements(HTMLParser):
    """A parser of a page into its elements, each with its attributes and its enclosing tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.inside: list[list[tuple[str, dict[str, str]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs})
        self.found.append(element)
        self.inside.append(list(self.open))
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert tag not in VOID
        while self.open.pop()[0] != tag:
            pass

    def of(self, *tags: str) -> list[dict[str, str]]:
        """Return the attributes of each element with one of the tags."""
        return [attributes for tag, attributes in self.found if tag in tags]

    def controls(self) -> list[dict[str, str]]:
        """Return the attributes of the controls that a person can fill in."""
        return [one for one in self.of("input", "select", "textarea") if one.get("type") != "hidden"]

    def ids(self) -> list[str]:
        """Return every id on the page."""
        return [attributes["id"] for _tag, attributes in self.found if attributes.get("id")]


@pytest.fixture(params=["gallery/components.html", "gallery/sign_in.html", "gallery/shown_once.html"])
def page(request: pytest.FixtureRequest) -> Elements:
    return Elements(render(request.param, context()))


def rows(form: forms.Form) -> str:
    source = "{% load watchword_ui %}{% error_summary form %}{% for field in form %}{% form_row field %}{% endfor %}"
    return str(gallery.ENGINE.from_string(source).render({"form": form}))


def test_every_input_has_a_label(page: Elements) -> None:
    labelled = {label["for"] for label in page.of("label")}
    bare = [one for one in page.controls() if one.get("id") not in labelled and not one.get("aria-label")]
    assert bare == []
    assert all("placeholder" not in one for one in page.controls())


def test_no_id_stands_twice_and_every_tie_leads_somewhere(page: Elements) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    ties = [
        target
        for _tag, attributes in page.found
        for name in ("for", "aria-describedby", "aria-labelledby", "aria-controls", "data-copy", "data-after")
        for target in attributes.get(name, "").split()
    ]
    assert ties
    assert set(ties) <= set(ids)


def test_hint_and_error_are_tied_to_their_input() -> None:
    elements = Elements(rows(EveryField({})))
    (code,) = [one for one in elements.of("input") if one.get("name") == "code"]
    assert code["aria-describedby"] == "id_code-hint id_code-error"
    assert code["aria-invalid"] == "true"
    assert (code["autocomplete"], code["inputmode"], code["class"]) == ("one-time-code", "numeric", "code-input")


def test_a_field_that_is_right_is_not_called_wrong() -> None:
    form = EveryField({"name": "fine", "country": "de", "channel": "text"})
    assert not form.is_valid()
    elements = Elements(rows(form))
    right = [one for one in elements.controls() if one.get("name") in ("name", "country", "channel", "password")]
    assert len(right) == 5
    assert all("aria-invalid" not in one for one in right)
    (name,) = [one for one in right if one.get("name") == "name"]
    assert name["aria-describedby"] == "id_name-hint"


def test_radios_and_tick_boxes_that_belong_together_stand_in_a_fieldset_with_a_legend() -> None:
    elements = Elements(rows(EveryField({})))
    groups = elements.of("fieldset")
    assert [group["aria-describedby"] for group in groups] == ["id_channel-hint id_channel-error", "id_channels-error"]
    assert len(elements.of("legend")) == 2
    for (_tag, attributes), inside in zip(elements.found, elements.inside, strict=True):
        if attributes.get("name"):
            assert ("fieldset" in dict(inside)) == (attributes["name"] in ("channel", "channels"))


def test_the_summary_leads_to_each_wrong_field_and_says_the_fields_words() -> None:
    form = EveryField({})
    written = rows(form)
    elements = Elements(written)
    targets = [link["href"].removeprefix("#") for link in elements.of("a")]
    wrong = [name for name in form.errors if name not in ("__all__", "stored")]
    assert len(targets) == len(wrong) == 8
    fillable = {one["id"] for one in elements.controls()}
    assert set(targets) <= fillable
    assert "id_channel_0" in targets
    assert "These don&#x27;t fit together" in written
    (summary,) = [one for one in elements.of("div") if one.get("role") == "alert"]
    assert (summary["tabindex"], summary["data-focus"]) == ("-1", "")


def test_every_error_of_a_field_stands_at_the_field() -> None:
    form = EveryField({"name": "x"})
    form.add_error("name", "It has no @")
    form.add_error("name", "It is too short")
    row = rows(form).split('for="id_name"')[1].split("</div>")[0]
    assert "It has no @ It is too short" in row


def test_a_form_without_errors_has_no_summary() -> None:
    assert "There is a problem" not in rows(EveryField())


def test_hostile_words_stay_words() -> None:
    form = EveryField({"name": HOSTILE, "code": HOSTILE, "country": HOSTILE, "letter": f"</textarea>{HOSTILE}"})
    form.fields["name"].label = HOSTILE
    form.fields["name"].help_text = HOSTILE
    form.add_error("name", HOSTILE)
    form.add_error(None, HOSTILE)
    people = [{"name": HOSTILE, "sign_in_name": HOSTILE, "state": HOSTILE}]
    request = gallery.signed_in_request()
    request.user.display_name = HOSTILE  # type: ignore[union-attr]  # the gallery's own person
    values = context(form) | {"people": people, "secret": HOSTILE}
    written = render("gallery/components.html", values, request)
    assert "<script>alert" not in written
    assert written.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 12
    assert "<script>" not in person_time(None) + state_tag(HOSTILE) + initials(HOSTILE)


def test_the_title_says_that_there_is_an_error_only_where_there_is_one() -> None:
    assert "<title>Error: Check your phone" in render("gallery/sign_in.html", context())
    assert "<title>Check your phone" in render("gallery/sign_in.html", context(EveryField()))


def test_what_was_typed_comes_back_but_never_a_password() -> None:
    written = rows(EveryField({"name": "alice", "code": "12 34", "password": "seven quiet otters"}))
    assert 'value="alice"' in written
    assert 'value="12 34"' in written
    assert "otters" not in written


def test_a_state_is_a_word_and_its_colour_only_repeats_it() -> None:
    assert re.sub(r"<[^>]+>", "", state_tag("enforced")) == "Enforced"
    tags = [state_tag(state) for state in gallery.STATES]
    assert all(re.fullmatch(r'<span class="tag tag-\w+">[A-Z][a-z]+</span>', tag) for tag in tags)


def test_a_time_is_short_in_words_and_whole_for_machines_and_on_hover() -> None:
    moment = datetime(2020, 5, 3, 9, 30, tzinfo=UTC)
    written = person_time(moment)
    told = re.search(r'datetime="([^"]+)" title="([^"]+)">3 May 2020<', written)
    assert told is not None
    assert datetime.fromisoformat(told[1]) == moment
    assert "2020" in told[2]
    assert ":30" in told[2]
    assert person_time(None) == "never"
    assert "today at" in person_time(timezone.now())


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "1 second"), (0.2, "1 second"), (29.5, "30 seconds"), (70, "a minute"), (250, "4")]
)
def test_a_wait_is_told_in_words(seconds: float, said: str) -> None:
    assert in_words(timezone.now() + timedelta(seconds=seconds)).startswith(said)


def test_a_countdown_never_starts_below_nothing() -> None:
    assert seconds_until(timezone.now() - timedelta(hours=1)) == 0


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Alice Lindqvist", "AL"),
        ("bob@example.org", "BE"),
        ("Åsa", "Å"),
        ("Ada de la Cruz", "AC"),
        ("(x) !", "?"),
        ("", "?"),
    ],
)
def test_initials_stand_for_a_name(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize("name", sorted(ICONS))
def test_an_icon_is_decoration(name: str) -> None:
    assert 'aria-hidden="true"' in icon(name)
    assert Elements(icon(name)).open == []


def test_pages_of_a_list_show_only_the_ways_that_exist() -> None:
    def channels(arguments: str) -> list[str]:
        written = gallery.ENGINE.from_string(f"{{% load watchword_ui %}}{{% pagination {arguments} %}}").render({})
        return [link["href"] for link in Elements(written).of("a")]

    assert channels('first="a=1&b=2" after="c=3"') == ["?a=1&b=2", "?c=3"]
    assert channels('before="d=4"') == ["?d=4"]
    assert channels("") == []


def test_a_secret_is_shown_in_groups_and_read_as_it_is() -> None:
    written = render("gallery/shown_once.html", context())
    groups = re.findall(r"<span>(\w{4})</span>", written)
    assert groups == SECRET.split()
    shown = written.split('id="secret">')[1].split("</p>")[0]
    assert re.sub(r"<[^>]+>", "", shown) == SECRET


def test_what_needs_javascript_is_hidden_until_it_runs(page: Elements) -> None:
    for element, inside in zip(page.found, page.inside, strict=True):
        if {"data-copy", "data-print", "data-tick-all"} & set(element[1]):
            assert any({"hidden", "data-with-script"} <= set(one) for _tag, one in [*inside, element]), element


@pytest.mark.parametrize("template", ["gallery/components.html", *ERROR_PAGES])
def test_no_page_has_a_script_or_a_style_of_its_own(template: str) -> None:
    elements = Elements(render(template, context() if "/" in template else None))
    assert elements.of("style") == []
    assert [(one["src"], "defer" in one) for one in elements.of("script")] == [(static("ui/watchword.js"), True)]
    assert [one["href"] for one in elements.of("link")] == [static("ui/mark.svg"), static("ui/watchword.css")]
    assert not [name for _tag, one in elements.found for name in one if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("template", ERROR_PAGES)
def test_an_error_page_says_what_happened_in_plain_words_and_leads_on(template: str) -> None:
    written = render(template, None, stranger_request())
    assert 'class="button" href="/"' in written
    heading = re.search(r"<h1>(.+?)</h1>", written)
    assert heading is not None
    title = re.search(r"<title>(.+?) \S Watchword</title>", written)
    assert title is not None
    assert title[1] == heading[1]
    assert not re.search(r"\b(4\d\d|500|CSRF|token|exception|MFA|OTP)\b", re.sub(r"<[^>]+>", " ", written))


def test_only_administrators_see_the_way_to_the_admin_center() -> None:
    request = gallery.signed_in_request()
    assert 'href="/admin/users/"' in render("gallery/components.html", context(), request)
    request.user.is_administrator = False  # type: ignore[union-attr]  # the gallery's own person
    assert 'href="/admin/users/"' not in render("gallery/components.html", context(), request)


def test_app_passwords_are_one_click_behind_the_gear() -> None:
    written = render("gallery/components.html", context())
    gear = written.split('aria-label="Settings"', 1)[1].split("</details>")[0]
    assert 'href="/app-passwords/"' in gear


def test_signing_out_is_a_form_that_nobody_else_can_send() -> None:
    written = render("gallery/components.html", context())
    form = re.search(r'<form method="post" action="/sign-out/">(.+?)</form>', written, re.DOTALL)
    assert form is not None
    assert "csrfmiddlewaretoken" in form[1]


def test_the_style_sheet_is_small_and_loads_nothing() -> None:
    found = finders.find("ui/watchword.css")
    assert isinstance(found, str)
    style = Path(found).read_bytes()
    assert len(style) < 16 * 1024
    assert b"url(" not in style
    assert b"@import" not in style


def test_every_colour_has_a_light_and_a_dark_value() -> None:
    found = finders.find("ui/watchword.css")
    assert isinstance(found, str)
    named = re.findall(r"^  --([\w-]+): (.+);$", Path(found).read_text().split("}")[0], re.MULTILINE)
    colours = {name: value for name, value in named if name not in ("shadow", "radius")}
    assert len(colours) > 15
    assert all(value.startswith("light-dark(") for value in colours.values())
