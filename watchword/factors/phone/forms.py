"""The forms for registering a phone, and for proving possession of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import phonenumbers
from django import forms
from django.utils.translation import gettext_lazy as _

from watchword.core.countries import alphabetical, country_name
from watchword.core.factors import SetupContext
from watchword.core.policy import Channel
from watchword.factors.phone.factor import Slot
from watchword.ui.country_select import CountrySelect

SLOTS = (
    (Slot.MOBILE.value, _("Mobile phone")),
    (Slot.ALTERNATE.value, _("Another phone")),
    (Slot.OFFICE.value, _("Office phone")),
)
_CHANNELS = {Channel.SMS: _("Text me a code"), Channel.VOICE: _("Call me with a code")}


@cache
def countries() -> list[tuple[str, str]]:
    """Return every country with a calling code, as (ISO 3166-1 code, name and calling code), sorted by name."""
    calling = phonenumbers.country_code_for_region
    named = [
        (code, f"{country_name(code, 'en') or code} (+{calling(code)})") for code in phonenumbers.SUPPORTED_REGIONS
    ]
    return sorted(named, key=lambda pair: alphabetical(pair[1]))


class SetUpForm(forms.Form):
    """A phone to register."""

    slot = forms.ChoiceField(
        label=_("Which phone?"), choices=SLOTS, widget=forms.RadioSelect, initial=Slot.MOBILE.value
    )
    country = forms.ChoiceField(label=_("Country"), widget=CountrySelect(attrs={"autocomplete": "country"}))
    number = forms.CharField(
        label=_("Phone number"),
        max_length=60,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel-national", "inputmode": "tel"}),
        error_messages={"required": _("Enter your phone number."), "max_length": _("Enter your phone number.")},
    )
    extension = forms.CharField(
        label=_("Extension"),
        required=False,
        max_length=20,
        help_text=_("For an office phone only, if it has one."),
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "tel-extension", "class": "short-input"}),
    )
    channel = forms.ChoiceField(
        label=_("How should the code come?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose how the code should come.")},
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        setup_context: SetupContext,
        initial: Mapping[str, str] | None = None,
    ) -> None:
        first = next((channel.value for channel in Channel if channel in setup_context.policy.channels), "")
        super().__init__(data, initial={"country": setup_context.region, "channel": first, **(initial or {})})
        for name, choices in (
            ("country", countries()),
            (
                "channel",
                [
                    (channel.value, _CHANNELS[channel])
                    for channel in Channel
                    if channel in setup_context.policy.channels
                ],
            ),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = choices

    def options(self) -> dict[str, str]:
        """Return the factor's options."""
        return {name: str(self.cleaned_data[name]) for name in ("slot", "country", "number", "extension", "channel")}


class AnswerForm(forms.Form):
    """The six digits of a code."""

    answer = forms.CharField(
        label=_("Security code"),
        strip=False,
        help_text=_("Six digits. It is good for five minutes."),
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "class": "code-input",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
        error_messages={"required": _("Enter the code that you were sent.")},
    )
