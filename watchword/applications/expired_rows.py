"""What the worker deletes of apps: requests, codes, tokens, devices, tickets and cookies that are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from watchword.applications.models import (
    AuthorizationCode,
    AuthorizationRequest,
    DeviceAuthorization,
    HostCookie,
    HostTicket,
    Token,
    UsedJti,
)
from watchword.signin.housekeeping import delete_batch

STORED = timedelta(days=1)
"""How long a code, token or request is retained after its time: a copy that is shown late is still recognised."""


def clean_up(*, now: datetime) -> int:
    """Delete old rows, at most one batch of each kind, and return how many there were."""
    old = now - STORED
    return (
        _delete(AuthorizationRequest, old)
        + _delete(AuthorizationCode, old)
        + _delete(Token, old)
        + _delete(DeviceAuthorization, old)
        + _delete(HostTicket, old)
        + _delete(HostCookie, old)
        # Only until the proof itself is too old to be accepted.
        + _delete(UsedJti, now)
    )


def _delete(model: Any, before: datetime) -> int:
    return delete_batch(model.objects.filter(expires_at__lt=before).order_by("expires_at"))
