"""The sign-in log: successful and denied sign-ins, with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from watchword.admincenter.labels import REASONS
from watchword.admincenter.permissions import requires
from watchword.admincenter.reports.filters import QueryFilter, day_of, people_named
from watchword.audit import repeats
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.core.usernames import InvalidSignInName, name_key
from watchword.directory.models import User
from watchword.directory.people_file import BYTE_ORDER_MARK, write_csv
from watchword.directory.roles import Act
from watchword.signin.middleware import request_user

PAGE = 100
MOST_EXPORTED = 10_000
LONGEST_NUMBER = 18
SERVICES = ("imap", "pop3", "smtp", "submission", "sieve", "caldav")
KINDS = {
    "allowed": [EventKind.SIGN_IN_ALLOWED],
    "denied": [EventKind.SIGN_IN_DENIED, EventKind.CODE_REJECTED],
}


@dataclass(frozen=True, slots=True)
class SignInFilter(QueryFilter):
    """The filter of the sign-in log."""

    person: str = ""
    outcome: str = ""
    door: str = ""
    service: str = ""
    address: str = ""


@requires(Act.SEE_SIGN_INS)
def log(request: HttpRequest) -> HttpResponse:
    """Show sign-ins, the newest first."""
    by = request_user(request)
    chosen = SignInFilter.read(request.GET.dict())
    events = _events(by, chosen)
    before = request.GET.get("before", "")
    if before.isdecimal() and len(before) <= LONGEST_NUMBER:
        events = events.filter(id__lt=int(before))
    rows = list(events.order_by("-id")[: PAGE + 1])
    more = repeats.more_times(rows)
    address = chosen.query_string()
    context: dict[str, Any] = {
        "filter": chosen,
        "wrong": chosen.wrong(),
        "rows": [
            {
                "event": row,
                "why": REASONS.get(row.reason, row.reason),
                "more": more.get(row.pk, 0),
                "many": repeats.is_about_many(row),
            }
            for row in rows[:PAGE]
        ],
        "older": f"{address}&before={rows[PAGE - 1].pk}" if len(rows) > PAGE else "",
        "address": address,
        "services": SERVICES,
        "most_exported": MOST_EXPORTED,
        "here": "sign_ins",
    }
    return render(request, "admincenter/sign_ins.html", context)


@requires(Act.SEE_SIGN_INS)
def export(request: HttpRequest) -> HttpResponse:
    """Return the newest of these sign-ins as CSV."""
    events = list(_events(request_user(request), SignInFilter.read(request.GET.dict())).order_by("-id")[:MOST_EXPORTED])
    more = repeats.more_times(events)
    columns = (
        "Time (UTC)",
        "Person",
        "Outcome",
        "Reason",
        "Door",
        "Service",
        "App password",
        "Address",
        "Program",
        "Again within the hour",
    )
    lines: list[list[object]] = [list(columns)]
    lines += [
        [
            event.at.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00"),
            event.subject_name,
            "came in" if event.kind == EventKind.SIGN_IN_ALLOWED else "refused",
            str(REASONS.get(event.reason, event.reason)),
            event.door,
            event.service,
            event.details.get("app_password", ""),
            event.address,
            event.agent,
            more.get(event.pk, 0),
        ]
        for event in events
    ]
    response = HttpResponse(BYTE_ORDER_MARK + write_csv(lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="sign-ins.csv"'
    return response


def _events(by: User, chosen: SignInFilter) -> QuerySet[Event]:
    kinds = KINDS.get(chosen.outcome, [kind for group in KINDS.values() for kind in group])
    events = Event.objects.filter(organisation_id=by.organisation_id, kind__in=kinds)
    if chosen.person:
        events = events.filter(_about(chosen.person, by))
    if chosen.door in {"web", "mail"}:
        events = events.filter(door=chosen.door)
    if chosen.service:
        events = events.filter(service=chosen.service.casefold())
    if chosen.address:
        events = events.filter(address=chosen.address)
    since, until = day_of(chosen.since), day_of(chosen.until)
    if since is not None:
        events = events.filter(at__gte=since)
    if until is not None:
        events = events.filter(at__lt=until + timedelta(days=1))
    return events


def _about(typed: str, by: User) -> Q:
    # People of the organisation, and names of unknown accounts as they were typed.
    return Q(subject_id__in=people_named(typed, by)) | Q(subject_name=_plain(typed))


def _plain(name: str) -> str:
    try:
        return name_key(name)
    except InvalidSignInName:
        return name
