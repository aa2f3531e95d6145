"""A page with every component, and a server for it that answers a browser without a network."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates
from django.test import RequestFactory
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, Route

from watchword.ui.icons import ICONS

HOST = "http://localhost"  # a secure context for browsers, so the clipboard works; nothing listens there
SECRET = "abcd efgh ijkl mnop qrst uvwx"
HOSTILE = '"><script>alert(1)</script>&'
STATES = ("disabled", "enabled", "enforced", "blocked", "deleted", "suspended")

ENGINE = DjangoTemplates(
    {
        "NAME": "gallery",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        "OPTIONS": settings.TEMPLATES[0]["OPTIONS"],
    }
)


class EveryField(forms.Form):
    """One field of each kind."""

    name = forms.CharField(label="Sign-in name", help_text="Such as alice@example.org")
    password = forms.CharField(
        label="Password", widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), required=False
    )
    code = forms.CharField(
        label="Security code",
        help_text="Six digits",
        widget=forms.TextInput(
            attrs={"class": "code-input", "inputmode": "numeric", "autocomplete": "one-time-code"},
        ),
    )
    number = forms.IntegerField(label="How many", widget=forms.NumberInput(attrs={"class": "short-input"}))
    country = forms.ChoiceField(label="Country", choices=[("", "Choose"), ("de", "Germany (+49)")])
    channel = forms.ChoiceField(
        label="How should the code come?",
        help_text="Your network operator may charge for calls.",
        choices=[("text", "Text me a code"), ("call", "Call me with a code")],
        widget=forms.RadioSelect,
    )
    channels = forms.MultipleChoiceField(
        label="Which ways are allowed?",
        choices=[("text", "Text message"), ("call", "Phone call")],
        widget=forms.CheckboxSelectMultiple,
    )
    agreed = forms.BooleanField(label="People may use app passwords", help_text="Existing ones stop at once.")
    letter = forms.CharField(label="Letter", widget=forms.Textarea)
    stored = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> None:
        """Add an error that belongs to no field."""
        if self.data.get("name") != "fine":
            raise forms.ValidationError("These don't fit together")


def signed_in_request() -> HttpRequest:
    """Return a request of a signed-in administrator."""
    request = RequestFactory().get("/", headers={"host": "localhost"})
    request.user = SimpleNamespace(  # type: ignore[assignment]  # templates read these names and no more
        is_authenticated=True,
        is_administrator=True,
        display_name="Alice Lindqvist",
        sign_in_name="alice@example.org",
        organisation=SimpleNamespace(name="Harbour & Hill"),
    )
    return request


def stranger_request() -> HttpRequest:
    """Return a request without a signed-in person."""
    request = RequestFactory().get("/", headers={"host": "localhost"})
    request.user = SimpleNamespace(is_authenticated=False)  # type: ignore[assignment]  # as above
    return request


def context(form: forms.Form | None = None, *, next_code_in: float = 90) -> dict[str, Any]:
    """Return the values for the gallery's templates; without a form, every field of it is in error."""
    now = timezone.now()
    people = [
        {"name": name, "sign_in_name": f"{name.split()[0].lower()}.a.long.name@example.org", "state": state}
        for name, state in zip(("Alice Lindqvist", "Bob Castillo", "Carol Nakamura"), STATES[2::-1], strict=True)
    ]
    return {
        "form": EveryField({}) if form is None else form,
        "people": people,
        "states": STATES,
        "icons": sorted(ICONS),
        "secret": SECRET,
        "moment": datetime(now.year - 1, 5, 3, 9, 30, tzinfo=timezone.get_current_timezone()),
        "next_code": now + timedelta(seconds=next_code_in),
    }


def render(template: str, values: dict[str, Any] | None = None, request: HttpRequest | None = None) -> str:
    """Return a page of the gallery, or one of the ``ui`` package's own."""
    return str(ENGINE.get_template(template).render(values or {}, request or signed_in_request()))


@dataclass
class Gallery:
    """Answers a browser's requests: pages by path, and static files, all with the site's content security policy."""

    pages: dict[str, str]

    def __post_init__(self) -> None:
        self.sent: list[str] = []
        self.refused: list[str] = []

    def open(self, context: BrowserContext, path: str = "/") -> Page:
        """Open one page; everything that the browser refuses to load or run is appended to ``refused``."""
        page = context.new_page()
        page.on("console", lambda said: self.refused.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.refused.append(str(error)))
        page.route("**/*", self._answer)
        page.goto(HOST + path)
        return page

    def _answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if route.request.method == "POST":
            # 204: the browser stays on the page, as it does while a response is slow.
            self.sent.append(path)
            route.fulfill(status=204)
        elif path.startswith("/static/"):
            found = finders.find(re.sub(r"\.[0-9a-f]{16}(?=\.\w+$)", "", path.removeprefix("/static/")))
            assert isinstance(found, str), path
            route.fulfill(path=found, content_type=mimetypes.guess_type(found)[0])
        else:
            policy = "; ".join(f"{name} {' '.join(values)}" for name, values in settings.SECURE_CSP.items())
            route.fulfill(
                body=self.pages[path],
                content_type="text/html; charset=utf-8",
                headers={"Content-Security-Policy": policy},
            )
