"""Stores submitted forms, so that re-authentication or a confirmation loses nothing."""

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

LIFETIME = timedelta(hours=1)
_NOT_STORED = ("csrfmiddlewaretoken", "draft")


def keep(request: HttpRequest, values: Mapping[str, Sequence[str]]) -> Draft:
    """Store values for this page and person."""
    user, now = request_user(request), timezone.now()
    stored = {name: list(several) for name, several in values.items() if name not in _NOT_STORED}
    return Draft.objects.create(user=user, made_at=now, page=request.path, sealed_values=json.dumps(stored))


def forget_old(*, now: datetime) -> int:
    """Delete the expired drafts of all people and return how many; called by the worker."""
    return Draft.objects.filter(made_at__lt=now - LIFETIME).delete()[0]


def address_of(draft: Draft) -> str:
    """Return the URL at which the page shows the stored values."""
    return f"{draft.page}?{urlencode({'draft': draft.pk})}"


def find(request: HttpRequest) -> Draft | None:
    """Return the draft that a request names if it belongs to this person and page and has not expired."""
    named = request.POST.get("draft") or request.GET.get("draft", "")
    try:
        key = UUID(named)
    except ValueError:
        return None
    return Draft.objects.filter(
        pk=key, user=request_user(request), page=request.path, made_at__gte=timezone.now() - LIFETIME
    ).first()


def spend(draft: Draft) -> bool:
    """Delete a draft before it is carried out; return False if a concurrent request was first."""
    number, _each = Draft.objects.filter(pk=draft.pk).delete()
    return bool(number)


def sent(request: HttpRequest) -> QueryDict | None:
    """Return the submitted values: of this POST, or of the draft from before re-authentication; None if none exist."""
    if request.method == "POST":
        return request.POST
    draft = find(request)
    if draft is None:
        return None
    messages.info(request, _("This is what you filled in. Nothing was changed yet: press the button again."))
    return values_of(draft)


def values_of(draft: Draft) -> QueryDict:
    """Return the values of a draft in the form of a submitted form."""
    values = QueryDict(mutable=True)
    for name, several in draft.values.items():
        values.setlist(name, several)
    return values
