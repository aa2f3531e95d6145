"""Forms about a Temporary Access Pass: for the person who uses one, and for the administrator who makes one."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from watchword.core.codes import LONGEST_TYPED
from watchword.core.factors import SetupContext

LIFETIMES = (
    (600, _("10 minutes")),
    (3_600, _("1 hour")),
    (8 * 3_600, _("8 hours")),
    (86_400, _("1 day")),
    (7 * 86_400, _("7 days")),
    (30 * 86_400, _("30 days")),
)
"""In seconds."""


class AnswerForm(forms.Form):
    """The pass as a proof."""

    answer = forms.CharField(
        label=_("Temporary Access Pass"),
        max_length=LONGEST_TYPED,
        help_text=_("Twelve signs that your administrator gave you. Capitals, blanks and hyphens don't matter."),
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "autofocus": True}),
        error_messages={
            "required": _("Enter the pass that your administrator gave you."),
            "max_length": _("This is no Temporary Access Pass."),
        },
    )


class SetUpForm(forms.Form):
    """How long a new pass is valid, and whether it can be used more than once."""

    seconds = forms.TypedChoiceField(
        label=_("It works for"), choices=LIFETIMES, coerce=int, initial=3_600, widget=forms.Select
    )
    is_once = forms.BooleanField(
        label=_("It works once"),
        required=False,
        initial=True,
        help_text=_("Otherwise it works as often as it is typed until its time is over."),
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        setup_context: SetupContext,  # noqa: ARG002  (every set-up form takes them)
        initial: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))

    def options(self) -> dict[str, str]:
        """Return the chosen options."""
        return {
            "seconds": str(self.cleaned_data["seconds"]),
            "once": "yes" if self.cleaned_data["is_once"] else "",
        }
