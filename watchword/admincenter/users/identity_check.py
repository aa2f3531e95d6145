"""The question how an administrator verified the identity of a person before a reset of contact methods."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class IdentityForm(forms.Form):
    """How an administrator verified a person's identity. Event and alert store the answer for later reviews."""

    identified = forms.CharField(
        label=_("How did you make sure who it is?"),
        help_text=_("For example: came in person with a badge; called back on the number in our directory."),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": _("Say how you made sure who it is."),
            "max_length": _("Say it in 200 characters."),
        },
    )

    def clean_identified(self) -> str:
        """Return the answer on one line, without unprintable characters."""
        text = " ".join(str(self.cleaned_data["identified"]).split())
        return "".join(letter for letter in text if letter.isprintable())


def identity_form(data: Any, *, is_needed: bool) -> IdentityForm | None:
    """Return the form for an act that needs the answer; None for all others."""
    return IdentityForm(data) if is_needed else None
