"""The presets of apps: what they register is accepted, and the pages on apps are made from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.utils.translation import override

from tests.world import World
from watchword.applications import clients
from watchword.applications.app_presets import PRESETS, Preset
from watchword.applications.clients import ClientSettings
from watchword.applications.redirect_uris import why_not_registrable
from watchword.directory import applications
from watchword.directory.applications import AppSettings

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/apps"
ADDRESS = "https://app.example.org"


def page(preset: Preset) -> str:
    """Return the page on one kind of app."""
    lines = [f"# {preset.name}", "", str(preset.about), ""]
    if preset.tried_by:
        lines += [f"Tried here: `{preset.tried_by}` signs in to the real program.", ""]
    else:
        lines += ["Not tried: no test of Watchword signs in to the real program.", ""]
    lines += [f"1. In the admin center, *Apps*, *Add an app*, choose *{preset.name}*.", ""]
    if preset.redirects:
        lines += ["   The redirect addresses, for an app at `https://app.example.org`:", ""]
        lines += [f"       {uri}" for uri in preset.redirect_uris(ADDRESS)] + [""]
    lines += [f"   It may ask for the scopes {', '.join(f'`{scope}`' for scope in preset.scopes)}."]
    if preset.pkce_exempt:
        lines += [
            "   Requests without PKCE are accepted from it: a weakness, which its page in the admin center shows.",
        ]
    if preset.backchannel:
        lines += ["   It is told of the end of a sign-in at", "", f"       {preset.backchannel_uri(ADDRESS)}"]
    lines += [""]
    lines += ["2. Paste on the side of the app what the admin center then shows, with your own values:", ""]
    values = {"issuer": "ISSUER", "client_id": "CLIENT-ID", "secret": "CLIENT-SECRET", "address": ADDRESS}
    for snippet in preset.lines(**values):
        lines += [f"   {snippet.place}:", ""]
        lines += [f"       {line}".rstrip() for line in snippet.text.splitlines()] + [""]
    return "\n".join(lines)


def index() -> str:
    """Return the page that lists the kinds of apps."""
    lines = [
        "# Apps",
        "",
        "What connects an app to Watchword, by kind. *Tried* is what a test of Watchword really signs in to; the lines",
        "for the others follow their own documentation. How apps are managed stands in [Apps](../admin/apps.md).",
        "",
        "| app | | PKCE | tried |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| [{preset.name}]({key}.md) | {preset.about} | {'may be missing' if preset.pkce_exempt else 'required'} "
        f"| {'yes' if preset.tried_by else 'no'} |"
        for key, preset in PRESETS.items()
    ]
    return "\n".join([*lines, ""])


def test_the_pages_on_apps_are_those_of_the_presets() -> None:
    with override("en"):
        expected = {f"{key}.md": page(preset) for key, preset in PRESETS.items()} | {"index.md": index()}
    if os.environ.get("WRITE_APPS"):
        for name, text in expected.items():
            (PAGES / name).write_text(text)
    found = {path.name: path.read_text() for path in PAGES.glob("*.md")}
    assert found == expected, "run: WRITE_APPS=1 pytest tests/applications -k pages"


def test_what_is_said_to_be_tried_has_its_test() -> None:
    missing = [
        preset.tried_by for preset in PRESETS.values() if preset.tried_by and not (ROOT / preset.tried_by).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("key", list(PRESETS))
def test_a_preset_is_a_client_that_may_be_registered(world: World, key: str) -> None:
    preset = PRESETS[key]
    app = applications.add_app(world.organisation, AppSettings("App"), by=None, now=world.now)
    settings = ClientSettings(
        kind=preset.kind,
        redirect_uris=preset.redirect_uris(f"{ADDRESS}/"),
        backchannel_logout_uri=preset.backchannel_uri(f"{ADDRESS}/"),
        scopes=preset.scopes,
        pkce_exempt=preset.pkce_exempt,
        allows_device_flow=preset.allows_device_flow,
    )
    assert clients.add_client(app, settings, by=None).redirect_uris == preset.redirect_uris(ADDRESS)


@pytest.mark.parametrize("key", list(PRESETS))
def test_the_lines_of_a_preset_name_what_it_needs(key: str) -> None:
    preset = PRESETS[key]
    values = {"issuer": "https://i.example", "client_id": "the-client", "secret": "the-secret", "address": ADDRESS}
    text = "\n".join(snippet.text for snippet in preset.lines(**values))
    assert "https://i.example" in text
    assert "the-client" in text
    assert ("the-secret" in text) is (preset.kind == "confidential")
    assert not [name for name in values if f"{{{name}}}" in text]
    if preset.needs_address and ADDRESS in text:
        assert any(uri in text for uri in preset.redirect_uris(ADDRESS)), "its lines and its registration differ"


def test_an_address_with_a_path_keeps_it() -> None:
    uris = PRESETS["nextcloud"].redirect_uris("https://example.org/cloud/")
    assert uris[0] == "https://example.org/cloud/apps/user_oidc/code"
    assert [why_not_registrable(uri, is_public=False) for uri in uris] == ["", ""]
