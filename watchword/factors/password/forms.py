"""The forms about an account password."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from watchword.core.factors import SetupContext
from watchword.factors.password.factor import LONGEST, shortest


class AnswerForm(forms.Form):
    """The account password as a proof."""

    answer = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
        error_messages={"required": _("Enter your password."), "max_length": _("That name or password is not right.")},
    )


class SetUpForm(forms.Form):
    """A new account password. It is typed only once, because it can be shown and pasted."""

    current = forms.CharField(
        label=_("Current password"),
        strip=False,
        max_length=LONGEST,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={
            "required": _("Enter the password that you have now."),
            "max_length": _("That is not your current password."),
        },
    )
    password = forms.CharField(
        label=_("New password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": _("Enter a new password.")},
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        setup_context: SetupContext,
        initial: Mapping[str, str] | None = None,  # noqa: ARG002  (a password is never filled in beforehand)
    ) -> None:
        super().__init__(data)
        if not setup_context.asks_current:
            del self.fields["current"]
        self.fields["password"].help_text = _(
            "At least %(number)d characters. A few words in a row are good; any characters will do."
        ) % {"number": shortest(setup_context)}

    def options(self) -> dict[str, str]:
        """Return the factor's options."""
        return {name: str(self.cleaned_data[name]) for name in self.fields}
