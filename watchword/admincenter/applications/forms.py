"""The forms of an app: who may use it, what it asks for, and what OpenID Connect needs to know."""

from __future__ import annotations

import dataclasses
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.admincenter.labels import APP
from watchword.applications.app_presets import Preset
from watchword.applications.clients import ClientSettings, settings_of
from watchword.applications.models import Client
from watchword.directory.applications import AppSettings
from watchword.directory.groups import groups_in
from watchword.directory.models import App, Group, Organisation

HOUR, MINUTE = 3_600, 60
SCOPE_LABELS = {
    "profile": gettext_lazy("Name and sign-in name (profile)"),
    "email": gettext_lazy("Mail address (email)"),
    "groups": gettext_lazy("Groups (groups)"),
    "offline_access": gettext_lazy("Stay signed in without the browser (offline_access)"),
    "mail": gettext_lazy("Read and send mail with its token (mail)"),
}


class AppForm(forms.Form):
    """What an administrator decides about an app, whatever its protocol."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Enter a name.")},
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("People see it under the name of the app."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    home_url = forms.CharField(
        label=gettext_lazy("Address of the app"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("Where its tile leads, such as https://wiki.example.org."),
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
    audience = forms.ChoiceField(
        label=gettext_lazy("Who may use it"),
        choices=[("everyone", gettext_lazy("Everybody")), ("groups", gettext_lazy("The members of these groups"))],
        widget=forms.RadioSelect,
        initial="everyone",
    )
    groups = forms.MultipleChoiceField(
        label=gettext_lazy("Groups"), required=False, widget=forms.CheckboxSelectMultiple
    )
    second_factor_always = forms.BooleanField(
        label=gettext_lazy("Ask for a second factor always"),
        required=False,
        help_text=gettext_lazy("Also from trusted networks. People without multi-factor authentication can't use it."),
    )
    freshness = forms.ChoiceField(
        label=gettext_lazy("How old a sign-in may be"),
        choices=[
            ("session", gettext_lazy("As old as the session in the browser")),
            ("hours", gettext_lazy("Ask again after so many hours")),
            ("minutes", gettext_lazy("Never older than so many minutes")),
        ],
        widget=forms.RadioSelect,
        initial="session",
    )
    freshness_number = forms.IntegerField(
        label=gettext_lazy("Hours or minutes"),
        required=False,
        min_value=1,
        max_value=8_760,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    asks_consent = forms.BooleanField(
        label=gettext_lazy("Ask people whether it may see their data"),
        required=False,
        help_text=gettext_lazy("For apps that are not your organisation's own."),
    )

    def __init__(self, organisation: Organisation, data: Any = None, **named: Any) -> None:
        super().__init__(data, **named)
        self.organisation = organisation
        choices = [(str(group.pk), group.name) for group in groups_in(organisation)]
        self.fields["groups"].choices = choices  # type: ignore[attr-defined]  # a field of this form
        if not choices:
            self.fields["groups"].help_text = gettext_lazy("There is no group yet.")

    def clean(self) -> dict[str, Any]:
        """Check the fields that need each other."""
        cleaned = super().clean() or {}
        if cleaned.get("audience") == "groups" and "groups" not in self.errors and not cleaned.get("groups"):
            self.add_error("groups", _("Tick a group, or let everybody use the app."))
        wants_number = cleaned.get("freshness") in {"hours", "minutes"}
        if wants_number and "freshness_number" not in self.errors and cleaned.get("freshness_number") is None:
            self.add_error("freshness_number", _("Enter a number."))
        return cleaned

    def app_settings(self) -> AppSettings:
        """Return the settings of a valid form."""
        values = self.cleaned_data
        unit = {"hours": HOUR, "minutes": MINUTE}.get(values["freshness"])
        return AppSettings(
            name=values["name"],
            description=values["description"],
            home_url=values["home_url"],
            for_everyone=values["audience"] == "everyone",
            second_factor_always=values["second_factor_always"],
            max_age_seconds=values["freshness_number"] * unit if unit else None,
            asks_consent=values["asks_consent"],
        )

    def chosen_groups(self) -> list[Group]:
        """Return the groups of a valid form; none if the app is for everybody."""
        if self.cleaned_data["audience"] == "everyone":
            return []
        return list(Group.objects.filter(organisation=self.organisation, pk__in=self.cleaned_data["groups"]))

    def refuse(self, reasons: dict[str, str]) -> None:
        """Show why an app can't be so."""
        for name, reason in reasons.items():
            field = {"max_age_seconds": "freshness_number"}.get(name, name)
            self.add_error(field if field in self.fields else None, str(APP.get(reason, reason)))


