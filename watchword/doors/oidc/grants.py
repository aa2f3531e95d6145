"""The grants of the token endpoint: an authorization code, a refresh token, a device code.

Each code and refresh token is claimed by one conditional UPDATE before anything is issued for it, so that of requests
that run at the same time one wins. A code or refresh token that comes again ends the sign-in with all its tokens (RFC
6749 section 4.1.2, RFC 9700 section 4.14.2), because somebody may have copied it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant as AuthlibDeviceCodeGrant

from watchword.applications.models import AuthorizationCode, Client, ClientKind, DeviceAuthorization, Token, TokenKind
from watchword.audit.events import EventKind
from watchword.audit.record import Origin, record
from watchword.core.policy import Door
from watchword.directory.models import User
from watchword.doors.oidc.client_authentication import METHODS
from watchword.signin import app_access, sessions
from watchword.signin.client_addresses import client_address
from watchword.signin.models import AppSignIn
from watchword.signin.tokens import token_hash

RETRY = timedelta(seconds=10)
"""A refresh token that comes again so soon is an honest client's second try: it is refused, and ends nothing."""
_WITH = ("sign_in__user__organisation", "sign_in__app", "sign_in__session", "client")


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """RFC 6749 section 4.1, at both endpoints."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: Client) -> str:
        """Return the redirect URI; raise an error without one, so that it is shown here and leads nowhere."""
        uri = request.payload.redirect_uri
        if not uri:
            raise InvalidRequestError("Missing redirect_uri.")
        if not client.check_redirect_uri(uri):
            raise InvalidRequestError("The redirect_uri is not registered for this client.")
        return str(uri)

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode | None:
        """Claim a code for this client, and return it; None if it is unknown, too old, or was used."""
        now = self.server.now
        row = AuthorizationCode.objects.select_related(*_WITH).filter(code_hash=token_hash(code), client=client).first()
        if row is None:
            return None
        won = AuthorizationCode.objects.filter(pk=row.pk, used_at=None).update(used_at=now)
        if not won:
            end_reused(row.sign_in, "code_reused", self.request, now=now)
            return None
        return row if now < row.expires_at else None

    def authenticate_user(self, authorization_code: AuthorizationCode) -> User | None:
        """Return the person of a code, if the sign-in goes on and the key is the one that the code is bound to."""
        sign_in = authorization_code.sign_in
        bound = authorization_code.dpop_thumbprint
        if bound and bound != self.request.dpop_thumbprint:
            raise InvalidGrantError("The code is bound to another key.")
        return sign_in.user if app_access.is_alive(sign_in, now=self.server.now) else None

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Do nothing: the code was claimed before anything was issued for it."""


