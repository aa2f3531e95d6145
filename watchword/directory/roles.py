"""The permissions of the administrative roles: one table that code, tests and documentation share."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Role(StrEnum):
    """An administrative role; the values are stored."""

    GLOBAL_ADMINISTRATOR = "global_administrator"
    AUTHENTICATION_ADMINISTRATOR = "authentication_administrator"
    AUTHENTICATION_POLICY_ADMINISTRATOR = "authentication_policy_administrator"
    USER_ADMINISTRATOR = "user_administrator"
    HELPDESK_ADMINISTRATOR = "helpdesk_administrator"
    GLOBAL_READER = "global_reader"


class Act(StrEnum):
    """An act of an administrator that needs a permission; the values are stored in events."""

    SEE_PEOPLE = "see_people"
    SEE_SIGN_INS = "see_sign_ins"
    CREATE_PERSON = "create_person"
    IMPORT_PEOPLE = "import_people"
    EDIT_PERSON = "edit_person"
    BLOCK_PERSON = "block_person"
    DELETE_PERSON = "delete_person"
    RESET_PASSWORD = "reset_password"
    CHANGE_MFA_STATE = "change_mfa_state"
    RESET_METHODS = "reset_methods"
    MAKE_ACCESS_PASS = "make_access_pass"
    DELETE_APP_PASSWORDS = "delete_app_passwords"
    SIGN_OUT_EVERYWHERE = "sign_out_everywhere"
    UNLOCK = "unlock"
    CLOSE_ALERTS = "close_alerts"
    GIVE_ROLES = "give_roles"
    GIVE_SEND_AS = "give_send_as"
    CHANGE_SETTINGS = "change_settings"
    MANAGE_DOMAINS = "manage_domains"
    CHANGE_MAILBOX = "change_mailbox"
    SEE_APPS = "see_apps"
    MANAGE_APPS = "manage_apps"
    MANAGE_GROUPS = "manage_groups"


ROLE_NAMES: dict[Role, str | Promise] = {
    Role.GLOBAL_ADMINISTRATOR: _("Global Administrator"),
    Role.AUTHENTICATION_ADMINISTRATOR: _("Authentication Administrator"),
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: _("Authentication Policy Administrator"),
    Role.USER_ADMINISTRATOR: _("User Administrator"),
    Role.HELPDESK_ADMINISTRATOR: _("Helpdesk Administrator"),
    Role.GLOBAL_READER: _("Global Reader"),
}

_SEE = frozenset({Act.SEE_PEOPLE, Act.SEE_SIGN_INS, Act.SEE_APPS})

MAY: dict[Role, frozenset[Act]] = {
    Role.GLOBAL_ADMINISTRATOR: frozenset(Act),
    Role.AUTHENTICATION_ADMINISTRATOR: _SEE
    | {
        Act.RESET_PASSWORD,
        Act.RESET_METHODS,
        Act.MAKE_ACCESS_PASS,
        Act.DELETE_APP_PASSWORDS,
        Act.SIGN_OUT_EVERYWHERE,
        Act.UNLOCK,
        Act.CLOSE_ALERTS,
    },
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: _SEE | {Act.CHANGE_MFA_STATE, Act.CHANGE_SETTINGS},
    Role.USER_ADMINISTRATOR: _SEE
    | {
        Act.CREATE_PERSON,
        Act.IMPORT_PEOPLE,
        Act.EDIT_PERSON,
        Act.BLOCK_PERSON,
        Act.DELETE_PERSON,
        Act.RESET_PASSWORD,
        Act.SIGN_OUT_EVERYWHERE,
        Act.CLOSE_ALERTS,
        Act.GIVE_SEND_AS,
        Act.MANAGE_GROUPS,
    },
    Role.HELPDESK_ADMINISTRATOR: _SEE | {Act.RESET_PASSWORD, Act.SIGN_OUT_EVERYWHERE, Act.UNLOCK, Act.CLOSE_ALERTS},
    Role.GLOBAL_READER: _SEE,
}
"""The acts that each role allows; MAY_TOUCH limits the people on whom they are allowed."""


class Whom(StrEnum):
    """The kind of person an act is done on: without a role, with one of the roles, or in a group that gives roles."""

    NO_ROLE = "no_role"
    GLOBAL_ADMINISTRATOR = Role.GLOBAL_ADMINISTRATOR.value
    AUTHENTICATION_ADMINISTRATOR = Role.AUTHENTICATION_ADMINISTRATOR.value
    AUTHENTICATION_POLICY_ADMINISTRATOR = Role.AUTHENTICATION_POLICY_ADMINISTRATOR.value
    USER_ADMINISTRATOR = Role.USER_ADMINISTRATOR.value
    HELPDESK_ADMINISTRATOR = Role.HELPDESK_ADMINISTRATOR.value
    GLOBAL_READER = Role.GLOBAL_READER.value
    ROLE_GROUP = "role_group"


WHOM_NAMES: dict[Whom, str | Promise] = {
    Whom.NO_ROLE: _("People without a role"),
    **{Whom(role.value): name for role, name in ROLE_NAMES.items()},
    Whom.ROLE_GROUP: _("Members of a group with roles"),
}

MAY_TOUCH: dict[Role, frozenset[Whom]] = {
    Role.GLOBAL_ADMINISTRATOR: frozenset(Whom),
    Role.AUTHENTICATION_ADMINISTRATOR: frozenset({Whom.NO_ROLE, Whom.AUTHENTICATION_ADMINISTRATOR}),
    # Changing the state can't take over an account, and roll-outs begin with administrators; but not Global ones.
    Role.AUTHENTICATION_POLICY_ADMINISTRATOR: frozenset(Whom) - {Whom.GLOBAL_ADMINISTRATOR, Whom.ROLE_GROUP},
    Role.USER_ADMINISTRATOR: frozenset({Whom.NO_ROLE, Whom.HELPDESK_ADMINISTRATOR, Whom.USER_ADMINISTRATOR}),
    Role.HELPDESK_ADMINISTRATOR: frozenset({Whom.NO_ROLE, Whom.HELPDESK_ADMINISTRATOR}),
    Role.GLOBAL_READER: frozenset(),
}
"""The kinds of people on whom each role may do its acts, as in Microsoft Entra (ADR 0063); groups don't exist yet."""

ACTS_WITHOUT_TARGET = frozenset(
    {
        Act.SEE_PEOPLE,
        Act.SEE_SIGN_INS,
        Act.CREATE_PERSON,
        Act.IMPORT_PEOPLE,
        Act.CHANGE_SETTINGS,
        Act.MANAGE_DOMAINS,
        Act.CLOSE_ALERTS,
        Act.SEE_APPS,
        Act.MANAGE_APPS,
        Act.MANAGE_GROUPS,
    }
)
"""Acts for which MAY_TOUCH is not consulted, because they change no particular person."""


def rank_of(roles: Collection[Role]) -> frozenset[Whom]:
    """Return the kinds of person that apply to a person with these roles."""
    return frozenset(Whom(role.value) for role in roles) or frozenset({Whom.NO_ROLE})


def may(roles: Collection[Role], act: Act, on: Collection[Role] | None = None) -> bool:
    """Return whether a person with these roles may do an act on a person with the roles ``on``.

    ``on`` is None for an act on no particular person. A single role must allow the act and reach every role of the
    other person: permissions of two roles are not combined, and the other's most powerful role must be reached too.
    """
    granting = [role for role in roles if act in MAY[role]]
    if on is None or act in ACTS_WITHOUT_TARGET:
        return bool(granting)
    return any(rank_of(on) <= MAY_TOUCH[role] for role in granting)
