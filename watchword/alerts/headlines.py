"""What administrators read about an alert: its name, what was done already, the next step."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.alerts.rules import Rule


def headline_of(rule: Rule, times: int) -> str:
    """Return what an alert is called for administrators."""
    said = str(_HEADLINES.get(rule, rule))
    return _("%(said)s, %(times)d times") % {"said": said, "times": times} if times > 1 else said


def next_step_of(rule: Rule) -> str:
    """Return what an administrator does best next."""
    match rule:
        case Rule.CODE_MISSING:
            return _("Somebody knows the password. Ask the person; if it was not them, reset the password.")
        case Rule.DISAVOWED:
            return _(
                "Everything was closed and the old password is useless. Speak with the person and, unless they "
                "have chosen a new one already, give them a new password."
            )
        case Rule.FRAUD_REPORTED:
            return _("Somebody asked for codes who is not the owner of the telephone. Reset the password.")
        case Rule.LOCKED:
            return _(
                "Find out whether the person mistyped. Unlock only after speaking with them; else reset the password."
            )
        case Rule.SOURCE_CLOSED:
            return _(
                "One address tried many passwords. If it is your own office, list it as a trusted network; "
                "otherwise close it in your firewall."
            )
        case Rule.APP_PASSWORD_IN_BROWSER:
            return _(
                "Somebody typed an app password on the sign-in page. If it was not the person, delete that app password."
            )
        case Rule.APP_PASSWORD_LIMITS:
            return _("An app password was used outside its limits. If it was not the person, delete it.")
        case _:
            return _("Ask the person whether it was them.")


_HEADLINES = {
    Rule.CODE_MISSING: gettext_lazy("Right password, no code"),
    Rule.APP_PASSWORD_IN_BROWSER: gettext_lazy("App password typed on the sign-in page"),
    Rule.APP_PASSWORD_LIMITS: gettext_lazy("App password used outside its limits"),
    Rule.FRAUD_REPORTED: gettext_lazy("Call reported as fraud"),
    Rule.LOCKED: gettext_lazy("Sign-in locked after wrong codes"),
    Rule.SOURCE_CLOSED: gettext_lazy("One address tried many passwords"),
    Rule.DISAVOWED: gettext_lazy("“This wasn't me” was pressed"),
}


def name_of(rule: Rule) -> str:
    """Return what a rule is called where no event is at hand."""
    return str(_NAMES[rule])


def done_of(rule: Rule, details: Mapping[str, object]) -> str:
    """Return what was done already, for administrators; empty where nothing was."""
    if rule is not Rule.DISAVOWED:
        return ""
    done = [_("all sessions and mail connections ended"), _("the old password is useless")]
    if details.get("app_password"):
        done.append(_("the app password “%(name)s” is frozen") % {"name": details["app_password"]})
    if details.get("can_choose"):
        done.append(_("the person was offered to choose a new password"))
    return "; ".join(done)


_NAMES = {
    **_HEADLINES,
    Rule.PASSWORD_IN_MAIL: gettext_lazy("Account password in a mail program"),
    Rule.APP_PASSWORD_ELSEWHERE: gettext_lazy("App password used from a new place"),
    Rule.APP_PASSWORD_REVOKED: gettext_lazy("A device tries a deleted app password"),
    Rule.APP_PASSWORD_CREATED: gettext_lazy("New app password"),
    Rule.NEW_BROWSER: gettext_lazy("Sign-in from a new browser"),
    Rule.PHONE_ADDED: gettext_lazy("Phone registered"),
    Rule.PHONE_REMOVED: gettext_lazy("Phone removed"),
    Rule.PASSWORD_CHANGED: gettext_lazy("Password changed"),
    Rule.PASSWORD_RESET: gettext_lazy("Password reset"),
    Rule.MFA_STATE: gettext_lazy("Multi-factor authentication changed"),
    Rule.CONTACT_CHANGED: gettext_lazy("Contact address changed"),
}
