"""The addresses of other people that a person may send as: shown, granted with a last day, revoked."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from watchword.admincenter.drafts import sent
from watchword.admincenter.labels import PERSON, last_day
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.users.detail import find_person, panel_address
from watchword.directory import send_as
from watchword.directory.actions import BadPerson
from watchword.directory.models import User
from watchword.directory.permissions import demand
from watchword.directory.roles import Act
from watchword.signin.middleware import origin_of, request_user

LONGEST_LIFE = timedelta(days=3660)


class SendAsForm(forms.Form):
    """An address of another person, and a last day."""

    address = forms.CharField(
        label=gettext_lazy("Address of another person"),
        max_length=254,
        help_text=gettext_lazy("A sign-in name or alias, such as sales@example.org."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
        error_messages={"required": gettext_lazy("Enter an address.")},
    )
    until = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: until you take it away."),
    )

    def clean_until(self) -> datetime | None:
        """Return the end of the last day in the administrator's time zone; reject days outside of the calendar."""
        day: date | None = self.cleaned_data["until"]
        if day is None:
            return None
        today = timezone.localdate()
        if not today <= day <= today + LONGEST_LIFE:
            raise forms.ValidationError(_("Choose a day from today on, within ten years."))
        return timezone.make_aware(datetime.combine(day, time.min)) + timedelta(days=1)


@never_cache
@requires(Act.GIVE_SEND_AS)
def rights(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Show which addresses a person may send as; grant one more, or revoke one."""
    by = request_user(request)
    user = find_person(by, user_id, deleted_at=None)
    demand(by, Act.GIVE_SEND_AS, user)
    if answer := require_recent_auth(request):
        return answer
    origin, now = origin_of(request), timezone.now()
    here = reverse("admincenter:send_as", args=[user.pk])
    if request.method == "POST" and (taken := request.POST.get("take", "")).isdecimal():
        if send_as.take_send_as(user, int(taken[:15]), by=by, origin=origin, now=now):
            messages.success(request, _("Taken away. The next mail as this address is refused."))
        return HttpResponseRedirect(here)
    form = SendAsForm(sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            values = form.cleaned_data
            given = send_as.give_send_as(user, values["address"], until=values["until"], by=by, origin=origin, now=now)
        except BadPerson as error:
            for field, reason in error.reasons.items():
                form.add_error(field, ValidationError(str(PERSON[reason])))
        else:
            who = {"name": user.display_name, "address": given.address.name}
            messages.success(request, _("%(name)s may write as %(address)s now.") % who)
            return HttpResponseRedirect(here)
    context = {
        "person": user,
        "form": form,
        "rows": rows_of(user, now=now),
        "back": panel_address(user),
        "here": "users",
    }
    return render(request, "admincenter/send_as.html", context)


def rows_of(user: User, *, now: datetime) -> list[dict[str, object]]:
    """Return the granted addresses, each with its last day and whether that day is over."""
    return [
        {
            "id": given.pk,
            "address": given.address.name,
            "owner": given.address.user,
            "last_day": last_day(given.until),
            "is_over": given.until is not None and given.until <= now,
        }
        for given in send_as.given_to(user)
    ]
