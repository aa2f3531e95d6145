"""The tables of organisations, domains, people, and the history of each person's multi-factor state."""

from __future__ import annotations

import ipaddress
import uuid
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from watchword.core.policy import AccountStatus, Limits, MfaState, Policy, effective_state
from watchword.directory.roles import ROLE_NAMES, Act, Role, may
from watchword.directory.sealed_field import SealedTextField


class Organisation(models.Model):
    """One organisation and its settings."""

    name = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    region = models.CharField(
        max_length=2, default="US", help_text="ISO 3166-1 code for numbers typed without a country"
    )
    app_passwords_allowed = models.BooleanField(default=True)
    text_allowed = models.BooleanField(default=True)
    call_allowed = models.BooleanField(default=True)
    account_password_in_mail_while_enabled = models.BooleanField(default=True)
    app_password_wait_hours = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="After a registration that nothing vouched for; 0: none"
    )
    number_match = models.BooleanField(default=False, db_default=False)
    fraud_locks = models.BooleanField(default=False, db_default=False)
    voip_allowed = models.BooleanField(default=False, db_default=False, help_text="Whether new phones may be VoIP")
    language = models.CharField(max_length=8, default="en", db_default="en", help_text="Of texts and calls")
    phone_countries = models.JSONField(default=list, blank=True, help_text="ISO 3166-1 codes; none: its own region")
    phone_budget = models.JSONField(default=dict, blank=True)
    trusted_networks = models.JSONField(default=list, blank=True)
    alert_recipients = SealedTextField(
        purpose="directory.alert_recipients",
        blank=True,
        default="",
        db_default=b"",
        help_text="Mail addresses, one on each line; none: the Global Administrators",
    )
    shared_networks = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="Offices with one address for many people",
    )
    banned_words = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="No protection in a password: products, places, the organisation's own words",
    )
    limits = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return self.name

    @cached_property
    def policy(self) -> Policy:
        """The settings as an immutable value for decisions."""
        return Policy(
            app_passwords_allowed=self.app_passwords_allowed,
            text_allowed=self.text_allowed,
            call_allowed=self.call_allowed,
            account_password_in_mail_while_enabled=self.account_password_in_mail_while_enabled,
            trusted_networks=tuple(ipaddress.ip_network(text) for text in self.trusted_networks),
            shared_networks=tuple(ipaddress.ip_network(text) for text in self.shared_networks),
            banned_words=tuple(self.banned_words),
            limits=Limits().tightened(self.limits),
            app_password_wait_hours=self.app_password_wait_hours,
            number_match=self.number_match,
            fraud_locks=self.fraud_locks,
            voip_allowed=self.voip_allowed,
        )


class Domain(models.Model):
    """A mail domain of an organisation; ``name`` is in its lower-case ASCII form."""

    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253, unique=True)
    is_primary = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organisation"], condition=models.Q(is_primary=True), name="one_primary_domain"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class User(models.Model):
    """A person. This table contains no credentials."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="users")
    sign_in_name = models.CharField(_("sign-in name"), max_length=254)
    mailbox = models.CharField(  # noqa: DJ001  (unique: many rows may hold NULL, but only one the empty text)
        max_length=254, null=True, unique=True, help_text="Its name at the mail servers; set once, see mailboxes.py"
    )
    display_name = models.CharField(_("display name"), max_length=100)
    contact_mail = SealedTextField(
        _("contact mail"),
        purpose="directory.contact_mail",
        blank=True,
        default="",
    )
    directory_phone = SealedTextField(
        _("phone in the directory"),
        purpose="directory.phone",
        blank=True,
        default="",
    )
    language = models.CharField(max_length=8, blank=True, default="", db_default="", help_text="Of texts and calls")
    created_at = models.DateTimeField()
    blocked_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    mfa_state = models.CharField(
        max_length=8, default=MfaState.DISABLED, choices=[(state.value, state.value) for state in MfaState]
    )
    mfa_changed_at = models.DateTimeField(null=True, blank=True)
    links_void_at = models.DateTimeField(
        null=True, blank=True, help_text="One-time links about anything before this moment are worth nothing"
    )
    had_second_factor_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when a password alone registers no phone any more"
    )
    app_password_waits_until = models.DateTimeField(
        null=True, blank=True, help_text="Registered, Enabled until then, and without app passwords; see ADR 0083"
    )
    emergency_since = models.DateTimeField(
        null=True, blank=True, help_text="An emergency access account since then; see ADR 0107"
    )
    search_key = models.CharField(max_length=400, blank=True, help_text="Display and sign-in name, folded, for search")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organisation", "deleted_at", "display_name", "id"], name="user_by_display_name"),
            models.Index(fields=["organisation", "deleted_at", "sign_in_name", "id"], name="user_by_sign_in_name"),
            models.Index(fields=["organisation", "deleted_at", "mfa_state", "display_name"], name="user_by_state"),
            models.Index(
                fields=["app_password_waits_until"],
                condition=models.Q(app_password_waits_until__isnull=False),
                name="user_waits",
            ),
        ]

    def __str__(self) -> str:
        return self.sign_in_name

    is_authenticated = True
    """Django's attribute for a signed-in user; for a request without one see ``signin.middleware``."""

    @property
    def mailbox_name(self) -> str:
        """The name of the mailbox, which mail servers get whatever name was typed.

        A person created by a release without mailboxes has the sign-in name's mailbox until the person is renamed.
        """
        return self.mailbox or self.sign_in_name

    @property
    def standing(self) -> AccountStatus:
        """Whether the account may be used."""
        if self.deleted_at is not None:
            return AccountStatus.DELETED
        return AccountStatus.BLOCKED if self.blocked_at is not None else AccountStatus.ACTIVE

    @property
    def is_emergency_access(self) -> bool:
        """Whether this is an emergency access account, whose every sign-in alerts the administrators."""
        return self.emergency_since is not None

    @property
    def state(self) -> MfaState:
        """The multi-factor state as an enum value for decisions."""
        return MfaState(self.mfa_state)

    @property
    def effective_state(self) -> MfaState:
        """The state by which sign-ins are evaluated: administrators are at least Enabled."""
        state = self.state
        # The roles are read only if the state is Disabled, because they make no difference otherwise.
        is_disabled = state is MfaState.DISABLED
        return effective_state(state, is_administrator=is_disabled and self.is_administrator)

    def waits_for_app_password(self, now: datetime) -> bool:
        """Return whether the person is registered and Enabled, and can't create an app password at ``now`` yet."""
        until = self.app_password_waits_until
        return self.state is MfaState.ENABLED and until is not None and now < until

    @cached_property
    def roles(self) -> frozenset[Role]:
        """The administrative roles of this person (one query, cached for the lifetime of the object)."""
        return frozenset(Role(assignment.role) for assignment in self.role_assignments.all())

    @property
    def is_administrator(self) -> bool:
        """Whether the person has any administrative role."""
        return bool(self.roles)

    def may(self, act: Act, on: User | None = None) -> bool:
        """Return whether this person may do an act, on another person of the same organisation if ``on`` is given."""
        if on is not None and on.organisation_id != self.organisation_id:
            return False
        return may(self.roles, act, on.roles if on is not None else None)

    def refresh_from_db(self, *arguments: Any, **options: Any) -> None:
        """Read the row again, and drop the cached roles."""
        self.__dict__.pop("roles", None)
        super().refresh_from_db(*arguments, **options)


