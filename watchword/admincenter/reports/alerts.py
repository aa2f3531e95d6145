"""The Alerts page: what needs an administrator's attention, and what was done about it."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from watchword.admincenter.permissions import requires
from watchword.admincenter.users.action_views import ACTS
from watchword.alerts import closing, headlines, recipients
from watchword.alerts.models import Alert
from watchword.alerts.rules import AlertRule
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.audit.record import record
from watchword.directory.models import User
from watchword.directory.roles import Act
from watchword.signin import queries
from watchword.signin.middleware import origin_of, request_user

PAGE = 50
LONGEST_NUMBER = 18


@require_safe
@requires(Act.SEE_SIGN_INS)
def listing(request: HttpRequest) -> HttpResponse:
    """Show the open alerts, or all of them, the newest first."""
    by = request_user(request)
    show_all = request.GET.get("show") == "all"
    rows = (
        Alert.objects.filter(organisation_id=by.organisation_id).select_related("subject__organisation").order_by("-id")
    )
    if not show_all:
        rows = rows.filter(closed_at=None)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdecimal() and len(before) <= LONGEST_NUMBER:
        rows = rows.filter(id__lt=int(before))
    found = list(rows[: PAGE + 1])
    actors = dict(Event.objects.filter(pk__in=[row.event_id for row in found]).values_list("pk", "actor_name"))
    shown = [
        {
            "alert": alert,
            "said": headlines.headline_of(AlertRule(alert.rule), alert.times),
            "next_step": headlines.next_step_of(AlertRule(alert.rule)),
            "by": actors.get(alert.event_id, "") if AlertRule(alert.rule) in _BY_AN_ADMINISTRATOR else "",
            "done": headlines.done_of(AlertRule(alert.rule), alert.details),
            "about": _about(alert),
            **_stands(alert, by),
        }
        for alert in found[:PAGE]
    ]
    context = {
        "here": "alerts",
        "rows": shown,
        "show_all": show_all,
        "may_close": by.may(Act.CLOSE_ALERTS),
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
    }
    return render(request, "admincenter/alerts.html", context)


_BY_AN_ADMINISTRATOR = frozenset(
    {
        AlertRule.METHODS_RESET,
        AlertRule.ACCESS_PASS_MADE,
        AlertRule.PASSWORD_AND_METHODS_RESET,
        AlertRule.ROLE_GIVEN,
        AlertRule.EMERGENCY_ACCESS_CHANGED,
    }
)


def _about(alert: Alert) -> str:
    """Return the name of the warning that was answered by *This wasn't me*."""
    rule = alert.details.get("about")
    return headlines.name_of(AlertRule(rule)) if rule in set(AlertRule) else ""


def _stands(alert: Alert, by: User) -> dict[str, object]:
    """Return the credentials that still work after *This wasn't me*, and the acts by which they can be removed."""
    if alert.rule != AlertRule.NOT_ME or alert.closed_at is not None or alert.subject is None:
        return {}
    left = queries.everything_of(alert.subject)
    return {
        "phones": left.methods,
        "app_passwords": [row for row in left.app_passwords if row.suspended_at is None],
        "acts": [(name, ACTS[name].button) for name in _AFTER_NOT_ME if by.may(ACTS[name].act, alert.subject)],
    }


_AFTER_NOT_ME = ("reset-password", "reset-methods", "delete-app-passwords")


@require_POST
@requires(Act.CLOSE_ALERTS)
def close(request: HttpRequest, alert_id: int) -> HttpResponse:
    """Close an alert with a note about what was done."""
    by = request_user(request)
    now = timezone.now()
    note = " ".join(request.POST.get("note", "").split())
    note = "".join(letter for letter in note if letter.isprintable())[:300]
    if alert_id > 2**63 - 1:
        raise Http404
    with transaction.atomic():
        mine = Alert.objects.filter(pk=alert_id, organisation_id=by.organisation_id)
        alert = mine.first()
        if alert is None:
            raise Http404
        if _is_about_own_act(alert, by) and _has_colleague(by):
            messages.warning(request, _("This alert is about something that you did: somebody else closes it."))
            return HttpResponseRedirect(reverse("admincenter:alerts"))
        if closing.close(alert, by_name=by.sign_in_name, note=note, now=now):
            details = {"alert": alert_id, "note": note}
            record(EventKind.ALERT_CLOSED, now=now, by=by, origin=origin_of(request), details=details)
            messages.success(request, _("The alert is closed."))
        else:
            messages.info(request, _("Somebody else has closed this alert already."))
    return HttpResponseRedirect(reverse("admincenter:alerts"))


def _is_about_own_act(alert: Alert, by: User) -> bool:
    """Return whether the alert reports an act of this administrator, such as a reset of a person's phones."""
    own = {*_BY_AN_ADMINISTRATOR, AlertRule.ACTS_REFUSED}
    return alert.rule in own and Event.objects.filter(pk=alert.event_id, actor_id=by.pk).exists()


def _has_colleague(by: User) -> bool:
    """Return whether another person of the organisation can close alerts."""
    return recipients.who_close_alerts(by.organisation).exclude(pk=by.pk).exists()
