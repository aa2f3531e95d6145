"""The one vocabulary of events: ``subject.what_happened``; grep a name and find every writer."""

from enum import StrEnum


class EventKind(StrEnum):
    """Everything that is remembered. Values are stored: never change one, only add."""

    # One row for each attempt at any door.
    SIGN_IN_ALLOWED = "sign_in.allowed"
    SIGN_IN_DENIED = "sign_in.denied"
    # Steps on the way.
    CODE_SENT = "code.sent"
    CODE_NOT_SENT = "code.not_sent"
    CODE_ACCEPTED = "code.accepted"
    CODE_REJECTED = "code.rejected"
    FRAUD_REPORTED = "code.fraud_reported"
    SECOND_FACTOR_LOCKED = "second_factor.locked"
    SECOND_FACTOR_UNLOCKED = "second_factor.unlocked"
    # What a person holds.
    METHOD_ADDED = "method.added"
    METHOD_REPLACED = "method.replaced"
    METHOD_REMOVED = "method.removed"
    METHODS_RESET = "method.all_reset"
    APP_PASSWORD_CREATED = "app_password.created"  # noqa: S105
    APP_PASSWORD_DELETED = "app_password.deleted"  # noqa: S105
    APP_PASSWORDS_DELETED = "app_password.all_deleted"
    APP_PASSWORDS_SUSPENDED = "app_password.all_suspended"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105
    PASSWORD_RESET = "password.reset"  # noqa: S105
    # Sessions.
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "session.all_ended"
    # People, by administrators.
    MFA_STATE_CHANGED = "mfa.state_changed"
    PERSON_CREATED = "person.created"
    PERSON_EDITED = "person.edited"
    PERSON_BLOCKED = "person.blocked"
    PERSON_UNBLOCKED = "person.unblocked"
    PERSON_DELETED = "person.deleted"
    PERSON_RESTORED = "person.restored"
    ROLE_GIVEN = "role.given"
    ROLE_TAKEN = "role.taken"
    INVITATION_MADE = "invitation.made"
    INVITATION_USED = "invitation.used"
    PEOPLE_IMPORTED = "people.imported"
    # The organisation.
    ORGANISATION_CREATED = "organisation.created"
    SETTINGS_CHANGED = "settings.changed"
