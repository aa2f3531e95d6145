"""The texts of alerts for administrators: the name, what has been done already, the recommended next step."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from watchword.alerts.rules import AlertRule, texts_in
from watchword.directory.roles import ROLE_NAMES, Role


def headline_of(rule: AlertRule, times: int) -> str:
    """Return the headline of an alert for administrators."""
    said = str(_HEADLINES.get(rule, rule))
    return _("%(said)s, %(times)d times") % {"said": said, "times": times} if times > 1 else said


def next_step_of(rule: AlertRule) -> str:
    """Return the recommended next step for an administrator."""
    return str(_NEXT_STEPS.get(rule) or _("Ask the person whether it was them."))


_NEXT_STEPS = {
    AlertRule.ROLE_GIVEN: gettext_lazy(
        "Was it meant? Ask whoever gave it. A role that nobody can explain: take it away and reset the password."
    ),
    AlertRule.CODE_MISSING: gettext_lazy(
        "Somebody knows the password. Ask the person; if it was not them, reset the password."
    ),
    AlertRule.NOT_ME: gettext_lazy(
        "Speak with the person, and go through what still stands with them: close what is not theirs. "
        "Without a phone they can't choose a new password themselves: give them one, and require contact methods again."
    ),
    AlertRule.RENAMED: gettext_lazy("Was it meant? The mailbox is the same, and the name before is an alias still."),
    AlertRule.MAILBOX_CHANGED: gettext_lazy(
        "Was it meant? Whoever has the mailbox reads its mail. Ask the administrator who did it, named in the log."
    ),
    AlertRule.FRAUD_REPORTED: gettext_lazy(
        "Somebody asked for codes who is not the owner of the telephone. Reset the password."
    ),
    AlertRule.LOCKED: gettext_lazy(
        "Find out whether the person mistyped. Unlock only after speaking with them; else reset the password."
    ),
    AlertRule.SOURCE_CLOSED: gettext_lazy(
        "One address tried many passwords. If it is your own office, list it among the shared addresses in Service "
        "settings; otherwise close it in your firewall."
    ),
    AlertRule.APP_PASSWORD_IN_BROWSER: gettext_lazy(
        "Somebody typed an app password on the sign-in page. If it was not the person, delete that app password."
    ),
    AlertRule.SIM_CHANGED: gettext_lazy(
        "Speak with the person. If they did not change their SIM card, their carrier must stop the theft."
    ),
    AlertRule.COUNTRY_CLOSED: gettext_lazy(
        "Many codes went to new phones there and next to none was typed: somebody may earn from them. "
        "Look at Phone delivery, and reopen the country when you know who it was."
    ),
    AlertRule.NEW_NUMBERS_UNTYPED: gettext_lazy(
        "Somebody may be trying how many codes they can make you pay for, slowly. Look at Phone delivery, Messages, who "
        "asked. If people had trouble with a carrier that day, it was that."
    ),
    AlertRule.PASSWORD_KNOWN: gettext_lazy(
        "A day's codes were asked for and none was typed. The person chooses a new password; tell them."
    ),
    AlertRule.PASSWORD_GUESSED: gettext_lazy(
        "Many wrong passwords came for this account, perhaps from many addresses, and nobody is locked out by that. If "
        "multi-factor authentication is off for it, enable it."
    ),
    AlertRule.REGISTERED: gettext_lazy(
        "Somebody who was Enabled registered a phone. Ask the person, by a way that you trust, whether it is theirs."
    ),
    AlertRule.ACCESS_PASS_MADE: gettext_lazy(
        "Ask whoever made it how they made sure that they were talking to the right person."
    ),
    AlertRule.NO_METHOD_LEFT: gettext_lazy(
        "Speak with the person. If it was them, make a Temporary Access Pass; if not, reset the password."
    ),
    AlertRule.APP_PASSWORD_LIMITS: gettext_lazy(
        "An app password was used outside its limits. If it was not the person, delete it."
    ),
    AlertRule.WARNING_GIVEN_UP: gettext_lazy(
        "These people were not told of something about their accounts: sending it failed until it was given up. Look at "
        "the mail server and at their addresses, and tell them. Each one's Activity says when."
    ),
    AlertRule.METHODS_RESET: gettext_lazy(
        "The person registers phones anew, with the password and a personal link. See that it was them who asked for it."
    ),
    AlertRule.PASSWORD_AND_METHODS_RESET: gettext_lazy(
        "Password and phones together are the account. Ask the person, in another way, whether they wanted both; and ask "
        "the administrator who did it."
    ),
    AlertRule.ALERT_RECIPIENTS: gettext_lazy(
        "This mail went to the old and the new list. If nobody of you wanted this, look at Service settings."
    ),
    AlertRule.APP_TOKEN_REUSED: gettext_lazy(
        "A refresh token came twice, so somebody may have copied it from the app. Its sign-ins were ended. If it happens "
        "with one app again and again, its servers may share a token wrongly: look at the app's page."
    ),
    AlertRule.EMERGENCY_ACCESS_USED: gettext_lazy(
        "Was it a test, or is there an emergency? Ask everybody who can reach the passphrase. If nobody says so: block the "
        "account, look in the log at what was done with it, and make another one."
    ),
    AlertRule.EMERGENCY_ACCESS_CHANGED: gettext_lazy(
        "Was it meant? Ask whoever did it. Two emergency access accounts should be there at any time."
    ),
    AlertRule.ACTS_REFUSED: gettext_lazy(
        "Somebody tries what their roles don't allow. Ask them; if it was not them, sign them out and reset the password."
    ),
}


_HEADLINES = {
    AlertRule.ROLE_GIVEN: gettext_lazy("An administrative role was given"),
    AlertRule.CODE_MISSING: gettext_lazy("Right password, no code"),
    AlertRule.APP_PASSWORD_IN_BROWSER: gettext_lazy("App password typed on the sign-in page"),
    AlertRule.APP_PASSWORD_LIMITS: gettext_lazy("App password used outside its limits"),
    AlertRule.FRAUD_REPORTED: gettext_lazy("Call reported as fraud"),
    AlertRule.LOCKED: gettext_lazy("Sign-in locked after wrong codes"),
    AlertRule.SOURCE_CLOSED: gettext_lazy("One address tried many passwords"),
    AlertRule.REGISTERED: gettext_lazy("Phone registered, multi-factor authentication began"),
    AlertRule.ACCESS_PASS_MADE: gettext_lazy("Temporary Access Pass made"),
    AlertRule.NO_METHOD_LEFT: gettext_lazy("Right password, but no phone that can be used"),
    AlertRule.NOT_ME: gettext_lazy("“This wasn't me” was pressed"),
    AlertRule.SIM_CHANGED: gettext_lazy("A number moved to another SIM card"),
    AlertRule.COUNTRY_CLOSED: gettext_lazy("Codes to new phones in a country were stopped"),
    AlertRule.NEW_NUMBERS_UNTYPED: gettext_lazy("Codes to many new numbers were not typed"),
    AlertRule.PASSWORD_KNOWN: gettext_lazy("A password that somebody else seems to know"),
    AlertRule.PASSWORD_GUESSED: gettext_lazy("Many passwords tried for one account"),
    AlertRule.WARNING_GIVEN_UP: gettext_lazy("A warning could not be sent"),
    AlertRule.METHODS_RESET: gettext_lazy("Contact methods were required again"),
    AlertRule.PASSWORD_AND_METHODS_RESET: gettext_lazy("One administrator reset both password and phones"),
    AlertRule.ALERT_RECIPIENTS: gettext_lazy("The list of who gets alerts was changed"),
    AlertRule.RENAMED: gettext_lazy("A sign-in name was changed"),
    AlertRule.MAILBOX_CHANGED: gettext_lazy("Somebody was given another mailbox"),
    AlertRule.APP_TOKEN_REUSED: gettext_lazy("An app's token was used twice"),
    AlertRule.EMERGENCY_ACCESS_USED: gettext_lazy("An emergency access account was used"),
    AlertRule.EMERGENCY_ACCESS_CHANGED: gettext_lazy("An emergency access account was made or given up"),
    AlertRule.ACTS_REFUSED: gettext_lazy("Administrative acts were refused several times"),
}


_VOUCHED = {
    "by_pass": gettext_lazy("it began with a pass or personal link of an administrator"),
    "by_directory": gettext_lazy("the number is the one in the directory"),
    "by_nothing": gettext_lazy("nothing but the password vouched for them"),
}


def name_of(rule: AlertRule) -> str:
    """Return the name of a rule, for use without an event."""
    return str(_NAMES[rule])


def done_of(rule: AlertRule, details: Mapping[str, object]) -> str:
    """Return what has been done about an event already, in words for administrators; empty if nothing has."""
    if rule is AlertRule.ROLE_GIVEN:
        return _role_given(details)
    if rule is AlertRule.NEW_NUMBERS_UNTYPED:
        words = _("%(numbers)s new numbers, none typed, asked for by %(people)s people; nothing was stopped")
        return words % {"numbers": details.get("numbers", ""), "people": details.get("asked_by", "")}
    if rule is AlertRule.EMERGENCY_ACCESS_USED:
        return _("somebody is signed in with it") if details.get("allowed") else _("refused, after the right password")
    if rule is AlertRule.REGISTERED:
        return str(_VOUCHED.get(str(details.get("registration")), ""))
    if rule is not AlertRule.NOT_ME:
        return ""
    done = [_("all sessions ended, and mail programs are disconnected")]
    if details.get("had_password"):
        done.append(_("the old password is useless"))
    done += [_("the phone ending %(ends)s was removed") % {"ends": ends} for ends in texts_in(details.get("phones"))]
    done += [
        _("the app password “%(name)s” is frozen") % {"name": name} for name in texts_in(details.get("app_passwords"))
    ]
    if "contact_mail" in texts_in(details.get("undone")):
        done.append(_("the contact address is what it was before"))
    if details.get("became_enabled"):
        done.append(_("no phone was left, so the person is Enabled and must register again"))
    if details.get("can_choose"):
        done.append(_("the person may choose a new password behind a code to a phone that was there before"))
    return "; ".join(done)


def _role_given(details: Mapping[str, object]) -> str:
    given = [*texts_in(details.get("roles")), *texts_in([details.get("role")])]
    names = ", ".join(str(ROLE_NAMES[Role(role)]) for role in given if role in set(Role))
    if details.get("door") == "console":
        return _("%(roles)s, by %(who)s on the server's console") % {"roles": names, "who": details.get("agent", "")}
    return names


_NAMES = {
    **_HEADLINES,
    AlertRule.OLD_PASSWORD_TRIED: gettext_lazy("A device tries an old password"),
    AlertRule.PASSWORD_IN_MAIL: gettext_lazy("Account password in a mail program"),
    AlertRule.APP_PASSWORD_ELSEWHERE: gettext_lazy("App password used from a new network"),
    AlertRule.APP_PASSWORD_REVOKED: gettext_lazy("A device tries a deleted app password"),
    AlertRule.APP_PASSWORD_CREATED: gettext_lazy("New app password"),
    AlertRule.NEW_BROWSER: gettext_lazy("Sign-in from a new browser"),
    AlertRule.PHONE_ADDED: gettext_lazy("Phone registered"),
    AlertRule.PHONE_REMOVED: gettext_lazy("Phone removed"),
    AlertRule.PASSWORD_CHANGED: gettext_lazy("Password changed"),
    AlertRule.PASSWORD_RESET: gettext_lazy("Password reset"),
    AlertRule.MFA_STATE: gettext_lazy("Multi-factor authentication changed"),
    AlertRule.TEXTS_OFF: gettext_lazy("Urgent warnings no longer texted"),
    AlertRule.CONTACT_CHANGED: gettext_lazy("Contact address changed"),
    AlertRule.ADDRESS_SHARED: gettext_lazy("Somebody else may write as an address"),
    AlertRule.CALL_MISMATCHED: gettext_lazy("Wrong digits keyed in a call"),
}
