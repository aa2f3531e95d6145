"""Lets templates show only what the person in front of them may do."""

from typing import Any

from django import template
from django.http import HttpRequest

from watchword.alerts.models import Alert
from watchword.directory.roles import Act
from watchword.signin.middleware import request_user

register = template.Library()


@register.simple_tag(takes_context=True)
def may(context: dict[str, Any], act: str) -> bool:
    """Whether who has signed in may do an act at all: ``{% may "change_settings" as may_change %}``."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    return request_user(request).may(Act(act))


@register.simple_tag(takes_context=True)
def open_alerts(context: dict[str, Any]) -> str:
    """Return how many alerts are open, as the navigation says it: nothing, a number, or 99+."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    found = Alert.objects.filter(organisation_id=request_user(request).organisation_id, closed_at=None)
    number = found.order_by()[: MOST_SAID + 1].count()
    return "" if not number else f"{MOST_SAID}+" if number > MOST_SAID else str(number)


MOST_SAID = 99
