"""The clients of the OpenID Connect provider, and what they are given: codes, tokens, consent, keys.

Codes, tokens and secrets are random values of 256 bits, of which only a hash is stored. Each code and token belongs to
an ``AppSignIn``; when that ends, all of them are void.
"""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from watchword.applications.redirect_uris import is_registered
from watchword.directory.models import App, Organisation, User
from watchword.directory.sealed_field import SealedTextField
from watchword.signin.models import AppSignIn, Session
from watchword.signin.tokens import token_hash


class ClientKind(models.TextChoices):
    """Whether a client can keep a secret (RFC 6749 section 2.1), and how it proves that it has it."""

    CONFIDENTIAL = "confidential"
    """A program on a server, with a client secret."""
    PUBLIC = "public"
    """A program on people's own devices or in their browsers, which can keep no secret."""
    STRICT = "strict"
    """The FAPI 2.0 security profile: pushed requests, ``private_key_jwt``, tokens bound by DPoP."""


class SubjectType(models.TextChoices):
    """Whether two apps see the same ``sub`` for one person (OpenID Connect Core section 8)."""

    PUBLIC = "public"
    PAIRWISE = "pairwise"


def new_salt() -> bytes:
    """Return a salt for pairwise subjects."""
    return secrets.token_bytes(32)


class Client(models.Model):
    """What OpenID Connect needs to know of an app. Its ``client_id`` is the app's id."""

    app = models.OneToOneField(App, on_delete=models.CASCADE, primary_key=True, related_name="oidc_client")
    kind = models.CharField(max_length=16, choices=ClientKind.choices, default=ClientKind.CONFIDENTIAL)
    redirect_uris = models.JSONField(default=list)
    post_logout_redirect_uris = models.JSONField(default=list)
    backchannel_logout_uri = models.URLField(max_length=500, blank=True)
    scopes = models.JSONField(default=list, help_text="The scopes that it may ask for")
    pkce_exempt = models.BooleanField(default=False, help_text="A weakness, for clients that can't send a challenge")
    allows_refresh = models.BooleanField(default=True)
    allows_device_flow = models.BooleanField(default=False)
    introspects = models.BooleanField(default=False, help_text="A server that takes tokens of other clients")
    introspection_scope = models.CharField(max_length=40, blank=True, help_text="Tokens without it are inactive to it")
    jwks = models.JSONField(null=True, help_text="Its public keys, for private_key_jwt")
    signing_algorithm = models.CharField(max_length=8, default="RS256")
    subject_type = models.CharField(max_length=8, choices=SubjectType.choices, default=SubjectType.PUBLIC)
    pairwise_salt = models.BinaryField(max_length=32, default=new_salt)
    access_token_seconds = models.PositiveIntegerField(default=600)

    def __str__(self) -> str:
        return f"client {self.app_id}"

    @property
    def client_id(self) -> str:
        """Return the identifier that the app sends."""
        return str(self.app_id)

    @property
    def auth_methods(self) -> frozenset[str]:
        """Return how the client may authenticate at the token endpoint (RFC 7591 section 2)."""
        match ClientKind(self.kind):
            case ClientKind.CONFIDENTIAL:
                return frozenset({"client_secret_basic", "client_secret_post"})
            case ClientKind.PUBLIC:
                return frozenset({"none"})
            case ClientKind.STRICT:
                return frozenset({"private_key_jwt"})

    # What Authlib asks of a client (authlib.oauth2.rfc6749.ClientMixin).

    def get_client_id(self) -> str:
        """Return the identifier that the app sends."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return None: OpenID Connect Core section 3.1.2.1 demands the parameter."""
        return

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return the requested scopes that the client may have, in their order."""
        return " ".join(word for word in (scope or "").split() if word in self.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Return whether a redirect URI is registered, by RFC 9700 section 2.1: the same string."""
        return is_registered(redirect_uri, self.redirect_uris, is_native=self.kind == ClientKind.PUBLIC)

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether this is one of the client's valid secrets, and note its use once an hour."""
        now = timezone.now()
        row = self.secrets.filter(secret_hash=token_hash(client_secret), ended_at=None).first()
        if row is not None and (row.last_used_at is None or now - row.last_used_at > timedelta(hours=1)):
            ClientSecret.objects.filter(pk=row.pk).update(last_used_at=now)
        return row is not None

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  (Authlib's signature)
        """Return whether the client may authenticate by this method."""
        return method in self.auth_methods

    def check_response_type(self, response_type: str) -> bool:
        """Return whether the client may use a response type; only the authorization code flow is there."""
        return response_type == "code" and bool(self.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client may use a grant type at the token endpoint."""
        match grant_type:
            case "authorization_code":
                return bool(self.redirect_uris)
            case "refresh_token":
                return self.allows_refresh
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self.allows_device_flow
            case _:
                return False


class ClientSecret(models.Model):
    """One secret of a confidential client. Two are valid at once while the app changes from one to the other."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    secret_hash = models.BinaryField(max_length=32, unique=True)
    ends = models.CharField(max_length=4, help_text="The last characters, to tell two apart")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"secret of {self.client_id}"


class AuthorizationRequest(models.Model):
    """A validated authorization request that waits for the person, or that its client pushed (RFC 9126)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_hash = models.BinaryField(max_length=32, unique=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    is_pushed = models.BooleanField(default=False)
    parameters = models.JSONField(default=dict)
    dpop_thumbprint = models.CharField(max_length=43, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(
        Session, null=True, on_delete=models.CASCADE, related_name="+", help_text="In which the person consented"
    )

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="auth_request_by_expiry")]

    def __str__(self) -> str:
        return f"request of {self.client_id}"


class AuthorizationCode(models.Model):
    """A code that the client exchanges for tokens, once."""

    code_hash = models.BinaryField(max_length=32, unique=True)
    sign_in = models.ForeignKey(AppSignIn, on_delete=models.CASCADE, related_name="codes")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    redirect_uri = models.CharField(max_length=2000)
    scope = models.CharField(max_length=500)
    nonce = models.CharField(max_length=500, blank=True)
    code_challenge = models.CharField(max_length=128, blank=True)
    dpop_thumbprint = models.CharField(max_length=43, blank=True)
    claims = models.JSONField(default=dict, help_text="The claims that were asked for one by one")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="auth_code_by_expiry")]

    def __str__(self) -> str:
        return f"code for {self.client_id}"

    code_challenge_method = "S256"

    # What Authlib asks of a code (authlib.oidc.core.AuthorizationCodeMixin).

    def get_redirect_uri(self) -> str:
        """Return the redirect URI of the authorization request."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the granted scopes."""
        return self.scope


class TokenKind(models.TextChoices):
    """The kind of a token."""

    ACCESS = "access"
    REFRESH = "refresh"


class Token(models.Model):
    """An access or refresh token."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    kind = models.CharField(max_length=8, choices=TokenKind.choices)
    sign_in = models.ForeignKey(AppSignIn, on_delete=models.CASCADE, related_name="tokens")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=500)
    claims = models.JSONField(default=dict, help_text="The claims that userinfo adds to those of the scopes")
    dpop_thumbprint = models.CharField(max_length=43, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, help_text="When a refresh token was exchanged for its successor")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="token_by_expiry")]

    def __str__(self) -> str:
        return f"{self.kind} token for {self.client_id}"

    # What Authlib asks of a token (authlib.oauth2.rfc6749.TokenMixin).

    def check_client(self, client: Client) -> bool:
        """Return whether the token was given to this client."""
        return bool(self.client_id == client.pk)

    def get_scope(self) -> str:
        """Return the granted scopes."""
        return self.scope


class DeviceAuthorization(models.Model):
    """A device that waits until its owner has typed the user code in a browser (RFC 8628)."""

    device_code_hash = models.BinaryField(max_length=32, unique=True)
    user_code_hash = models.BinaryField(max_length=32, unique=True)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(max_length=500)
    address = models.CharField(max_length=45, blank=True, help_text="From where the device asked")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    interval_seconds = models.PositiveSmallIntegerField(default=5)
    polled_at = models.DateTimeField(null=True)
    sign_in = models.ForeignKey(AppSignIn, null=True, on_delete=models.CASCADE, related_name="+")
    denied_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="device_by_expiry")]

    def __str__(self) -> str:
        return f"device of {self.client_id}"


class Consent(models.Model):
    """What a person allowed an app to see."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="consents")
    scopes = models.JSONField(default=list)
    given_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "client"], name="one_consent_each"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} to {self.client_id}"


