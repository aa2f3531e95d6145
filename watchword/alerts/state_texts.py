"""The texts of warnings about a changed multi-factor state."""

from __future__ import annotations

from django.utils.translation import gettext as _

from watchword.alerts.notice import NoticeText
from watchword.audit.models import Event
from watchword.directory.models import MfaCause
from watchword.ui.addresses import public_address


def words_of_state(event: Event) -> NoticeText:
    """Return the text for the person whose state changed."""
    state = event.details.get("after", "")
    if event.details.get("waited"):
        return _wait_is_over()
    if state == "disabled":
        what = _("Multi-factor authentication was switched off for your account. App passwords have stopped.")
    else:
        what = _(
            "Multi-factor authentication was switched on for your account. At your next sign-in you will be asked "
            "for a security code, or led through setting up your phone."
        )
        if event.reason != MfaCause.ALREADY_REGISTERED:
            advice = _("Set up your phone now, it takes two minutes: %(link)s\n\nQuestions? Ask your administrator.")
            link = public_address("web:set_up")
            return NoticeText(_("Your multi-factor authentication was changed"), what, advice % {"link": link})
    return NoticeText(_("Your multi-factor authentication was changed"), what, _("Questions? Ask your administrator."))


def _wait_is_over() -> NoticeText:
    link = public_address("portal:app_passwords")
    return NoticeText(
        _("Your mail programs need an app password now"),
        _(
            "The time that your organisation lets pass after you registered your phone is over. From now on your own "
            "password no longer works in mail programs."
        ),
        _("Make an app password and put it there: %(link)s\n\nQuestions? Ask your administrator.") % {"link": link},
    )
