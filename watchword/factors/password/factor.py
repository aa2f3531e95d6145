"""Verifies account passwords, and decides which new ones are good enough."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.exceptions import ValidationError

from watchword.core.codes import RandomSource, normal_app_password
from watchword.core.factors import (
    Accepted,
    Challenge,
    CredentialData,
    Keyed,
    Rejected,
    RejectReason,
    SetupContext,
    Verdict,
)
from watchword.core.log_events import log_event
from watchword.core.policy import FactorKind
from watchword.factors.password.breach_file import is_breached
from watchword.factors.password.quality import is_mostly_context, is_too_common

SHORTEST_ALONE = 15
"""Characters of a password that is not combined with a second factor (NIST SP 800-63B-4 section 3.1.1.2)."""

SHORTEST_WITH_SECOND = 8
"""Characters of a password that is combined with a second factor."""

LONGEST = 1024
"""Characters; a longer password is refused before it is hashed."""

logger = logging.getLogger(__name__)


class PasswordFactor:
    """The account password, stored as an Argon2id hash (RFC 9106)."""

    kind = FactorKind.PASSWORD

    def challenge(
        self,
        data: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Return an empty challenge: nothing has to be prepared."""
        return Challenge()

    def verify(
        self, data: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Hash the answer once and compare; a right answer includes a better hash where the parameters have changed.

        ``data`` with an empty secret is the dummy user's: the same work is done, and the answer is rejected.
        """
        if len(answer) > LONGEST:
            return Rejected(RejectReason.TOO_LONG)
        hasher = _hasher()
        encoded = bytes(data.secret).decode("ascii") or _dummy_hash()
        try:
            hasher.verify(encoded, _octets(answer))
        except (VerificationError, InvalidHashError):
            return Rejected(RejectReason.WRONG)
        if not data.secret:
            return Rejected(RejectReason.NOT_REGISTERED)
        renewed = hasher.hash(_octets(answer)).encode("ascii") if hasher.check_needs_rehash(encoded) else None
        return Accepted(renewed=renewed, is_short=_is_short(answer))

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Check a requested new password; ``keep`` holds its hash."""
        password = options.get("password", "")
        refusal = why_not_good_enough(password, setup_context)
        if refusal is not None:
            return Rejected(refusal)
        stored = _hasher().hash(_octets(password), salt=random_source.octets(16))
        return Challenge(
            keep={
                "hash": stored,
                "initial": options.get("initial", ""),
                "short": "yes" if _is_short(password) else "",
            }
        )

    def finish_setup(
        self, stored: Mapping[str, str], answer: str, *, random_source: RandomSource, keyed: Keyed, now: datetime
    ) -> CredentialData | Rejected:
        """Return the credential to store: the hash."""
        public = {mark: "yes" for mark in ("initial", "short") if stored.get(mark)}
        return CredentialData(FactorKind.PASSWORD, slot="account", public=public, secret=stored["hash"].encode("ascii"))


def shortest(setup_context: SetupContext) -> int:
    """Return the minimum length of a new password in characters."""
    return SHORTEST_WITH_SECOND if setup_context.has_second_factor else SHORTEST_ALONE


def _is_short(password: str) -> bool:
    return len(password) < SHORTEST_ALONE


def why_not_good_enough(password: str, setup_context: SetupContext) -> RejectReason | None:
    """Return why a new password is refused, or None. There are no composition rules (ASVS 5.0, 6.2.5)."""
    if len(password) > LONGEST:
        return RejectReason.TOO_LONG
    if len(password) < shortest(setup_context):
        return RejectReason.TOO_SHORT
    if normal_app_password(password) is not None:
        # The mail door would look it up as an app password and never find it.
        return RejectReason.SHAPED_LIKE_APP_PASSWORD
    if is_mostly_context(password, setup_context.context_words):
        return RejectReason.CONTAINS_CONTEXT
    stands_alone = not setup_context.has_second_factor
    if is_too_common(password, setup_context.context_words, stands_alone=stands_alone) or _is_common(password):
        return RejectReason.TOO_COMMON
    return RejectReason.BREACHED if _is_breached(password) else None


def _is_breached(password: str) -> bool:
    file = settings.WATCHWORD_BREACHED_PASSWORDS_FILE
    try:
        return bool(file) and is_breached(password, Path(file))
    except OSError as error:
        # A failing disk must not prevent a new password, which has passed all other rules.
        trouble = type(error).__name__
        logger.error(
            "breached password file not readable", extra=log_event("password.breach_file.failed", trouble=trouble)
        )
        return False


def _is_common(password: str) -> bool:
    try:
        _common_passwords().validate(password)
    except ValidationError:
        return True
    return False


@cache
def _common_passwords() -> CommonPasswordValidator:
    return CommonPasswordValidator()


@cache
def _hasher() -> PasswordHasher:
    parameters = settings.WATCHWORD_ARGON2
    return PasswordHasher(
        time_cost=parameters["time_cost"],
        memory_cost=parameters["memory_kibibytes"],
        parallelism=parameters["parallelism"],
        type=Type.ID,
    )


@cache
def _dummy_hash() -> str:
    # Any hash with the current parameters will do: no answer is ever accepted because of it.
    return _hasher().hash(b"nobody", salt=bytes(16))


def _octets(password: str) -> bytes:
    # Canonically equivalent spellings are one password on every keyboard; nothing else is folded (ASVS 6.2.8).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
