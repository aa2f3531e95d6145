"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0): tells apps that a sign-in has ended.

Each ended sign-in has a time when its app is to be told. A worker takes a row by moving that time on, so that one of
several workers sends; if it dies, the row's time comes again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

from watchword.applications import signing_keys
from watchword.applications.issuer import issuer_of
from watchword.applications.models import Client
from watchword.applications.subjects import subject_of
from watchword.core.log_events import log_event
from watchword.messaging.gateways.http.client import AddressForbidden, NoAnswer, SafeClient
from watchword.signin.models import AppSignIn

logger = logging.getLogger(__name__)

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LEASE = timedelta(seconds=30)
TIMEOUT_SECONDS = 5.0
RETRIES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))
AT_ONCE = 20
LOGOUT_TOKEN_SECONDS = 120
_TAKEN = frozenset({200, 204})


def send_due(*, now: datetime) -> int:
    """Tell the apps of the sign-ins whose time has come, and return how many rows were handled."""
    rows = _take(now)
    to_tell = []
    for row in rows:
        client = Client.objects.select_related("app__organisation").filter(pk=row.app_id).first()
        if client is None or not client.backchannel_logout_uri:
            AppSignIn.objects.filter(pk=row.pk).update(logout_due_at=None)
        else:
            to_tell.append((row, client, logout_token(client, row, now=now)))
    if to_tell:
        answers = asyncio.run(_send([(client.backchannel_logout_uri, token) for _row, client, token in to_tell]))
        for (row, client, _token), trouble in zip(to_tell, answers, strict=True):
            _note(row, client, trouble, now)
    return len(rows)


def logout_token(client: Client, sign_in: AppSignIn, *, now: datetime) -> str:
    """Return the logout token of a sign-in (section 2.4): its ``sid`` and ``sub``, and never a nonce."""
    organisation, issued = client.app.organisation, int(now.timestamp())
    claims = {
        "iss": issuer_of(organisation),
        "aud": client.client_id,
        "sub": subject_of(client, sign_in.user),
        "sid": str(sign_in.pk),
        "iat": issued,
        "exp": issued + LOGOUT_TOKEN_SECONDS,
        "jti": str(uuid4()),
        "events": {EVENT: {}},
    }
    return signing_keys.sign(organisation, client.signing_algorithm, claims, kind="logout+jwt", now=now)


def _take(now: datetime) -> Sequence[AppSignIn]:
    due = AppSignIn.objects.filter(logout_due_at__lte=now).select_related("user").order_by("logout_due_at")[:AT_ONCE]
    return [
        row
        for row in due
        if AppSignIn.objects.filter(pk=row.pk, logout_due_at=row.logout_due_at).update(logout_due_at=now + LEASE)
    ]


async def _send(messages: Sequence[tuple[str, str]]) -> list[str]:
    client = SafeClient(private_networks_allowed=True)
    try:
        return await asyncio.gather(*(_send_one(client, address, token) for address, token in messages))
    finally:
        await client.close()


async def _send_one(client: SafeClient, address: str, token: str) -> str:
    """Send one logout token; return what went wrong, in one word, or an empty text."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    content = urlencode({"logout_token": token}).encode()
    try:
        answer = await client.ask("POST", address, headers=headers, content=content, seconds=TIMEOUT_SECONDS)
    except (NoAnswer, AddressForbidden, ValueError, UnicodeError):
        return "no_answer"
    return "" if answer.status in _TAKEN else f"status_{answer.status}"


def _note(row: AppSignIn, client: Client, trouble: str, now: datetime) -> None:
    tries = row.logout_tries + 1
    if not trouble or tries > len(RETRIES):
        AppSignIn.objects.filter(pk=row.pk).update(logout_due_at=None, logout_tries=tries)
    else:
        AppSignIn.objects.filter(pk=row.pk).update(logout_due_at=now + RETRIES[tries - 1], logout_tries=tries)
    if trouble:
        logger.warning(
            "app not told of a logout",
            extra=log_event("oidc.backchannel_logout.failed", trouble=trouble, app=client.client_id, sign_in=row.pk),
        )