class NewAppForm(AppForm):
    """An app that is added from a preset."""

    field_order = ("name", "description", "home_url", "redirect_uris")
    redirect_uris = forms.CharField(
        label=gettext_lazy("Redirect addresses"),
        required=False,
        max_length=20_000,
        help_text=gettext_lazy("One a line. Empty: those of the preset, made from the address of the app."),
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, organisation: Organisation, preset: Preset, data: Any = None) -> None:
        super().__init__(organisation, data, initial={"name": preset.name})
        self.preset = preset
        if not preset.redirects:
            del self.fields["redirect_uris"]

    def clean(self) -> dict[str, Any]:
        """Check that the redirect addresses are given or follow from the address of the app."""
        cleaned = super().clean()
        is_needed = self.preset.needs_address and not cleaned.get("redirect_uris", "").strip()
        if is_needed and "home_url" not in self.errors and not cleaned.get("home_url", "").strip():
            self.add_error("home_url", _("Enter the address of the app, such as https://wiki.example.org."))
        return cleaned

    def client_settings(self) -> ClientSettings:
        """Return the OpenID Connect side of a valid form."""
        address = self.cleaned_data["home_url"].strip()
        typed = self.cleaned_data.get("redirect_uris", "").splitlines()
        given = [line.strip() for line in typed if line.strip()]
        preset = self.preset
        return ClientSettings(
            kind=preset.kind,
            redirect_uris=given or preset.redirect_uris(address),
            backchannel_logout_uri=preset.backchannel_uri(address) if address else "",
            scopes=preset.scopes,
            pkce_exempt=preset.pkce_exempt,
            allows_device_flow=preset.allows_device_flow,
        )


class ChangeAppForm(AppForm):
    """The settings of an app with its OpenID Connect side."""

    redirect_uris = forms.CharField(
        label=gettext_lazy("Redirect addresses"),
        required=False,
        max_length=120_000,
        help_text=gettext_lazy("One a line, each exactly as the app sends it."),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    post_logout_redirect_uris = forms.CharField(
        label=gettext_lazy("Addresses after signing out"),
        required=False,
        max_length=120_000,
        help_text=gettext_lazy("One a line: where the app may lead people when they have signed out."),
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
    )
    backchannel_logout_uri = forms.CharField(
        label=gettext_lazy("Address for back-channel logout"),
        required=False,
        max_length=500,
        help_text=gettext_lazy("Where the app is told that a sign-in has ended."),
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("What it may ask for"),
        required=False,
        choices=list(SCOPE_LABELS.items()),
        widget=forms.CheckboxSelectMultiple,
    )
    pkce_exempt = forms.BooleanField(
        label=gettext_lazy("Accept requests without PKCE"),
        required=False,
        help_text=gettext_lazy("A weakness: only for apps that can't send a code challenge."),
    )
    access_token_seconds = forms.IntegerField(
        label=gettext_lazy("Life of an access token, in seconds"),
        min_value=60,
        max_value=3_600,
        help_text=gettext_lazy("A shorter one ends an app sooner after somebody is blocked."),
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    def client_settings(self, client: Client) -> ClientSettings:
        """Return the OpenID Connect side of a valid form; what it doesn't show stays."""
        values = self.cleaned_data
        return dataclasses.replace(
            settings_of(client),
            redirect_uris=values["redirect_uris"].splitlines(),
            post_logout_redirect_uris=values["post_logout_redirect_uris"].splitlines(),
            backchannel_logout_uri=values["backchannel_logout_uri"],
            scopes=["openid", *values["scopes"]],
            pkce_exempt=values["pkce_exempt"],
            access_token_seconds=values["access_token_seconds"],
        )


def values_of(app: App, client: Client) -> dict[str, Any]:
    """Return the settings of an app as its form sends them."""
    age = app.max_age_seconds
    unit = "session" if age is None else "hours" if age % HOUR == 0 else "minutes"
    number = None if age is None else age // HOUR if unit == "hours" else max(1, age // MINUTE)
    return {
        "name": app.name,
        "description": app.description,
        "home_url": app.home_url,
        "audience": "everyone" if app.for_everyone else "groups",
        "groups": [str(pk) for pk in app.groups.values_list("pk", flat=True)],
        "second_factor_always": app.second_factor_always,
        "freshness": unit,
        "freshness_number": number,
        "asks_consent": app.asks_consent,
        "redirect_uris": "\n".join(client.redirect_uris),
        "post_logout_redirect_uris": "\n".join(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "scopes": list(client.scopes),
        "pkce_exempt": client.pkce_exempt,
        "access_token_seconds": client.access_token_seconds,
    }
