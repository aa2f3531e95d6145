"""The vocabulary of all events: ``subject.what_happened``; grep a name to find every writer."""

from enum import StrEnum


class EventKind(StrEnum):
    """Every kind of event. The values are stored in the database: never change one, only add."""

    # One row for each sign-in attempt at any door.
    SIGN_IN_ALLOWED = "sign_in.allowed"
    SIGN_IN_DENIED = "sign_in.denied"
    # Steps of a sign-in, and limits.
    CODE_SENT = "code.sent"
    CODE_NOT_SENT = "code.not_sent"
    CODE_ACCEPTED = "code.accepted"
    CODE_REJECTED = "code.rejected"
    FRAUD_REPORTED = "code.fraud_reported"
    SECOND_FACTOR_LOCKED = "second_factor.locked"
    SECOND_FACTOR_UNLOCKED = "second_factor.unlocked"
    SOURCE_CLOSED = "source.closed"
    CALL_MISMATCHED = "call.mismatched"
    SIM_CHANGED = "phone.sim_changed"
    COUNTRY_CLOSED = "phone.country_closed"
    COUNTRY_REOPENED = "phone.country_reopened"
    NEW_NUMBERS_UNTYPED = "phone.new_numbers_untyped"
    NUMBER_SHARED = "phone.number_shared"
    NUMBER_NOT_SHARED = "phone.number_not_shared"
    PHONE_TESTED = "phone.tested"
    PASSWORD_MARKED_KNOWN = "password.marked_known"
    PASSWORD_GUESSED = "password.guessed"
    # A person's sign-in methods and passwords.
    METHOD_ADDED = "method.added"
    METHOD_REPLACED = "method.replaced"
    METHOD_REMOVED = "method.removed"
    METHODS_RESET = "method.all_reset"
    ACCESS_PASS_MADE = "access_pass.made"
    ACCESS_PASS_USED = "access_pass.used"
    ACCESS_PASS_DELETED = "access_pass.deleted"
    APP_PASSWORD_CREATED = "app_password.created"
    APP_PASSWORD_DELETED = "app_password.deleted"
    APP_PASSWORDS_DELETED = "app_password.all_deleted"
    APP_PASSWORDS_SUSPENDED = "app_password.all_suspended"
    APP_PASSWORD_PAUSED = "app_password.paused"
    APP_PASSWORD_RESUMED = "app_password.resumed"
    APP_PASSWORD_LIMITED = "app_password.limited"
    PASSWORD_CHANGED = "password.changed"
    PASSWORD_RESET = "password.reset"
    # Sessions.
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "session.all_ended"
    # Administrators' acts on people.
    MFA_STATE_CHANGED = "mfa.state_changed"
    PERSON_CREATED = "person.created"
    PERSON_EDITED = "person.edited"
    PERSON_BLOCKED = "person.blocked"
    PERSON_UNBLOCKED = "person.unblocked"
    PERSON_DELETED = "person.deleted"
    PERSON_RESTORED = "person.restored"
    ROLE_GIVEN = "role.given"
    ROLE_TAKEN = "role.taken"
    EMERGENCY_ACCESS_SET = "emergency_access.set"
    EMERGENCY_ACCESS_ENDED = "emergency_access.ended"
    SEND_AS_GIVEN = "send_as.given"
    SEND_AS_TAKEN = "send_as.taken"
    MAILBOX_CHANGED = "person.mailbox_changed"
    ADDRESS_SHARED = "person.address_shared"
    INVITATION_MADE = "invitation.made"
    INVITATION_USED = "invitation.used"
    PEOPLE_IMPORTED = "people.imported"
    PASSWORD_AND_METHODS_RESET = "person.password_and_methods_reset"
    ACT_REFUSED = "act.refused"
    ACTS_REFUSED_OFTEN = "act.refused_often"
    # Apps and groups.
    APP_ADDED = "app.added"
    APP_CHANGED = "app.changed"
    APP_REMOVED = "app.removed"
    APP_SECRET_ADDED = "app.secret_added"
    APP_SECRET_REMOVED = "app.secret_removed"
    APP_SIGN_IN_ENDED = "app.sign_in_ended"
    APP_TOKEN_REUSED = "app.token_reused"
    CONSENT_GIVEN = "consent.given"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    SIGNING_KEY_ADDED = "signing_key.added"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    GROUP_CREATED = "group.created"
    GROUP_CHANGED = "group.changed"
    GROUP_DELETED = "group.deleted"
    GROUP_MEMBERS_CHANGED = "group.members_changed"
    # Warnings.
    WARNING_CHOICE_CHANGED = "warning.choice_changed"
    NOT_ME = "warning.not_me"
    WARNING_GIVEN_UP = "warning.given_up"
    ALERT_CLOSED = "alert.closed"
    # The installation.
    KEY_RETIRED = "keys.retired"
    KEYS_GIVEN_UP = "keys.given_up"
    DATABASE_BACKED_UP = "database.backed_up"
    DATABASE_RESTORED = "database.restored"
    DATABASE_MOVED = "database.moved"
    # The organisation.
    ORGANISATION_CREATED = "organisation.created"
    SETTINGS_CHANGED = "settings.changed"
    DOMAIN_ADDED = "domain.added"
    DOMAIN_REMOVED = "domain.removed"


