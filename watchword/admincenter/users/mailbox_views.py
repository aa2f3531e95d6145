"""The name of a person's mailbox at the mail servers: shown, and changed by a Global Administrator."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter.drafts import sent
from watchword.admincenter.labels import PERSON
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.detail import find_person, panel_address
from watchword.directory.mailboxes import BadMailbox
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.signin import actions
from watchword.signin.middleware import origin_of, request_user

_WHY_NOT = {
    "taken": gettext_lazy("This is another person's mailbox. Tick below that this person takes it over."),
    "own": gettext_lazy("This is the person's mailbox already."),
}


class MailboxForm(forms.Form):
    """A new mailbox name, and whether the person may take over another person's mailbox."""

    mailbox = forms.CharField(
        label=gettext_lazy("Name of the mailbox"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        error_messages={"required": gettext_lazy("Enter the name of a mailbox, such as dora@example.org.")},
    )
    takes_over = forms.BooleanField(
        label=gettext_lazy("If it is another person's mailbox: this person takes it over and reads all mail in it"),
        required=False,
        help_text=gettext_lazy("The other person gets a new, empty mailbox. Both are told, and so are administrators."),
    )


@never_cache
@requires(Act.CHANGE_MAILBOX)
def mailbox(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Show the mailbox of a person, and assign another one."""
    by = request_user(request)
    user = find_person(by, user_id, deleted_at=None)
    demand(by, Act.CHANGE_MAILBOX, user)
    if answer := require_recent_auth(request):
        return answer
    back = panel_address(user)
    form = MailboxForm(sent(request), initial={"mailbox": user.mailbox_name})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            actions.change_mailbox(
                user,
                values["mailbox"],
                by=by,
                takes_over=values["takes_over"],
                origin=origin_of(request),
                now=timezone.now(),
            )
        except BadMailbox as error:
            form.add_error("mailbox", str(_WHY_NOT.get(error.reason) or PERSON[error.reason]))
        else:
            messages.success(request, _("%(name)s has this mailbox from now on.") % {"name": user.display_name})
            return HttpResponseRedirect(back)
    return render(request, "admincenter/mailbox.html", {"person": user, "form": form, "back": back, "here": "users"})
