"""Lets templates show only what the person in front of them may do."""

from typing import Any

from django import template
from django.http import HttpRequest

from watchword.directory.roles import Act
from watchword.signin.middleware import person_of

register = template.Library()


@register.simple_tag(takes_context=True)
def may(context: dict[str, Any], act: str) -> bool:
    """Whether who has signed in may do an act at all: ``{% may "change_settings" as may_change %}``."""
    request = context["request"]
    assert isinstance(request, HttpRequest)
    return person_of(request).may(Act(act))
