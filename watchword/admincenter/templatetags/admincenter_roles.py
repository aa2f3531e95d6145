"""Template tags that show only what the signed-in administrator is permitted to do."""

from typing import Any

from django import template
from django.http import HttpRequest
from django.utils import timezone

from watchword.alerts import undelivered
from watchword.alerts.models import Alert
from watchword.directory.roles import Act
from watchword.signin.middleware import request_user

register = template.Library()


@register.simple_tag(takes_context=True)
def may(context: dict[str, Any], act: str) -> bool:
    """Return whether the signed-in person may do an act: ``{% may "change_settings" as may_change %}``."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    return request_user(request).may(Act(act))


@register.simple_tag
def is_mail_stuck() -> bool:
    """Return whether warnings can't be mailed, which no mail can tell administrators."""
    return undelivered.is_mail_stuck(now=timezone.now())


@register.simple_tag(takes_context=True)
def open_alerts(context: dict[str, Any]) -> str:
    """Return the number of open alerts for the navigation: empty for none, else a number or 99+."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    found = Alert.objects.filter(organisation_id=request_user(request).organisation_id, closed_at=None)
    number = found.order_by()[: MOST_SAID + 1].count()
    return "" if not number else f"{MOST_SAID}+" if number > MOST_SAID else str(number)


MOST_SAID = 99
