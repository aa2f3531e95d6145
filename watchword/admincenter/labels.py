"""The labels of reasons, causes and events on pages for administrators."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from watchword.directory.models import MfaCause
from watchword.directory.roles import Act

type Words = str | Promise

REASONS: dict[str, Words] = {
    "": "",
    "wrong_proof": _("Wrong password or app password"),
    "unknown": _("Nobody by this name"),
    "blocked": _("Right password, but the person is blocked"),
    "deleted": _("Right password, but the person is deleted"),
    "password_waits": _("Too many wrong passwords from this place"),
    "second_factor_waits": _("Right password, but too many codes were wrong: waiting"),
    "second_factor_locked": _("Right password, but too many codes were wrong: locked"),
    "app_password_needed": _("The account's own password; an app password is needed"),
    "app_password_suspended": _("A suspended app password"),
    "app_password_revoked": _("A deleted app password"),
    "app_password_paused": _("A frozen app password"),
    "app_password_outside_limits": _("An app password outside its limits"),
    "app_password_expired": _("An app password whose time is over"),
    "app_password_in_browser": _("An app password, typed on the sign-in page"),
    "not_finished": _("Right password, but no code was typed"),
    "app_passwords_not_allowed": _("App passwords are not allowed"),
    "account_password_closed": _("The account's own password; mail is closed to it while Enabled"),
    "initial_password": _("An initial password, which opens no mail program"),
    "password_expired": _("An initial password that is too old"),
    "no_method_left": _("Right password, but no registered phone can be used"),
    "password_too_short": _("The account's own password, which is too short to stand alone"),
    "wrong": _("Wrong code"),
    "expired": _("A code that was too old"),
    "used": _("A code that was used already"),
    "too_many_tries": _("A code that was tried too often"),
    "earlier_code": _("An earlier code of the same sign-in"),
    "too_late": _("A right code that came too late"),
    "not_shaped": _("Not a code at all"),
    "password_known": _("A password that somebody else knows"),
    "not_me": _("“This wasn't me” was pressed"),
    "no_proof_left": _("No phone was left to prove by"),
    "mismatched": _("Wrong digits keyed in a call"),
    "not_assigned": _("The app is not for this person"),
    "app_disabled": _("The app is disabled"),
    "consent_denied": _("The person did not allow what the app asked for"),
    "not_approved_yet": _("The digits were not keyed in the call yet"),
}

CAUSES: dict[str, Words] = {
    MfaCause.PERSON: _("because %(by)s changed it"),
    MfaCause.BULK_FILE: _("because %(by)s imported a file"),
    MfaCause.API: _("because a program of %(by)s changed it"),
    MfaCause.REGISTRATION_FINISHED: _("because registration was finished"),
    MfaCause.ROLE_GIVEN: _("because %(by)s gave them a role"),
    MfaCause.ALREADY_REGISTERED: _("because %(by)s enabled it and a phone was registered already"),
    MfaCause.NOT_ME: _("because “This wasn't me” left no phone"),
}

STATES: dict[str, Words] = {"disabled": _("Disabled"), "enabled": _("Enabled"), "enforced": _("Enforced")}

PERSON: dict[str, Words] = {
    "empty": _("Enter a sign-in name, such as dora@example.org."),
    "too_long": _("This is too long."),
    "control": _("This has a character that a name can't have."),
    "alphabet": _(
        "Before the @ there may be letters, digits and the signs . _ - + ' & = ~ ^ #. It doesn't begin with a dot, "
        "a hyphen or a plus, nor end with a dot, and has no two dots in a row."
    ),
    "detail": _("The part before the plus belongs to another person, or would become another person's."),
    "reserved": _("This name speaks for the whole domain. Only a Global Administrator can give it to somebody."),
    "no_domain": _("A sign-in name looks like a mail address: dora@example.org."),
    "domain": _("The part after the @ is not a domain."),
    "other_domain": _("This domain does not belong to your organisation."),
    "taken": _("Another person has this name already, perhaps in another spelling or as an alias."),
    "looks_like": _("This looks like the name of an administrator. Choose one that nobody can mistake for it."),
    "missing": _("Enter a display name."),
    "disabled": _("Roles are for people with multi-factor authentication: enable it first."),
    "not_printable": _("This has a character that can't be shown."),
    "not_an_address": _("This is not a mail address."),
    "needed": _("No mail can be sent to this sign-in name, so a contact mail is needed for warnings."),
    "nobodys": _("Nobody in your organisation has this address."),
    "own": _("This is an address of their own: everybody may write as themselves."),
    "past": _("Choose a day that is not over."),
    "too_many_groups": _("There are as many groups as are possible already."),
    "too_many_apps": _("There are as many apps as are possible already."),
    "not_a_web_address": _("This is not a web address. It begins with https://."),
    "out_of_range": _("This number is too small or too large."),
    "too_many_senders": _("As many people as are possible may write as this address already."),
    "not_a_number": _("This is not a telephone number that exists."),
    "ambiguous_number": _("This could be two numbers. Write it with + and the code of the country in front."),
}

GROUP: dict[str, Words] = {
    **{reason: PERSON[reason] for reason in ("too_long", "not_printable", "too_many_groups")},
    "missing": _("Enter a name."),
    "taken": _("There is a group of this name already."),
}

APP: dict[str, Words] = {
    **{reason: PERSON[reason] for reason in ("too_long", "not_printable", "too_many_apps", "out_of_range")},
    "not_a_web_address": PERSON["not_a_web_address"],
    "taken": _("There is an app of this name already."),
    "missing": _("Enter an address."),
    "too_many": _("These are too many addresses: 50 are possible."),
    "characters": _(
        "An address has a character that it can't have, or is too long. It has no blanks and no asterisks."
    ),
    "address": _("One of these is not a whole address. Write it like https://wiki.example.org/callback."),
    "fragment": _("A redirect address has no “#”."),
    "scheme": _(
        "A redirect address begins with https://, or for a program with its own scheme, such as org.example.app:/."
    ),
    "scheme_of_native_app": _("A redirect address of an app on a server begins with https://."),
    "upper_case": _("Write the host in lower case."),
    "plain_http": _("Plain http:// is for this machine only. Write https://."),
    "needs_a_secret": _("Only an app with a secret can have this."),
}

ACT_NAMES: dict[Act, Words] = {
    Act.SEE_PEOPLE: _("See people, their state and their methods"),
    Act.SEE_SIGN_INS: _("See the sign-in log and phone delivery"),
    Act.CREATE_PERSON: _("Add a user"),
    Act.IMPORT_PEOPLE: _("Import users from a file"),
    Act.EDIT_PERSON: _("Edit a user"),
    Act.BLOCK_PERSON: _("Block and unblock sign-in"),
    Act.DELETE_PERSON: _("Delete and restore a user"),
    Act.RESET_PASSWORD: _("Reset a password"),
    Act.CHANGE_MFA_STATE: _("Enable, disable and enforce multi-factor authentication"),
    Act.CLOSE_ALERTS: _("Close alerts"),
    Act.RESET_METHODS: _("Require contact methods again"),
    Act.MAKE_ACCESS_PASS: _("Make a Temporary Access Pass, never for oneself"),
    Act.DELETE_APP_PASSWORDS: _("Delete app passwords"),
    Act.SIGN_OUT_EVERYWHERE: _("Sign somebody out everywhere"),
    Act.UNLOCK: _("Unlock after too many wrong codes"),
    Act.GIVE_ROLES: _("Give and take administrative roles"),
    Act.GIVE_SEND_AS: _("Let somebody write as an address of another person"),
    Act.CHANGE_SETTINGS: _("Change service settings and the rules of phone delivery"),
    Act.MANAGE_DOMAINS: _("Add and remove mail domains"),
    Act.CHANGE_MAILBOX: _("Give somebody another mailbox"),
    Act.SEE_APPS: _("See apps and groups"),
    Act.MANAGE_APPS: _("Add, change and remove apps"),
    Act.MANAGE_GROUPS: _("Make groups, and change who is in them"),
}

FIELDS: dict[str, Words] = {
    "sign_in_name": _("Sign-in name"),
    "display_name": _("Display name"),
    "contact_mail": _("Contact mail"),
    "directory_phone": _("Phone in the directory"),
    "alias": _("Other sign-in name"),
}

OUTCOMES: dict[str, Words] = {
    "created": _("created"),
    "changed": _("changed"),
    "unchanged": _("unchanged"),
    "refused": _("refused"),
}

FILES: dict[str, Words] = {
    "too_large": _("The file is larger than 5 MB. Split it."),
    "empty": _("The file is empty, or has a first line only."),
    "encoding": _("The file's letters can't be read. Save it as “CSV UTF-8”."),
    "headers": _(
        "The first line must name the columns: “Sign-in name” and “Display name” for people, or “Username” and "
        "“MFA Status” for states."
    ),
    "columns": _("Two columns have the same meaning. Keep one of them:"),
    "too_many_rows": _("The file has more rows than can be taken at once: at most %(most)s here. Split it."),
    "spreadsheet": _("This is a spreadsheet file. In the spreadsheet program, save it as “CSV UTF-8”."),
    "not_csv": _("This is not a CSV file, or a quotation mark is not closed."),
}


def last_day(until: datetime | None) -> date | None:
    """Return the last day on which a thing is valid that ends at this moment."""
    return timezone.localdate(until - timedelta(seconds=1)) if until is not None else None
