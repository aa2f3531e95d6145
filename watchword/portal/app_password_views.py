"""Views that pause, resume and restrict one app password."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from watchword.core.restrictions import MOST_NETWORKS, InvalidNetwork, Program, Restrictions, read_networks
from watchword.signin import app_passwords
from watchword.signin.enrolment import ReauthenticationRequired
from watchword.signin.middleware import origin_of, prove_again, request_session, request_user

PROGRAMS = (
    (Program.IMAP, gettext_lazy("Reading mail (IMAP)")),
    (Program.POP, gettext_lazy("Fetching mail (POP)")),
    (Program.SUBMISSION, gettext_lazy("Sending mail (SMTP)")),
    (Program.SIEVE, gettext_lazy("Mail filters (Sieve)")),
    (Program.CALENDAR, gettext_lazy("Calendars and contacts")),
)
LONGEST_LIFE = timedelta(days=3650)


class LimitsForm(forms.Form):
    """The programs, networks and last day for which an app password is valid; an empty field restricts nothing."""

    programs = forms.MultipleChoiceField(
        label=gettext_lazy("Only for"),
        choices=[(program.value, name) for program, name in PROGRAMS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Tick nothing to allow every program."),
    )
    networks = forms.CharField(
        label=gettext_lazy("Only from these networks"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocapitalize": "none"}),
        help_text=gettext_lazy("One address or network in each line, such as 192.0.2.0/24. Empty: from everywhere."),
    )
    until = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty: until you delete it."),
    )

    def clean_networks(self) -> str:
        """Reject lines that are not a network, and too many networks."""
        text = str(self.cleaned_data["networks"])
        try:
            networks = read_networks(text.splitlines())
        except InvalidNetwork as error:
            raise forms.ValidationError(
                _("“%(line)s” is neither an address nor a network. Write 192.0.2.7 or 192.0.2.0/24.")
                % {"line": error.text}
            ) from None
        if len(networks) > MOST_NETWORKS:
            raise forms.ValidationError(
                _("These are too many networks: %(number)d are the most.") % {"number": MOST_NETWORKS}
            )
        return text

    def restrictions(self) -> Restrictions:
        """Return the validated restrictions."""
        day = self.cleaned_data["until"]
        until = None
        if day is not None:
            # Valid until the end of the last day, in the person's time zone.
            until = timezone.make_aware(datetime.combine(day, time.min)) + timedelta(days=1)
        return Restrictions(
            frozenset(Program(text) for text in self.cleaned_data["programs"]),
            read_networks(str(self.cleaned_data["networks"]).splitlines()),
            until,
        )

    def clean_until(self) -> object:
        """Reject past days, and days more than ten years ahead."""
        day = self.cleaned_data["until"]
        today = timezone.localdate()
        if day is not None and not today <= day <= today + LONGEST_LIFE:
            raise forms.ValidationError(_("Choose a day from today on, within ten years."))
        return day


@require_POST
def pause(request: HttpRequest, credential_id: UUID) -> HttpResponse:
    """Pause an app password until the person resumes it."""
    done = app_passwords.pause(request_session(request), credential_id, origin=origin_of(request), now=timezone.now())
    if not done:
        raise Http404
    messages.success(request, _("It is frozen: programs that use it are refused until you thaw it."))
    return HttpResponseRedirect(reverse("portal:app_passwords"))


@require_POST
def resume(request: HttpRequest, credential_id: UUID) -> HttpResponse:
    """Make an app password usable again."""
    try:
        done = app_passwords.resume(
            request_session(request), credential_id, origin=origin_of(request), now=timezone.now()
        )
    except ReauthenticationRequired:
        messages.info(request, _("Prove that it is you, then press “Thaw” again."))
        return prove_again(reverse("portal:app_passwords"))
    if not done:
        raise Http404
    messages.success(request, _("It works again."))
    return HttpResponseRedirect(reverse("portal:app_passwords"))


@require_http_methods(["GET", "HEAD", "POST"])
def limits(request: HttpRequest, credential_id: UUID) -> HttpResponse:
    """Show and change the limits of an app password."""
    stored = app_passwords.find(request_user(request), credential_id)
    if stored is None or not stored.is_alive:
        raise Http404
    now = stored.restrictions
    initial = {
        "programs": [program.value for program in now.programs],
        "networks": "\n".join(str(network) for network in now.networks),
        "until": timezone.localdate(now.until - timedelta(seconds=1)) if now.until is not None else None,
    }
    form = LimitsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            app_passwords.limit(
                request_session(request),
                credential_id,
                form.restrictions(),
                origin=origin_of(request),
                now=timezone.now(),
            )
        except ReauthenticationRequired:
            return prove_again(request.path)
        messages.success(request, _("The limits of “%(name)s” are saved.") % {"name": stored.data.label})
        return HttpResponseRedirect(reverse("portal:app_passwords"))
    return render(request, "portal/limits.html", {"form": form, "name": stored.data.label})