class SigningKey(models.Model):
    """A key that signs ID tokens and logout tokens; its public half is published before it signs anything."""

    kid = models.CharField(max_length=43, primary_key=True, help_text="Its thumbprint (RFC 7638)")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="signing_keys")
    kind = models.CharField(max_length=4, help_text="The key type of RFC 7518: RSA or EC")
    private_key = SealedTextField(purpose="applications.signing_key")
    published_at = models.DateTimeField()
    signs_from = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, help_text="When it was taken out of the published set")

    def __str__(self) -> str:
        return f"{self.kind} key {self.kid}"


class UsedJti(models.Model):
    """A client assertion or DPoP proof that was shown, so that it is taken once (RFC 7523, RFC 9449)."""

    jti_hash = models.BinaryField(max_length=32, primary_key=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="jti_by_expiry")]

    def __str__(self) -> str:
        return "used jti"


class ProtectedHost(models.Model):
    """A host whose proxy asks for each request whether it may pass (forward-auth)."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="protected_hosts")
    host = models.CharField(max_length=260, unique=True, help_text="Host name, with a port unless it is 443")
    rules = models.TextField(blank=True, help_text="One rule on each line, see core/path_rules.py")
    sends_jwt = models.BooleanField(default=False, help_text="Whether the app gets a signed token beside the headers")

    def __str__(self) -> str:
        return self.host


class HostTicket(models.Model):
    """A sign-in on its way from Watchword's own host to a protected one; it is taken once, by the same browser."""

    ticket_hash = models.BinaryField(max_length=32, unique=True)
    host = models.ForeignKey(ProtectedHost, on_delete=models.CASCADE, related_name="+")
    sign_in = models.ForeignKey(AppSignIn, on_delete=models.CASCADE, related_name="+")
    state_hash = models.BinaryField(max_length=32, help_text="Of the cookie of the browser that began")
    target = models.CharField(max_length=2000)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="ticket_by_expiry")]

    def __str__(self) -> str:
        return f"ticket for {self.host_id}"


class HostCookie(models.Model):
    """The cookie of one browser at one protected host."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    host = models.ForeignKey(ProtectedHost, on_delete=models.CASCADE, related_name="cookies")
    sign_in = models.ForeignKey(AppSignIn, on_delete=models.CASCADE, related_name="cookies")
    expires_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="cookie_by_expiry")]

    def __str__(self) -> str:
        return f"cookie at {self.host_id}"
