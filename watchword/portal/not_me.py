"""The *This wasn't me* page: looking does nothing, a button closes everything."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from watchword.alerts import links, messages, words
from watchword.alerts.rules import Rule
from watchword.audit.models import Event
from watchword.signin import cookies
from watchword.signin.disavowal import disavow
from watchword.signin.middleware import origin_of

OVER = 410


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def not_me(request: HttpRequest, token: str) -> HttpResponse:
    """Say what happened and offer to close everything; on POST, do it once."""
    now = timezone.now()
    link = links.find(token, now=now)
    if link is None:
        return render(request, "portal/not_me_over.html", status=OVER)
    if request.method != "POST":
        event = Event.objects.get(pk=link.event_id)
        context = {
            "words": words.words_of(Rule(link.rule), event),
            "facts": messages.facts_of(event),
            "person": link.user,
        }
        return render(request, "portal/not_me.html", context)
    with transaction.atomic():
        if not links.use(link, now=now):
            return render(request, "portal/not_me_over.html", status=OVER)
        done = disavow(link.user, credential_id=link.credential_id, rule=link.rule, origin=origin_of(request), now=now)
    response = render(request, "portal/not_me_done.html", {"done": done, "person": link.user})
    cookies.clear(response)
    return response
