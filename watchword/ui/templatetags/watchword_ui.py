"""The template tags of all pages."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django import template
from django.forms import BaseForm, BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from watchword.ui.icons import ICONS

register = template.Library()

_MINUTE = 60
_STATES = {
    "disabled": "quiet",
    "enabled": "notice",
    "enforced": "good",
    "blocked": "bad",
    "deleted": "bad",
    "suspended": "bad",
}


@register.inclusion_tag("ui/error_summary.html")
def error_summary(form: BaseForm) -> dict[str, Any]:
    """Return the error summary at the top of a page: one link for each field with an error."""
    rows = [(_place_of(form[name]), form.errors[name]) for name in form.errors if name in form.fields]
    return {"rows": rows, "others": form.non_field_errors(), "is_wrong": bool(form.errors)}


def _place_of(field: BoundField) -> str:
    """Return the id of the input to focus: the first choice of a group; empty for a hidden field."""
    if field.is_hidden:
        return ""
    if isinstance(field.field.widget, RadioSelect | CheckboxSelectMultiple):
        choices = field.subwidgets
        return (choices[0].id_for_label or "") if choices else ""
    return field.id_for_label


@register.inclusion_tag("ui/form_row.html")
def form_row(field: BoundField) -> dict[str, Any]:
    """Return one field with its label, hint and error; the input refers to both by aria-describedby."""
    widget = field.field.widget
    is_group = isinstance(widget, RadioSelect | CheckboxSelectMultiple)
    described = [
        f"{field.auto_id}-{part}"
        for part, there in (("hint", field.help_text), ("error", field.errors))
        if there and not field.is_hidden
    ]
    attributes: dict[str, str | bool] = {}
    if described and not is_group:
        attributes["aria-describedby"] = " ".join(described)
    if field.errors and not is_group and not field.is_hidden:
        attributes["aria-invalid"] = "true"
    return {
        "field": field,
        "widget": field.as_widget(attrs=attributes),
        "described": " ".join(described),
        "is_group": is_group,
        "is_tick": isinstance(widget, CheckboxInput),
        "is_hidden": widget.is_hidden,
    }


@register.simple_tag
def state_tag(state: str) -> SafeString:
    """Return a state as a word; the colour adds no information."""
    names = {
        "disabled": _("Disabled"),
        "enabled": _("Enabled"),
        "enforced": _("Enforced"),
        "blocked": _("Blocked"),
        "deleted": _("Deleted"),
        "suspended": _("Suspended"),
    }
    word = str(state)
    return format_html('<span class="tag tag-{}">{}</span>', _STATES.get(word, "quiet"), names.get(word, word))


@register.simple_tag
def person_time(moment: datetime | None) -> SafeString | str:
    """Return a time in short words with the full time on hover; "never" for None."""
    if moment is None:
        return _("never")
    local = timezone.localtime(moment)
    today = timezone.localtime(timezone.now())
    if local.date() == today.date():
        short = _("today at %(time)s") % {"time": date_format(local, "H:i")}
    elif local.year == today.year:
        short = date_format(local, "j F, H:i")
    else:
        short = date_format(local, "j F Y")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', local.isoformat(), date_format(local, "DATETIME_FORMAT"), short
    )


@register.simple_tag
def in_words(moment: datetime) -> str:
    """Return the time until a moment: "30 seconds", "4 minutes"."""
    seconds = max(math.ceil((moment - timezone.now()).total_seconds()), 1)
    if seconds < _MINUTE:
        return ngettext("%(number)d second", "%(number)d seconds", seconds) % {"number": seconds}
    return timesince(timezone.now(), moment, depth=1) if seconds >= 2 * _MINUTE else _("a minute")


@register.simple_tag
def seconds_until(moment: datetime) -> int:
    """Return the whole seconds until a moment, for a countdown."""
    return max(math.ceil((moment - timezone.now()).total_seconds()), 0)


@register.filter
def initials(name: str) -> str:
    """Return one or two initials of a name."""
    words = [word for word in str(name).replace("@", " ").split() if word[:1].isalnum()]
    if not words:
        return "?"
    letters = words[0][:1] + (words[-1][:1] if len(words) > 1 else "")
    return letters.upper()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return one icon; it is decorative, as the words beside it say the same."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">{}</svg>',
        ICONS[name],
    )


@register.inclusion_tag("ui/pagination.html")
def pagination(first: str = "", before: str = "", after: str = "") -> dict[str, str]:
    """Return the links to other pages of a list; each argument is a query string, empty for no link."""
    return {"first": first, "before": before, "after": after}


@register.inclusion_tag("ui/secret_groups.html")
def secret_groups(secret: str, name: str = "secret") -> dict[str, Any]:
    """Return a text to copy, in groups that are not broken across lines."""
    return {"secret": secret, "groups": secret.split(" "), "name": name}
