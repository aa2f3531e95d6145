"""Administrators' changes to phone delivery: rules, country blocks, shared telephones, and test messages."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.drafts import sent
from watchword.admincenter.permissions import require_recent_auth, requires
from watchword.admincenter.phones import shared_numbers
from watchword.admincenter.phones.country_blocks import find_country_block
from watchword.admincenter.phones.country_blocks import reopen as reopen_country
from watchword.admincenter.phones.forms import BUDGETS, RulesForm, limit_of
from watchword.admincenter.phones.labels import country_words, result_words, why
from watchword.admincenter.phones.test_messages import EACH_HOUR, PhoneTestForm, TooMany, newest_tests, send_test
from watchword.admincenter.phones.views import message_row
from watchword.core.policy import Channel
from watchword.directory.models import User
from watchword.directory.roles import Act
from watchword.messaging.gateway import Outgoing, Result
from watchword.messaging.limits.counters import SendThrottled, budget_of
from watchword.messaging.limits.rules import LimitRule
from watchword.messaging.models import Delivery
from watchword.messaging.send import channels_carried
from watchword.signin.middleware import origin_of, request_user
from watchword.signin.queries import phone_countries_of
from watchword.signin.service_settings import change_settings
from watchword.ui.templatetags.watchword_ui import in_words


@requires(Act.CHANGE_SETTINGS)
def rules(request: HttpRequest) -> HttpResponse:
    """Show and change the countries, the budgets, and the questions in a call."""
    by = request_user(request)
    organisation = by.organisation
    if request.method == "POST" and (answer := require_recent_auth(request)):
        return answer
    people = User.objects.filter(organisation=organisation, deleted_at=None).count()
    form = RulesForm(sent(request), organisation, people=people)
    if request.method == "POST" and form.is_valid():
        values = form.values()
        allowed = form.cleaned_data["phone_countries"] or [organisation.region]
        shut_out = next((code for code in phone_countries_of(by) if code not in allowed), "")
        if shut_out:
            form.refuse_to_shut_out(shut_out)
        else:
            changed = change_settings(organisation, values, by=by, origin=origin_of(request), now=timezone.now())
            messages.success(request, _("Saved. It holds from now on.") if changed else _("Nothing was different."))
            return HttpResponseRedirect(reverse("admincenter:phone_rules"))
    context = {"form": form, "budgets": [form[name] for name in BUDGETS], **_frame("rules")}
    return render(request, "admincenter/phone_rules.html", context)


@requires(Act.CHANGE_SETTINGS)
def test(request: HttpRequest) -> HttpResponse:
    """Send a test text or a test call, and show the results of the latest tests."""
    by = request_user(request)
    # Whole numbers are never stored, not even in a draft.
    if request.method == "POST" and (answer := require_recent_auth(request, keep=False)):
        messages.info(request, _("Prove that it is you, then fill this in again: the number was not kept."))
        return answer
    given = request.POST if request.method == "POST" else None
    form = PhoneTestForm(given, region=by.organisation.region, gateway=request.GET.get("gateway", ""))
    if request.method == "POST" and form.is_valid():
        cleaned, now = form.cleaned_data, timezone.now()
        outcome = send_test(
            by,
            cleaned["line"],
            Channel(cleaned["channel"]),
            gateway=cleaned["gateway"],
            origin=origin_of(request),
            now=now,
        )
        if isinstance(outcome, Outgoing):
            _tell(request, outcome)
            return HttpResponseRedirect(reverse("admincenter:phone_test"))
        form.add_error(None if isinstance(outcome, TooMany) else "number", _why_not(outcome, by))
    context = {
        "form": form,
        "can_send": bool(channels_carried()),
        "has_gateways": bool(settings.WATCHWORD_PHONES.gateways),
        "each_hour": EACH_HOUR,
        "rows": [message_row(row) for row in newest_tests(by)],
        **_frame("test"),
    }
    return render(request, "admincenter/phone_test.html", context)


@requires(Act.CHANGE_SETTINGS)
def reopen(request: HttpRequest, country_block_id: int) -> HttpResponse:
    """Explain the effect of reopening a country, and reopen it when the button is pressed."""
    by, now = request_user(request), timezone.now()
    row = find_country_block(by.organisation, country_block_id, now=now)
    if row is None:
        raise Http404
    if answer := require_recent_auth(request):
        return answer
    if request.method == "POST":
        if reopen_country(row.country_block, by=by, origin=origin_of(request), now=now):
            done = _("Codes to new numbers in %(country)s are sent again.")
            messages.success(request, done % {"country": row.country})
        else:
            messages.info(request, _("This country is open already."))
        return HttpResponseRedirect(reverse("admincenter:phone_blocked"))
    return render(request, "admincenter/phone_reopen.html", {"row": row, **_frame("blocked")})


@requires(Act.CHANGE_SETTINGS)
def shared(request: HttpRequest) -> HttpResponse:
    """Show the telephones that several people share, add one, or remove one."""
    by, now = request_user(request), timezone.now()
    # Whole numbers are never stored in clear, and not in a draft either.
    if request.method == "POST" and (answer := require_recent_auth(request, keep=False)):
        messages.info(request, _("Prove that it is you, then fill this in again: the number was not kept."))
        return answer
    here = reverse("admincenter:phone_shared")
    if request.method == "POST" and (taken := request.POST.get("remove", "")).isdecimal():
        if shared_numbers.stop_sharing(by, int(taken[:15]), origin=origin_of(request), now=now):
            messages.success(request, _("Removed. The limits of every other telephone hold for it again."))
        return HttpResponseRedirect(here)
    given = request.POST if request.method == "POST" else None
    form = shared_numbers.SharedNumberForm(given, organisation=by.organisation)
    if request.method == "POST" and form.is_valid():
        row = shared_numbers.share(form.cleaned_data, by=by, origin=origin_of(request), now=now)
        words = _("%(people)d people a day may use the number ending %(ends)s from now on.")
        messages.success(request, words % {"people": row.people_each_day, "ends": row.ends})
        return HttpResponseRedirect(here)
    rows = [(row, country_words(row.country)) for row in shared_numbers.shared_numbers_of(by.organisation)]
    limits = by.organisation.policy.limits
    context = {"form": form, "rows": rows, "limits": limits, **_frame("rules")}
    return render(request, "admincenter/phone_shared.html", context)


def _frame(tab: str) -> dict[str, object]:
    return {"here": "phone_delivery", "tab": tab, "may_change": True}


def _tell(request: HttpRequest, outgoing: Outgoing) -> None:
    result = Result(Delivery.objects.values_list("result", flat=True).get(pk=outgoing.delivery_id))
    place = {"ends": outgoing.number[-2:], "result": result_words(result)}
    if result.is_trouble:
        messages.error(request, _("The test to the number ending %(ends)s failed: %(result)s.") % place)
    elif outgoing.channel is Channel.VOICE:
        messages.success(request, _("The number ending %(ends)s is being called.") % place)
    else:
        messages.success(request, _("The test is on its way to the number ending %(ends)s.") % place)


def _why_not(outcome: SendThrottled | TooMany, by: User) -> str:
    if isinstance(outcome, TooMany):
        words = _("You have sent %(number)d tests within an hour, the most at once. The next is possible in %(wait)s.")
        return words % {"number": EACH_HOUR, "wait": in_words(outcome.until)}
    if outcome.rule is LimitRule.COUNTRY:
        words = _("Your rules allow no codes to %(country)s, so no test goes there. Add it under Rules first.")
        return words % {"country": country_words(str(outcome.details.get("country", "")))}
    limit = limit_of(outcome.rule, outcome.details, by.organisation.policy.limits, budget_of(by.organisation))
    return why(outcome.rule, outcome.details, limit)
