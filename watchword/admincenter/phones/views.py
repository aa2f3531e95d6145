"""Phone delivery for administrators: gateways, charts, costs, messages, and blocked attempts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from watchword.admincenter.permissions import requires
from watchword.admincenter.phones import charts, gateways, statistics
from watchword.admincenter.phones.country_blocks import country_blocks_of, open_country_blocks_of
from watchword.admincenter.phones.filters import UNKNOWN, BlockedFilter, MessageFilter, page_of
from watchword.admincenter.phones.forms import limit_of
from watchword.admincenter.phones.labels import (
    CHANNELS,
    PURPOSES,
    RESULTS,
    RULES,
    country_words,
    money,
    result_words,
    rule_words,
    tone_of,
    why,
)
from watchword.core.policy import Channel
from watchword.directory.models import Organisation, User
from watchword.directory.roles import Act
from watchword.messaging.gateway import Result
from watchword.messaging.limits.counters import budget_of
from watchword.messaging.models import Delivery
from watchword.signin.middleware import request_user

SPANS = (14, 30)
"""The periods of the charts, in days."""


@require_safe
@requires(Act.SEE_SIGN_INS)
def overview(request: HttpRequest) -> HttpResponse:
    """Show the state of the gateways, the numbers of sent, delivered and entered messages, and their cost."""
    by, now = request_user(request), timezone.now()
    organisation = by.organisation
    days = SPANS[1] if request.GET.get("days") == str(SPANS[1]) else SPANS[0]
    figures = statistics.figures_of(organisation, days=days, now=now)
    currency = settings.WATCHWORD_PHONES.currency
    context = {
        **_frame(by, "overview"),
        "country_blocks": open_country_blocks_of(organisation, now=now),
        "gateways": gateways.gateway_rows(now=now),
        "is_simulated": settings.WATCHWORD_PHONES.is_simulated,
        "days": days,
        "spans": SPANS,
        "figures": figures,
        "plot": charts.plot_days(figures.days),
        "countries": [
            (_("All others") if one.is_rest else country_words(one.country.code), one)
            for one in charts.plot_countries(figures.countries)
        ],
        "country_rows": [
            (country_words(one.code), one, money(one.all.cost_micros, currency)) for one in figures.countries
        ],
        "cost_today": money(figures.today.cost_micros, currency),
        "cost_month": money(figures.month.cost_micros, currency),
        "cost_by_country": [
            (country_words(code), money(micros, currency)) for code, micros in figures.month_by_country.items()
        ],
        "cost_by_gateway": [
            (name, number, money(micros, currency))
            for name, number, micros in statistics.month_by_gateway(organisation, now=now)
        ],
        "has_prices": any(one.route.prices_micros for one in settings.WATCHWORD_PHONES.gateways),
    }
    return render(request, "admincenter/phone_overview.html", context)


@require_safe
@requires(Act.SEE_SIGN_INS)
def messages(request: HttpRequest) -> HttpResponse:
    """Show texts and calls, the newest first, without codes and numbers."""
    by = request_user(request)
    chosen = MessageFilter.read(request.GET.dict())
    page = page_of(chosen.rows(by), chosen, request.GET.get("before", ""))
    results = [(result.value, words) for result, words in RESULTS.items()]
    context = {
        **_frame(by, "messages"),
        "filter": chosen,
        "wrong": chosen.wrong(),
        "rows": [message_row(row) for row in page.rows],
        "older": page.older,
        "results": [("entered", _("entered")), *results],
        "countries": _countries(by.organisation),
        "gateways": gateways.gateway_names(),
    }
    return render(request, "admincenter/phone_messages.html", context)


@require_safe
@requires(Act.SEE_SIGN_INS)
def blocked(request: HttpRequest) -> HttpResponse:
    """Show the messages that the rate limits blocked, each with its rule, and the country blocks."""
    by, now = request_user(request), timezone.now()
    organisation = by.organisation
    chosen = BlockedFilter.read(request.GET.dict())
    page = page_of(chosen.rows(by), chosen, request.GET.get("before", ""))
    budget = budget_of(organisation)
    rows = [
        {
            "row": row,
            "rule": rule_words(row.rule),
            "why": why(row.rule, row.details, limit_of(row.rule, row.details, organisation.policy.limits, budget)),
            "country": country_words(row.country),
            "channel": CHANNELS[Channel(row.channel)],
        }
        for row in page.rows
    ]
    context = {
        **_frame(by, "blocked"),
        "filter": chosen,
        "wrong": chosen.wrong(),
        "rows": rows,
        "older": page.older,
        "rules": [(rule.value, words) for rule, words in RULES.items()],
        "countries": _countries(organisation),
        "country_blocks": country_blocks_of(organisation, now=now),
    }
    return render(request, "admincenter/phone_blocked.html", context)


def message_row(row: Delivery) -> dict[str, Any]:
    """Return the labels of one message."""
    result = Result(row.result)
    return {
        "row": row,
        "channel": CHANNELS[Channel(row.channel)],
        "purpose": PURPOSES.get(row.purpose, row.purpose),
        "country": country_words(row.country),
        "result": result_words(row.result),
        "tone": tone_of(result),
        "cost": money(row.cost_micros, settings.WATCHWORD_PHONES.currency) if row.cost_micros else "",
    }


def _frame(by: User, tab: str) -> dict[str, Any]:
    return {"here": "phone_delivery", "tab": tab, "may_change": by.may(Act.CHANGE_SETTINGS)}


def _countries(organisation: Organisation) -> list[tuple[str, str]]:
    seen = statistics.countries_seen(organisation, now=timezone.now())
    return sorted(((code or UNKNOWN, country_words(code)) for code in seen), key=lambda pair: pair[1])
