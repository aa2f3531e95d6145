"""The names of warnings on a page."""

from django import template

from watchword.alerts.headlines import name_of
from watchword.alerts.models import Notice
from watchword.alerts.rules import AlertRule

register = template.Library()


@register.simple_tag
def warning_subject(notice: Notice) -> str:
    """Return the subject of a notice."""
    return name_of(AlertRule(notice.rule))
