"""The form for making an app password."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from watchword.core.factors import SetupContext

SUGGESTIONS = (
    _("Outlook on my laptop"),
    _("Mail on my iPhone"),
    _("Mail on my tablet"),
    _("Thunderbird"),
    _("Calendar on my phone"),
)


class SetUpForm(forms.Form):
    """The name of a new app password."""

    name = forms.CharField(
        label=_("Name"),
        required=False,
        help_text=_("One for each device, so that a lost one costs you one app password. Such as “Mail on my iPhone”."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "suggestions"}),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        setup_context: SetupContext,  # noqa: ARG002  (every set-up form takes them)
        initial: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))

    suggestions = SUGGESTIONS

    def options(self) -> dict[str, str]:
        """Return the factor's options."""
        return {"name": str(self.cleaned_data["name"])}
