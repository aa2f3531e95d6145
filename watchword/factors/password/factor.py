"""Checks an account password, and decides which new ones are good enough."""

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
from watchword.core.policy import FactorKind
from watchword.factors.password.breach_file import is_breached
from watchword.factors.password.quality import is_mostly_context, is_too_common

SHORTEST_ALONE = 15
"""Characters where no second proof stands behind the password (NIST SP 800-63B-4 section 3.1.1.2)."""

SHORTEST_WITH_SECOND = 8
"""Characters where a second proof does."""

LONGEST = 1024
"""Characters; more is refused before it is hashed."""

logger = logging.getLogger(__name__)


class PasswordFactor:
    """The account password, stored as an Argon2id hash (RFC 9106)."""

    kind = FactorKind.PASSWORD

    def challenge(
        self,
        held: CredentialData,
        options: Mapping[str, str],
        setup_context: SetupContext,
        *,
        random_source: RandomSource,
        keyed: Keyed,
    ) -> Challenge | Rejected:
        """Nothing has to be prepared."""
        return Challenge()

    def verify(
        self, held: CredentialData, stored: Mapping[str, str], answer: str, *, keyed: Keyed, now: datetime
    ) -> Verdict:
        """Hash the answer once and compare; a right one comes with a better hash where the parameters have grown.

        ``held`` with an empty secret stands for nobody: the same work is done and the answer is no.
        """
        if len(answer) > LONGEST:
            return Rejected(RejectReason.TOO_LONG)
        hasher = _hasher()
        encoded = bytes(held.secret).decode("ascii") or _hash_of_nobody()
        try:
            hasher.verify(encoded, _octets(answer))
        except (VerificationError, InvalidHashError):
            return Rejected(RejectReason.WRONG)
        if not held.secret:
            return Rejected(RejectReason.NOT_HELD)
        renewed = hasher.hash(_octets(answer)).encode("ascii") if hasher.check_needs_rehash(encoded) else None
        return Accepted(renewed=renewed, is_short=_is_short(answer))

    def start_setup(
        self, options: Mapping[str, str], setup_context: SetupContext, *, random_source: RandomSource, keyed: Keyed
    ) -> Challenge | Rejected:
        """Judge a wished password; ``keep`` holds its hash."""
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
        """Return the hash to be held."""
        public = {mark: "yes" for mark in ("initial", "short") if stored.get(mark)}
        return CredentialData(FactorKind.PASSWORD, slot="account", public=public, secret=stored["hash"].encode("ascii"))


def shortest(setup_context: SetupContext) -> int:
    """Return how many characters a new password needs at least."""
    return SHORTEST_WITH_SECOND if setup_context.has_second_factor else SHORTEST_ALONE


def _is_short(password: str) -> bool:
    return len(password) < SHORTEST_ALONE


def why_not_good_enough(password: str, setup_context: SetupContext) -> RejectReason | None:
    """Return why a new password is refused, or None. There are no rules of composition (ASVS 5.0, 6.2.5)."""
    if len(password) > LONGEST:
        return RejectReason.TOO_LONG
    if len(password) < shortest(setup_context):
        return RejectReason.TOO_SHORT
    if normal_app_password(password) is not None:
        # Mail programs would look it up as an app password and never find it.
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
        # A disk that fails keeps nobody from a new password, which the other rules have judged.
        logger.error("the file of breached passwords can't be read: %s", type(error).__name__)
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
def _hash_of_nobody() -> str:
    # Any hash with today's parameters will do: nothing that anybody types is compared with it in earnest.
    return _hasher().hash(b"nobody", salt=bytes(16))


def _octets(password: str) -> bytes:
    # Canonically equal spellings of one text are one password on every keyboard; nothing else is folded (ASVS 6.2.8).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
