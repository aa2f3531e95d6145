"""When the certificate of the public address ends: asked of whatever speaks TLS there, a proxy mostly."""

from __future__ import annotations

import logging
import ssl
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509

from watchword.audit.maintenance import Task, note_run
from watchword.audit.retries import cause_of
from watchword.core.log_events import log_event

EVERY_SECONDS = 6 * 3600.0
FIRST_AFTER_SECONDS = 60.0
TIMEOUT_SECONDS = 5.0
HTTPS_PORT = 443

logger = logging.getLogger(__name__)


def look_at(public_url: str, *, now: datetime) -> int:
    """Store when the certificate ends, and return 0. An address without TLS has none; one that is down is logged."""
    url = urlsplit(public_url)
    if url.scheme != "https":
        return 0
    try:
        # Not verified: the end of an expired or wrong certificate is what has to be known.
        text = ssl.get_server_certificate((url.hostname or "", url.port or HTTPS_PORT), timeout=TIMEOUT_SECONDS)
        expires_at = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    except (OSError, ValueError) as error:
        logger.warning("certificate not read", extra=log_event("certificate.unread", trouble=cause_of(error)))
        return 0
    note_run(Task.CERTIFICATE, now=now, details={"expires_at": expires_at.isoformat()})
    return 0
