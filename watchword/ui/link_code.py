"""The page to which a one-time link leads. Its code is the fragment, which a script posts, or is typed.

An address with a secret in its path would stand in the log of every server between, in the history and in referrers.
"""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

OVER = 410
"""The status for a link that was used, replaced or expired, or never was."""

LONGEST_TYPED = 1024
"""Characters: a pasted link fits, with whatever a mail program put around it."""


class LinkCodeForm(forms.Form):
    """The code of a one-time link, sent by the script or by a person."""

    code = forms.CharField(
        label=_("Code from the message"),
        max_length=LONGEST_TYPED,
        help_text=_("Six groups of four, after the # of the link. Capitals, blanks and hyphens don't matter."),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "data-from-fragment": True}
        ),
        error_messages={
            "required": _("Enter the code from the message."),
            "max_length": _("This is longer than a code from a message."),
        },
    )


def posted_code(request: HttpRequest) -> str:
    """Return the code that a request sends, or an empty string if it sends none that could be one."""
    form = LinkCodeForm(request.POST)
    return form.cleaned_data["code"] if request.method == "POST" and form.is_valid() else ""


def ask_for_code(request: HttpRequest) -> HttpResponse:
    """Return the page that takes the code from the link's fragment, or asks for it where no script runs."""
    form = LinkCodeForm(request.POST if request.method == "POST" else None)
    return render(request, "ui/link_code.html", {"form": form})