class S256(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """RFC 7636 with S256 alone, and demanded of every client without a named exemption."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Raise InvalidRequestError if the authorization request has no S256 challenge, and should have."""
        data = grant.request.payload.data
        if not grant.request.client.pkce_exempt and "code_challenge" not in data:
            raise InvalidRequestError("Missing code_challenge.", redirect_uri=redirect_uri)
        if "code_challenge" in data and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("The code_challenge_method must be S256.", redirect_uri=redirect_uri)
        super().validate_code_challenge(grant, redirect_uri)


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]  # Authlib has no types
    """RFC 6749 section 6, with rotation; a strict client's token is bound to its key instead, and stays."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802  (Authlib's name)
        """Return whether the answer has a new refresh token."""
        return not _is_bound_instead(self.request.client)

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Return a refresh token that may be exchanged; None for any other."""
        now = self.server.now
        row = (
            Token.objects.select_related(*_WITH)
            .filter(token_hash=token_hash(refresh_token), kind=TokenKind.REFRESH)
            .first()
        )
        if row is None or not row.check_client(self.request.client):
            return None
        if row.used_at is not None:
            if now - row.used_at > RETRY:
                end_reused(row.sign_in, "refresh_token_reused", self.request, now=now)
            return None
        if row.dpop_thumbprint and row.dpop_thumbprint != self.request.dpop_thumbprint:
            return None
        return row if row.revoked_at is None and now < row.expires_at else None

    def authenticate_user(self, refresh_token: Token) -> User | None:
        """Claim the token and return its person; raise InvalidGrantError if the sign-in is over, or another won."""
        sign_in, now = refresh_token.sign_in, self.server.now
        if not app_access.may_continue(sign_in, now=now):
            raise InvalidGrantError("The sign-in is over.")
        if not _is_bound_instead(self.request.client):
            won = Token.objects.filter(pk=refresh_token.pk, used_at=None, revoked_at=None).update(used_at=now)
            if not won:
                raise InvalidGrantError("The refresh token was used.")
        app_access.note_use(sign_in, address=client_address(self.request.http), now=now)
        return sign_in.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Do nothing: the token was claimed before anything was issued for it."""


class DeviceCodeGrant(AuthlibDeviceCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """RFC 8628 section 3.4."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def query_device_credential(self, device_code: str) -> DeviceCredential | None:
        """Return the device that waits under this code, or None."""
        row = (
            DeviceAuthorization.objects.select_related(*_WITH)
            .filter(device_code_hash=token_hash(device_code), used_at=None)
            .first()
        )
        return DeviceCredential(row, self.server.now) if row is not None else None

    def query_user_grant(self, user_code: DeviceCredential) -> tuple[User, bool] | None:
        """Return the person and whether they allowed it; None while nobody has answered."""
        row = user_code.row
        if row.denied_at is not None:
            return User(), False
        if row.sign_in is None:
            return None
        if not app_access.is_alive(row.sign_in, now=self.server.now):
            return User(), False
        if not DeviceAuthorization.objects.filter(pk=row.pk, used_at=None).update(used_at=self.server.now):
            raise InvalidGrantError("The device code was used.")
        return row.sign_in.user, True

    def should_slow_down(self, credential: DeviceCredential) -> bool:
        """Return whether the device asks too often; its interval then grows by five seconds (section 3.5)."""
        row, now = credential.row, self.server.now
        is_early = row.polled_at is not None and now - row.polled_at < timedelta(seconds=row.interval_seconds)
        row.polled_at = now
        row.interval_seconds = min(row.interval_seconds + 5, 60) if is_early else row.interval_seconds
        row.save(update_fields=["polled_at", "interval_seconds"])
        return is_early


class DeviceCredential:
    """A waiting device as Authlib asks about it."""

    def __init__(self, row: DeviceAuthorization, now: datetime) -> None:
        self.row = row
        self._now = now

    def get_client_id(self) -> str:
        """Return the client that asked."""
        return self.row.client.client_id

    def get_scope(self) -> str:
        """Return the scopes that were asked for."""
        return self.row.scope

    def get_user_code(self) -> DeviceCredential:
        """Return the key under which ``query_user_grant`` finds the answer: the row itself."""
        return self

    def is_expired(self) -> bool:
        """Return whether the person took too long."""
        return self._now >= self.row.expires_at


def _is_bound_instead(client: Client) -> bool:
    return client.kind == ClientKind.STRICT


def end_reused(sign_in: AppSignIn, because: str, request: Any, *, now: datetime) -> None:
    """End a sign-in of which a code or token came twice, and have the person and the administrators told."""
    ended = sessions.end_in_apps(AppSignIn.objects.filter(pk=sign_in.pk), because=because, now=now)
    if not ended:
        return
    http = request.http
    origin = Origin(client_address(http), http.headers.get("User-Agent", ""), door=Door.OIDC.value)
    record(
        EventKind.APP_TOKEN_REUSED,
        now=now,
        subject=sign_in.user,
        origin=origin,
        reason=because,
        details={"app": sign_in.app.name, "app_id": str(sign_in.app_id), "app_sign_in": str(sign_in.pk)},
    )