class SignInName(models.Model):
    """A name with which a person can sign in, the sign-in name itself or an alias; ``key`` is its normalised form."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="names")
    name = models.CharField(max_length=254)
    key = models.CharField(max_length=254, unique=True)
    is_alias = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class SendAs(models.Model):
    """The right of one person to send mail as an address of another, until a time or without an end."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="send_as")
    # Without a constraint, because the previous release deletes aliases and does not know these rows; a row whose
    # address is deleted is never found.
    address = models.ForeignKey(SignInName, on_delete=models.CASCADE, related_name="senders", db_constraint=False)
    until = models.DateTimeField(null=True, blank=True)
    given_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "address"], name="each_address_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} as {self.address_id}"


class Group(models.Model):
    """A group of people of one organisation. It says who may use an app; its name can be a claim in tokens."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="groups")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organisation", "name"], name="each_group_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """The membership of one person in one group."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["group", "user"], name="each_member_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"


class App(models.Model):
    """An app in which people sign in through Watchword: who may use it, and what it asks for.

    What its protocol needs, such as redirect addresses, is in the tables of the protocol's door.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="apps")
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=300, blank=True)
    preset = models.SlugField(max_length=40, blank=True, help_text="The preset from which it was added")
    home_url = models.URLField(_("home page"), max_length=500, blank=True, help_text="Where its tile leads")
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True, blank=True)
    for_everyone = models.BooleanField(default=True, help_text="Otherwise for the members of its groups")
    groups = models.ManyToManyField(Group, related_name="apps", blank=True)
    second_factor_always = models.BooleanField(
        default=False, help_text="Also from trusted networks, and for people without multi-factor authentication"
    )
    max_age_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="The oldest sign-in that it accepts; none: as long as the session lasts"
    )
    asks_consent = models.BooleanField(default=False, help_text="For apps that are not the organisation's own")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organisation", "name"], name="each_app_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class RoleAssignment(models.Model):
    """One role of one person."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="role_assignments")
    role = models.CharField(max_length=40, choices=[(role.value, ROLE_NAMES[role]) for role in Role])

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "role"], name="each_role_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role}"


class MfaCause(models.TextChoices):
    """The cause of a change of a multi-factor state."""

    PERSON = "person", _("an administrator changed it")
    BULK_FILE = "bulk_file", _("a file was imported")
    API = "api", _("a program changed it")
    REGISTRATION_FINISHED = "registration_finished", _("registration was finished")
    ALREADY_REGISTERED = "already_registered", _("a sign-in method was registered already")
    NOT_ME = "not_me", _("“This wasn't me” left no phone")
    ROLE_GIVEN = "role_given", _("a role was given")


class MfaStateChange(models.Model):
    """One change in the history of a person's multi-factor state."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mfa_history")
    at = models.DateTimeField()
    before = models.CharField(max_length=8)
    after = models.CharField(max_length=8)
    cause = models.CharField(max_length=24, choices=MfaCause.choices)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    by_name = models.CharField(max_length=254, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.before} -> {self.after} ({self.cause})"
