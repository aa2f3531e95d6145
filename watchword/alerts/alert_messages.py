"""Alerts rendered for administrators: a mail, or a short text."""

from __future__ import annotations

from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from watchword.alerts import headlines
from watchword.alerts.messages import LONGEST_TEXT, envelope_of, facts_of, one_line
from watchword.alerts.models import Alert, Notice
from watchword.alerts.rules import AlertRule
from watchword.audit.models import Event
from watchword.messaging.content.sms import name_in_text
from watchword.ui.addresses import public_address


def mail_of(notice: Notice, alert: Alert, event: Event, to: str) -> EmailMessage:
    """Return the mail about an alert. The same notice always has the same Message-ID."""
    rule = AlertRule(alert.rule)
    facts = facts_of(event)
    if alert.subject is not None:
        facts.insert(0, (_("Who"), f"{alert.subject.display_name} ({alert.subject.sign_in_name})"))
    if identified := alert.details.get("identified"):
        facts.append((_("How it was made sure who it is"), str(identified)))
    if done := headlines.done_of(rule, alert.details):
        facts.append((_("Done already"), done))
    lines = [
        headlines.name_of(rule) + ".",
        "",
        *(f"  {label}: {one_line(value)}" for label, value in facts),
        "",
        headlines.next_step_of(rule),
        "",
        _("All alerts, and who has closed which:"),
        public_address("admincenter:alerts"),
        "",
        _("The same within the hour or day is counted there, and not mailed again."),
        alert.organisation.name,
    ]
    who = f": {alert.subject.display_name}" if alert.subject is not None else ""
    return EmailMessage(
        subject=one_line(
            _("Alert: %(what)s (%(organisation)s)")
            % {"what": headlines.name_of(rule) + who, "organisation": alert.organisation.name}
        ),
        body="\n".join(lines) + "\n",
        to=[to],
        **envelope_of(notice),
    )


def text_of(alert: Alert) -> str:
    """Return the short form for a telephone."""
    said = _("%(organisation)s: alert: %(what)s. See Alerts in the admin center.") % {
        "organisation": name_in_text(alert.organisation.name),
        "what": headlines.name_of(AlertRule(alert.rule)),
    }
    return one_line(said)[:LONGEST_TEXT]
