"""Sign-in attempts, pending codes, sessions, failures and revocations."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from watchword.core.policy import door_choices
from watchword.directory.models import App, User
from watchword.messaging.models import Delivery


class Purpose(models.TextChoices):
    """What an attempt or a code is for; a code for one purpose is invalid for every other."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    """Proving one's identity again, within a session, before a dangerous action."""
    REGISTER = "register"
    """Adding a sign-in method."""
    RECOVER = "recover"
    """After *This wasn't me*: closing what is still open, and a new password after a code. It never signs in."""


class Session(models.Model):
    """A signed-in browser. The cookie holds a token, of which only a hash is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    token_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    evidence = models.JSONField(default=list)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=40, blank=True)
    excused = models.BooleanField(
        default=False, db_default=False, help_text="Let in without the second proof, because of a trusted network"
    )

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "ended_at", "-last_seen_at"], name="session_by_user"),
        ]

    def __str__(self) -> str:
        return f"session of {self.user_id}"

    @property
    def sign_in_id(self) -> uuid.UUID:
        """Return the id of the sign-in to which this session belongs: that of the attempt that opened it."""
        return self.pk


class AppSignIn(models.Model):
    """One person's sign-in in one app. All codes and tokens of the app belong to it, and are void once it ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="app_sign_ins")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="sign_ins")
    session = models.ForeignKey(
        Session, null=True, on_delete=models.SET_NULL, related_name="app_sign_ins", help_text="In which it began"
    )
    is_offline = models.BooleanField(
        default=False, help_text="Goes on after its session ends, until it is revoked (scope offline_access)"
    )
    evidence = models.JSONField(default=list)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=40, blank=True)
    logout_due_at = models.DateTimeField(null=True, help_text="When the app is to be told that it ended")
    logout_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "ended_at", "app"], name="app_sign_in_by_user"),
            models.Index(fields=["app", "ended_at", "-created_at"], name="app_sign_in_by_app"),
            models.Index(fields=["expires_at"], name="app_sign_in_by_expiry"),
            models.Index(
                fields=["logout_due_at"],
                condition=models.Q(logout_due_at__isnull=False),
                name="app_sign_in_logout_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.app_id}"


class SignInAttempt(models.Model):
    """One pending sign-in, bound to one browser. Its stage is derived by ``decide``, never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.BinaryField(max_length=32, unique=True)
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.SIGN_IN)
    door = models.CharField(max_length=16, choices=door_choices)
    typed_name = models.CharField(max_length=254, blank=True)
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="+")
    evidence = models.JSONField(default=list)
    browser_hash = models.BinaryField(max_length=32, null=True, help_text="Of the cookie that outlives sign-ins")
    password_version = models.UUIDField(null=True, help_text="The password that was proven; a newer one voids it")
    next_url = models.CharField(max_length=2000, blank=True)
    address = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    replaces = models.UUIDField(null=True, help_text="The session that this browser had, which ends with this sign-in")
    wrong_codes = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Typed to prove, not to register")
    dummy_user: User | None = None
    """The dummy user for an attempt without a known user, which gets the same queries; not in the database."""

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="attempt_by_expiry")]

    def __str__(self) -> str:
        return f"{self.purpose} attempt"

    @property
    def sign_in_id(self) -> uuid.UUID:
        """Return the id of the sign-in to which this belongs: its own, or that of the session being confirmed."""
        return self.session_id or self.pk


class KnownBrowser(models.Model):
    """A browser in which a person has signed in before. It proves nothing; it only spares the person a notice."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_browsers")
    token_hash = models.BinaryField(max_length=32)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "token_hash"], name="each_browser_once"),
        ]

    def __str__(self) -> str:
        return f"browser of {self.user_id}"


class CodeChallenge(models.Model):
    """One code that was sent. It is spent by one conditional UPDATE and dies with its attempt or session."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    attempt = models.ForeignKey(SignInAttempt, null=True, on_delete=models.CASCADE, related_name="challenges")
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="challenges")
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    kind = models.CharField(max_length=20)
    credential_id = models.UUIDField(null=True)
    stored = models.BinaryField(help_text="What the factor keeps, sealed")
    channel = models.CharField(max_length=8, blank=True)
    ends = models.CharField(max_length=2, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0)
    spent_at = models.DateTimeField(null=True)
    void_at = models.DateTimeField(null=True)
    match = models.CharField(
        max_length=2, blank=True, default="", db_default="", help_text="Shown in the browser, keyed in the call"
    )
    approved_at = models.DateTimeField(null=True, help_text="When the shown digits were keyed at the telephone")
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.SET_NULL, related_name="challenges")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "purpose", "spent_at", "void_at"], name="challenge_alive"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} code"


class FailureCount(models.Model):
    """The failures counted under one key.

    Keys: ``code:<user>``, ``password:<hash of name and source>``, ``source:<hash>``, ``guesses:<user>`` or, for a name
    that belongs to no user, its hash.
    """

    key = models.CharField(max_length=120, primary_key=True)
    failures = models.JSONField(default=list)
    locked_at = models.DateTimeField(null=True, help_text="Of codes only: nothing else is ever locked")
    changed_at = models.DateTimeField()
    in_a_row = models.PositiveIntegerField(default=0, db_default=0, help_text="Wrong codes since the last right one")
    repeated = models.JSONField(null=True, help_text="Keyed digests of the last few wrong passwords, and how often")
    noted_until = models.DateTimeField(null=True, help_text="The wait that the log has already")
    # No foreign key: the check of one would wait for a transaction that holds the person's lock, which may be waiting
    # for this row (deadlock).
    subject_id = models.UUIDField(null=True, db_index=True, help_text="The person whose counts these are, if known")

    def __str__(self) -> str:
        return self.key

    @classmethod
    def locked(cls, key: str, now: datetime) -> Self:
        """Lock and return the row of a key, creating it if there is none. Call inside a transaction."""
        cls.objects.get_or_create(pk=key, defaults={"changed_at": now})
        return cls.objects.select_for_update().get(pk=key)


class Invitation(models.Model):
    """A one-time link with which a person chooses the first password of an account."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="invitations")
    token_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    void_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"invitation of {self.user_id}"


class Revocation(models.Model):
    """A person's access has ended in some respect; mail daemons read these rows and close connections."""

    user_id = models.UUIDField()
    mailbox = models.CharField(max_length=254)
    at = models.DateTimeField()
    because = models.CharField(max_length=40)

    class Meta:
        # Queried for each message that a person sends.
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user_id", "at"], name="revocation_of_person")]

    def __str__(self) -> str:
        return f"{self.mailbox}: {self.because}"
