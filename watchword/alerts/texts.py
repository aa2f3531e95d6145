"""The texts of warnings: what happened, when, where, with which program, and what to do. Plain words, no secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from watchword.alerts.rules import AlertRule, texts_in
from watchword.audit.events import EventKind
from watchword.audit.models import Event
from watchword.directory.models import MfaCause
from watchword.ui.addresses import public_address

_SERVICES = {"imap": "IMAP", "pop3": "POP", "smtp": "SMTP", "submission": "SMTP", "sieve": "Sieve"}


@dataclass(frozen=True, slots=True)
class NoticeText:
    """The text of one warning."""

    subject: str
    what: str
    advice: str


def words_of(rule: AlertRule, event: Event) -> NoticeText:
    """Return the text of a rule about an event, for the person concerned."""
    # The texts of rules for administrators alone are in ``headlines``.
    words = _WORDS.get(rule)
    return words(event) if words is not None else NoticeText("", "", "")


def _name(event: Event) -> str:
    return str(event.details.get("app_password") or event.details.get("name") or "")


def _texts(event: Event, key: str) -> list[str]:
    return texts_in(event.details.get(key))


def service_of(event: Event) -> str:
    """Return the name of a mail service as people know it."""
    return _SERVICES.get(event.service, event.service.upper())


def _code_missing(_event: Event) -> NoticeText:
    return NoticeText(
        _("Somebody knows your password"),
        _("Somebody typed your right password and then failed at the security code. They did not get in with it."),
        _(
            "If it was you, you have nothing to do. If not, press the link: it ends every session and makes this password useless."
        ),
    )


def _password_in_mail(event: Event) -> NoticeText:
    return NoticeText(
        _("A mail program used your account password"),
        _(
            "A mail program (%(service)s) tried your right account password. It was refused, because mail programs need an app password."
        )
        % {"service": service_of(event)},
        _(
            "If it is a program of yours, give it an app password. If not, somebody knows your password: press the link."
        ),
    )


def _in_browser(_event: Event) -> NoticeText:
    return NoticeText(
        _("An app password was typed on the sign-in page"),
        _(
            "Somebody typed one of your app passwords on the sign-in page. App passwords are for mail programs only; it was refused."
        ),
        _("If it was you, sign in with your own password. If not, press the link and delete your app passwords."),
    )


def _elsewhere(event: Event) -> NoticeText:
    return NoticeText(
        _("Your app password was used from a new network"),
        _("The app password “%(name)s” was used from a network where it was never used before.")
        % {"name": _name(event)},
        _(
            "If you are travelling, or your provider has changed, you have nothing to do. If not, press the link: "
            "it freezes this app password and signs everything out."
        ),
    )


def _revoked(event: Event) -> NoticeText:
    return NoticeText(
        _("A device still tries a deleted app password"),
        _("A mail program still tries the app password “%(name)s”, which was deleted. It is refused each time.")
        % {"name": _name(event)},
        _("If it is a device of yours, give it a new app password or remove the account there."),
    )


def _old_password(event: Event) -> NoticeText:
    return NoticeText(
        _("A device still tries an old password"),
        _(
            "A device or program (%(door)s) sends the same wrong password for your account again and again. It is refused "
            "each time, and does not keep you from signing in."
        )
        % {"door": service_of(event) or _("on the sign-in page")},
        _(
            "If it is a device of yours that still has an old password, give it the new one or an app password, or remove "
            "the account there. If you know no such device, you have nothing to do: nobody got in."
        ),
    )


def _limits(event: Event) -> NoticeText:
    return NoticeText(
        _("An app password was used outside its limits"),
        _("The app password “%(name)s” was tried where you don't allow it. It was refused.") % {"name": _name(event)},
        _("If it was you, change its limits. If not, press the link: somebody knows this app password."),
    )


def _created(event: Event) -> NoticeText:
    return NoticeText(
        _("A new app password"),
        _("The app password “%(name)s” was made for your account.") % {"name": _name(event)},
        _("If it was not you, press the link."),
    )


def _new_browser(_event: Event) -> NoticeText:
    return NoticeText(
        _("Sign-in from a new browser"),
        _("Your account was used to sign in from a browser in which you have not signed in before."),
        _("If it was you, you have nothing to do. If not, press the link."),
    )


def _phone_added(event: Event) -> NoticeText:
    return NoticeText(
        _("A phone was registered"),
        _("The phone number ending %(ends)s now receives your security codes.")
        % {"ends": event.details.get("ends", "")},
        _("If it was not you, press the link and tell your administrator at once."),
    )


def _registered(event: Event) -> NoticeText:
    return NoticeText(
        _("Your phone was registered"),
        _("Multi-factor authentication began with the phone number ending %(ends)s: it receives your security codes.")
        % {"ends": event.details.get("ends", "")},
        _("If it was not you, press the link and tell your administrator at once."),
    )


def _methods_reset(_event: Event) -> NoticeText:
    return NoticeText(
        _("You are to register a phone again"),
        _("An administrator has removed your phones. To register one you need a personal link, which they give you."),
        _("If you have not asked for it, press the link and tell your administrator at once."),
    )


def _pass_made(event: Event) -> NoticeText:
    return NoticeText(
        _("A Temporary Access Pass was made for you"),
        _("Together with your password it signs somebody in without your phone. You get it from your administrator.")
        if not event.details.get("by_console")
        else _("Together with your password it signs somebody in without your phone. It was made on the server."),
        _("If you have not asked for it, press the link and tell an administrator at once."),
    )


def _no_method_left(_event: Event) -> NoticeText:
    return NoticeText(
        _("Your phone can't be used to sign in"),
        _("Somebody typed your right password, but no phone of yours can get a code now. They did not get in."),
        _("If it was you, ask your administrator for a Temporary Access Pass. If not, press the link."),
    )


def _phone_removed(_event: Event) -> NoticeText:
    return NoticeText(
        _("A phone was removed"),
        _("A phone that received your security codes was removed from your account."),
        _("If it was neither you nor your administrator, press the link."),
    )


def _password_changed(event: Event) -> NoticeText:
    if event.kind == EventKind.INVITATION_USED:
        return NoticeText(
            _("A password was set for your account"),
            _("Somebody opened the one-time link for your account and chose its password. Browsers were signed out."),
            _("If it was not you, press the link."),
        )
    return NoticeText(
        _("Your password was changed"),
        _("The password of your account was changed, and other browsers were signed out."),
        _("If it was not you, press the link."),
    )


def _password_reset(_event: Event) -> NoticeText:
    return NoticeText(
        _("Your password was reset"),
        _("An administrator gave your account a new password. Mail programs may ask for a new app password."),
        _("If you did not ask for this, speak with your administrator."),
    )


def _role_given(_event: Event) -> NoticeText:
    return NoticeText(
        _("You were given an administrative role"),
        _(
            "From now on you may do things for other people in the admin center, and your account is worth more to others."
        ),
        _("If you did not expect this, speak with your administrator."),
    )


def _contact(_event: Event) -> NoticeText:
    return NoticeText(
        _("Your contact address was changed"),
        _(
            "The address to which warnings about your account are sent was changed. This mail went to the old and the new one."
        ),
        _("If you did not expect this, press the link."),
    )


def _renamed(event: Event) -> NoticeText:
    renamed = event.details.get("sign_in_name")
    before, after = (renamed.get("before"), renamed.get("after")) if isinstance(renamed, dict) else ("", "")
    return NoticeText(
        _("Your sign-in name was changed"),
        _(
            "From now on you sign in as %(after)s. %(before)s goes on working as another name, mail for it still comes, and the mailbox is the same."
        )
        % {"after": after, "before": before},
        _("If you did not expect this, press the link."),
    )


def _mailbox_changed(event: Event) -> NoticeText:
    return NoticeText(
        _("You have another mailbox"),
        _("An administrator gave your account the mailbox %(after)s. Before it was %(before)s.")
        % {"after": event.details.get("after", ""), "before": event.details.get("before", "")},
        _("If you did not expect this, speak with your administrator."),
    )


def _address_shared(event: Event) -> NoticeText:
    return NoticeText(
        _("Somebody else may write as you"),
        _("An administrator let %(writer)s write mail as %(address)s, besides you.")
        % {"writer": event.details.get("writer", ""), "address": event.details.get("address", "")},
        _("If you did not expect this, speak with your administrator."),
    )


def _fraud(_event: Event) -> NoticeText:
    return NoticeText(
        _("A call was reported as not yours"),
        _("Somebody at your telephone said that they are not signing in. The code is void."),
        _("Somebody knows your password. Press the link: it makes this password useless."),
    )


def _locked(_event: Event) -> NoticeText:
    return NoticeText(
        _("Your sign-in is locked"),
        _("Too many wrong security codes were typed after your right password. Nobody can sign in with a code now."),
        _("If it was you, ask your administrator to unlock it. If not, press the link."),
    )


def _not_me(event: Event) -> NoticeText:
    closed = [_("“This wasn't me” was pressed. Every session has ended, and the old password is useless.")]
    closed += [_("The phone ending %(ends)s was removed.") % {"ends": ends} for ends in _texts(event, "phones")]
    closed += [_("The app password “%(name)s” is frozen.") % {"name": name} for name in _texts(event, "app_passwords")]
    if event.details.get("can_choose"):
        advice = _(
            "If you have not chosen a new password yet, ask your administrator for one. Look under Security info for "
            "phones and app passwords that are not yours."
        )
    elif event.details.get("became_enabled"):
        advice = _("Ask your administrator: they let you register a phone again and give you a new password.")
    else:
        advice = _("Ask your administrator for a new password.")
    return NoticeText(_("“This wasn't me” was pressed for your account"), " ".join(closed), advice)


def _mismatched(_event: Event) -> NoticeText:
    return NoticeText(
        _("Wrong digits were keyed in a call"),
        _("We called your phone about a sign-in, and two wrong pairs of digits were keyed. Nobody came in by it."),
        _("If you were not signing in, somebody knows your password: press the link."),
    )


def _sim_changed(_event: Event) -> NoticeText:
    return NoticeText(
        _("Your phone number moved to another SIM card"),
        _("Your carrier says that your number moved to another SIM card lately. No security code was sent to it."),
        _("If you did that, ask your administrator. If not, call your carrier at once and press the link."),
    )


def _app_token_reused(event: Event) -> NoticeText:
    what = _("A token of the app “%(app)s” was used twice, as if it had been copied. Your sign-in there was ended.")
    advice = _("Sign in there again. If you think that somebody else has access to your computer, press the link.")
    return NoticeText(_("Your sign-in in an app was ended"), what % {"app": event.details.get("app", "")}, advice)


def _password_known(_event: Event) -> NoticeText:
    return NoticeText(
        _("Somebody seems to know your password"),
        _("A day's codes were asked for with your right password, and none of them was typed."),
        _("At your next sign-in you will choose a new password. If it was not you who asked, press the link now."),
    )


def _texts_off(_event: Event) -> NoticeText:
    return NoticeText(
        _("Urgent warnings are no longer texted"),
        _("From now on warnings about your account come by mail alone."),
        _("If it was not you, press the link."),
    )


def _words_of_state(event: Event) -> NoticeText:
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


_WORDS: dict[AlertRule, Callable[[Event], NoticeText]] = {
    AlertRule.CODE_MISSING: _code_missing,
    AlertRule.PASSWORD_IN_MAIL: _password_in_mail,
    AlertRule.APP_PASSWORD_IN_BROWSER: _in_browser,
    AlertRule.APP_PASSWORD_ELSEWHERE: _elsewhere,
    AlertRule.APP_PASSWORD_REVOKED: _revoked,
    AlertRule.APP_PASSWORD_LIMITS: _limits,
    AlertRule.APP_PASSWORD_CREATED: _created,
    AlertRule.NEW_BROWSER: _new_browser,
    AlertRule.PHONE_ADDED: _phone_added,
    AlertRule.PHONE_REMOVED: _phone_removed,
    AlertRule.REGISTERED: _registered,
    AlertRule.METHODS_RESET: _methods_reset,
    AlertRule.ACCESS_PASS_MADE: _pass_made,
    AlertRule.NO_METHOD_LEFT: _no_method_left,
    AlertRule.PASSWORD_CHANGED: _password_changed,
    AlertRule.PASSWORD_RESET: _password_reset,
    AlertRule.ROLE_GIVEN: _role_given,
    AlertRule.MFA_STATE: _words_of_state,
    AlertRule.CONTACT_CHANGED: _contact,
    AlertRule.ADDRESS_SHARED: _address_shared,
    AlertRule.RENAMED: _renamed,
    AlertRule.MAILBOX_CHANGED: _mailbox_changed,
    AlertRule.FRAUD_REPORTED: _fraud,
    AlertRule.LOCKED: _locked,
    AlertRule.NOT_ME: _not_me,
    AlertRule.CALL_MISMATCHED: _mismatched,
    AlertRule.SIM_CHANGED: _sim_changed,
    AlertRule.PASSWORD_KNOWN: _password_known,
    AlertRule.OLD_PASSWORD_TRIED: _old_password,
    AlertRule.APP_TOKEN_REUSED: _app_token_reused,
    AlertRule.TEXTS_OFF: _texts_off,
}
