"""Keeps what was sent to a page, so that proving again or reading a confirmation loses nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from watchword.admincenter.models import Draft
from watchword.signin.middleware import request_user

LASTS = timedelta(hours=1)
_NOT_STORED = ("csrfmiddlewaretoken", "draft")


def keep(request: HttpRequest, values: Mapping[str, Sequence[str]]) -> Draft:
    """Keep values for this page and person."""
    user, now = request_user(request), timezone.now()
    stored = {name: list(several) for name, several in values.items() if name not in _NOT_STORED}
    return Draft.objects.create(user=user, made_at=now, page=request.path, sealed_values=json.dumps(stored))


def forget_old(*, now: datetime) -> int:
    """Delete the drafts whose hour is over, whoever made them, and return how many; for the worker."""
    return Draft.objects.filter(made_at__lt=now - LASTS).delete()[0]


def address_of(draft: Draft) -> str:
    """Return the address at which the page shows what was kept."""
    return f"{draft.page}?{urlencode({'draft': draft.pk})}"


def find(request: HttpRequest) -> Draft | None:
    """Return the draft that a request names, if it is this person's, for this page, and not too old."""
    named = request.POST.get("draft") or request.GET.get("draft", "")
    try:
        key = UUID(named)
    except ValueError:
        return None
    return Draft.objects.filter(
        pk=key, user=request_user(request), page=request.path, made_at__gte=timezone.now() - LASTS
    ).first()


def spend(draft: Draft) -> bool:
    """Take a draft to carry it out; False if another request was quicker."""
    number, _each = Draft.objects.filter(pk=draft.pk).delete()
    return bool(number)


def sent(request: HttpRequest) -> QueryDict | None:
    """Return what was filled in: by this POST, or before the person proved again; None where nothing was."""
    if request.method == "POST":
        return request.POST
    draft = find(request)
    if draft is None:
        return None
    messages.info(request, _("This is what you filled in. Nothing was changed yet: press the button again."))
    return values_of(draft)


def values_of(draft: Draft) -> QueryDict:
    """Return the values of a draft as a form sends them."""
    values = QueryDict(mutable=True)
    for name, several in draft.values.items():
        values.setlist(name, several)
    return values
