"""Which server asks: it shows the secret of its app, and is believed about the program in front of it."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from django.conf import settings

from watchword.applications.models import ClientKind, ClientSecret
from watchword.audit.installation import KeyWatch
from watchword.audit.record import Origin
from watchword.core.decision import DenyReason
from watchword.core.usernames import InvalidSignInName, name_key, with_domain
from watchword.directory.applications import is_assigned
from watchword.directory.models import App, SignInName, User
from watchword.signin import app_access, non_interactive
from watchword.signin.non_interactive import NO, AuthRequest, AuthResult
from watchword.signin.tokens import token_hash

SECRET_HEADER = "HTTP_X_WATCHWORD_SECRET"  # noqa: S105  (the name of a header)


def app_of(secret: str) -> App | None:
    """Return the enabled app to which a secret belongs; None for any other text."""
    row = (
        ClientSecret.objects.select_related("client__app__organisation")
        .filter(
            secret_hash=token_hash(secret),
            ended_at=None,
            client__kind=ClientKind.CONFIDENTIAL,
            client__introspects=True,
            client__app__disabled_at=None,
        )
        .first()
    )
    return row.client.app if row is not None else None


def check(app: App, question: AuthRequest, *, now: datetime) -> tuple[AuthResult, User | None]:
    """Answer a name and a secret, by the same rules, limits and counts as mail, for the people of an app.

    Returns the person with the answer if it is yes. Raises Unavailable where that can't be decided now.
    """
    if non_interactive.is_shaped_like_app_password(question):
        with non_interactive.trying():
            lacks_a_key = _key_watch().lacks_a_key(now=now)
        result = non_interactive.check_many([question], now=now, lacks_a_key=lacks_a_key)[0]
    else:
        result = non_interactive.check_account_password(question, now=now)
    if not result.allowed:
        return result, None
    user = _person(question.name)
    if user is None or not is_assigned(app, user):
        origin = Origin(address=question.address, door=question.door.value, service=question.service)
        app_access.note_denied(user, app, DenyReason.NOT_ASSIGNED, origin=origin, name=question.name, now=now)
        return NO, None
    return result, user


def _person(name: str) -> User | None:
    try:
        key = name_key(with_domain(name, settings.WATCHWORD_DEFAULT_DOMAIN))
    except InvalidSignInName:
        return None
    row = SignInName.objects.select_related("user__organisation").filter(key=key).first()
    return row.user if row is not None else None


@cache
def _key_watch() -> KeyWatch:
    return KeyWatch(settings.WATCHWORD_KEY_RING)
