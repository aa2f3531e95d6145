"""Sign-in attempts, codes on their way, sessions, failures and revocations."""

import uuid
from datetime import datetime
from typing import ClassVar, Self

from django.db import models

from watchword.core.policy import Door
from watchword.directory.models import User
from watchword.messaging.models import Delivery


class Purpose(models.TextChoices):
    """What an attempt or a code is for; a code for one purpose is worth nothing for another."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    """Proving again, within a session, before something dangerous."""
    REGISTER = "register"
    """Adding a sign-in method."""
    RECOVER = "recover"
    """After *This wasn't me*: closing what still stands, and a new password behind a code. It never signs in."""


class Session(models.Model):
    """A browser that has come in. The cookie holds a token of which only the keyed hash is kept."""

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
        """The sign-in that this belongs to: a session bears the id of the attempt that opened it."""
        return self.pk


class SignInAttempt(models.Model):
    """One sign-in on its way, bound to one browser. Its stage is derived by ``decide``, never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.BinaryField(max_length=32, unique=True)
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.SIGN_IN)
    door = models.CharField(max_length=16, choices=[(door.value, door.value) for door in Door])
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
    stand_in: User | None = None
    """Nobody, about whom all is asked that is asked about somebody; not in the database."""

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="attempt_by_expiry")]

    def __str__(self) -> str:
        return f"{self.purpose} attempt"

    @property
    def sign_in_id(self) -> uuid.UUID:
        """The sign-in that this belongs to: its own, or that of the session within which it proves again."""
        return self.session_id or self.pk


class KnownBrowser(models.Model):
    """A browser in which a person has signed in before. It proves nothing; it only spares its owner a warning."""

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
    """One code on its way. It is spent by one conditional UPDATE and dies with its attempt or session."""

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
    """The failures that one key has gathered.

    Keys: ``code:<user>``, ``password:<hash of name and source>``, ``source:<hash>``, ``guesses:<user>`` or, of a name
    that belongs to nobody, its hash.
    """

    key = models.CharField(max_length=120, primary_key=True)
    failures = models.JSONField(default=list)
    locked_at = models.DateTimeField(null=True, help_text="Of codes only: nothing else is ever locked")
    changed_at = models.DateTimeField()
    in_a_row = models.PositiveIntegerField(default=0, db_default=0, help_text="Wrong codes since the last right one")
    repeated = models.JSONField(null=True, help_text="Keyed digests of the last few wrong passwords, and how often")
    noted_until = models.DateTimeField(null=True, help_text="The wait that the log has already")
    # No foreign key: checking it would wait for whoever holds the person's lock, who may be waiting for this row.
    subject_id = models.UUIDField(null=True, db_index=True, help_text="The person whose counts these are, if known")

    def __str__(self) -> str:
        return self.key

    @classmethod
    def locked(cls, key: str, now: datetime) -> Self:
        """Return the row of a key under its lock, made where there was none. Call inside a transaction."""
        cls.objects.get_or_create(pk=key, defaults={"changed_at": now})
        return cls.objects.select_for_update().get(pk=key)


class Invitation(models.Model):
    """A one-time link by which somebody chooses the first password of an account."""

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
    """Something that a person could come in with has ended; mail daemons read these rows and close connections."""

    user_id = models.UUIDField()
    mailbox = models.CharField(max_length=254)
    at = models.DateTimeField()
    because = models.CharField(max_length=40)

    class Meta:
        # Asked with each message that somebody sends.
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user_id", "at"], name="revocation_of_person")]

    def __str__(self) -> str:
        return f"{self.mailbox}: {self.because}"