CLOSES_LINKS: frozenset[EventKind] = frozenset(
    {EventKind.PASSWORD_RESET, EventKind.PERSON_BLOCKED, EventKind.PERSON_DELETED, EventKind.NOT_ME}
)
"""Kinds after which every one-time link made for an earlier event is invalid; ``watchword verify`` checks that."""

NOTIFIED_KINDS: frozenset[EventKind] = frozenset(
    {
        EventKind.CODE_REJECTED,
        EventKind.FRAUD_REPORTED,
        EventKind.SECOND_FACTOR_LOCKED,
        EventKind.SOURCE_CLOSED,
        EventKind.CALL_MISMATCHED,
        EventKind.SIM_CHANGED,
        EventKind.COUNTRY_CLOSED,
        EventKind.NEW_NUMBERS_UNTYPED,
        EventKind.PASSWORD_MARKED_KNOWN,
        EventKind.PASSWORD_GUESSED,
        EventKind.METHOD_ADDED,
        EventKind.METHOD_REPLACED,
        EventKind.METHOD_REMOVED,
        EventKind.METHODS_RESET,
        EventKind.ACCESS_PASS_MADE,
        EventKind.APP_PASSWORD_CREATED,
        EventKind.PASSWORD_CHANGED,
        EventKind.PASSWORD_RESET,
        EventKind.INVITATION_USED,
        EventKind.ROLE_GIVEN,
        EventKind.EMERGENCY_ACCESS_SET,
        EventKind.EMERGENCY_ACCESS_ENDED,
        EventKind.MFA_STATE_CHANGED,
        EventKind.PERSON_EDITED,
        EventKind.ADDRESS_SHARED,
        EventKind.MAILBOX_CHANGED,
        EventKind.NOT_ME,
        EventKind.WARNING_GIVEN_UP,
        EventKind.PASSWORD_AND_METHODS_RESET,
        EventKind.ACTS_REFUSED_OFTEN,
        EventKind.APP_TOKEN_REUSED,
    }
)
"""Kinds that may need a warning: their events are put into the outbox in the same transaction. An event of any other
kind is put there only if its writer sets ``notify``, such as a denied sign-in after the right password."""

SIGN_IN_KINDS: frozenset[EventKind] = frozenset(
    {EventKind.SIGN_IN_ALLOWED, EventKind.SIGN_IN_DENIED, EventKind.CODE_REJECTED}
)
"""Kinds that, about an emergency access account, are marked by ``record`` and always put into the outbox."""


def kind_choices() -> list[tuple[str, str]]:
    """Return the choices of the column; the model gets them from this function, so a new kind needs no migration."""
    return [(kind.value, kind.value) for kind in EventKind]
