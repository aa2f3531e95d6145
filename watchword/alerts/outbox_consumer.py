"""The worker's first half: consumes events from the outbox and stores the notices and alerts that they cause.

The outbox row, the notices and the alert change in one transaction: if the worker dies, either the event is not yet
consumed or everything is stored. An event that can't be turned into a notice is retried with growing pauses. After the
last try it stays in the outbox, and an event of its own alerts the administrators.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q

from watchword.alerts import closing, known_networks, links, recipients
from watchword.alerts.models import Alert, By, Notice, NotMeLink, WarningChoice
from watchword.alerts.rules import NOTIFICATION_RULES, AlertRule, NotificationRule, rule_of
from watchword.audit.events import EventKind
from watchword.audit.models import Event, OutboxEvent
from watchword.audit.record import record
from watchword.audit.retries import RetryPolicy, attempt_one, cause_of, try_again
from watchword.core.log_events import log_event
from watchword.directory.contacts import earlier_contact, earlier_recipients
from watchword.directory.models import Organisation, User

logger = logging.getLogger(__name__)

BATCH_SIZE = 100
MOST_TRIES = 8
RETRIES = RetryPolicy(timedelta(seconds=10), timedelta(hours=1), most_tries=MOST_TRIES)
MOST_PEOPLE = 20
"""The maximum number of people whom one merged alert names."""
SEAL = "alerts.notice"

_WITHOUT_SUBJECT = frozenset(
    {AlertRule.SOURCE_CLOSED, AlertRule.WARNING_GIVEN_UP, AlertRule.ALERT_RECIPIENTS, AlertRule.NEW_NUMBERS_UNTYPED}
)


_FOR_ALL = frozenset({AlertRule.EMERGENCY_ACCESS_USED, AlertRule.EMERGENCY_ACCESS_CHANGED})
"""Alerts mailed to every Global Administrator too where other recipients are named: whoever uses such an account could
have named them."""


def consume(*, now: datetime) -> int:
    """Consume the oldest events of the outbox and return how many were due."""
    due = Q(next_try_at=None) | Q(next_try_at__lte=now)
    waiting = OutboxEvent.objects.filter(due, tries__lt=MOST_TRIES).order_by("event_id")
    ids = list(waiting.values_list("event_id", flat=True)[:BATCH_SIZE])
    for event_id in ids:
        attempt_one(partial(_consume_one, event_id, now), partial(_try_later, event_id, now))
    return len(ids)


def _try_later(event_id: int, now: datetime, error: Exception) -> None:
    logger.error(
        "audit event not turned into a notice",
        extra=log_event("alerts.event.failed", trouble=cause_of(error), audit_event=event_id),
    )
    with transaction.atomic():
        row = OutboxEvent.objects.filter(pk=event_id)
        row.update(tries=F("tries") + 1)
        outbox_event = row.first()
        if outbox_event is None:
            return
        if try_again(row, RETRIES, tries=outbox_event.tries, since=now, now=now):
            return
        row.update(next_try_at=None)
        event = Event.objects.filter(pk=event_id).first()
        if event is not None:
            give_up(event, type(error).__name__, now)


def give_up(event: Event, trouble: str, now: datetime) -> None:
    """Record that no notice will be sent for an event, so that administrators see it. Call inside a transaction."""
    if event.kind == EventKind.WARNING_GIVEN_UP:
        # The alert about a failed notice failed itself: one more event would fail in the same manner, without end.
        return
    record(
        EventKind.WARNING_GIVEN_UP,
        now=now,
        subject=User.objects.filter(pk=event.subject_id).first() if event.subject_id is not None else None,
        organisation_id=event.organisation_id,
        reason=trouble[:40],
        details={"event": event.pk, "kind": event.kind},
    )


def _consume_one(event_id: int, now: datetime) -> None:
    with transaction.atomic():
        row = OutboxEvent.objects.filter(pk=event_id)
        if connection.features.has_select_for_update_skip_locked:
            row = row.select_for_update(skip_locked=True)
        if not row.exists():
            return
        event = Event.objects.filter(pk=event_id).first()
        if event is not None:
            _warn_about(event, now)
        OutboxEvent.objects.filter(pk=event_id).delete()


def _warn_about(event: Event, now: datetime) -> None:
    _settle(event, now)
    rule = rule_of(
        EventKind(event.kind),
        door=event.door,
        reason=event.reason,
        details=event.details,
        by_another_person=event.actor_id is not None and event.actor_id != event.subject_id,
    )
    if rule is None:
        return
    credential = _credential(event)
    if rule is AlertRule.APP_PASSWORD_ELSEWHERE:
        before = str(event.details.get("before", ""))
        if credential is None or not known_networks.learn_network(credential, event.address, before, now=now):
            return
    notification = NOTIFICATION_RULES[rule]
    subject = None
    if event.subject_id is not None:
        subject = User.objects.select_related("organisation").filter(pk=event.subject_id).first()
    if subject is None and rule not in _WITHOUT_SUBJECT:
        # The event names no account: there is no person to warn, and the result tells a stranger nothing.
        return
    if subject is not None and notification.person and subject.deleted_at is None:
        _tell(event, rule, notification, subject, credential, now)
    if notification.administrators:
        _raise_alert(event, rule, notification, subject, now)


def _settle(event: Event, now: datetime) -> None:
    """Close the alert that a successful sign-in settles."""
    if event.kind != EventKind.SIGN_IN_ALLOWED or not event.details.get("wrong") or event.subject_id is None:
        return
    subject = User.objects.filter(pk=event.subject_id).first()
    if subject is not None:
        closing.close_settled(event, subject, now=now)


def _tell(
    event: Event, rule: AlertRule, notification: NotificationRule, user: User, credential: UUID | None, now: datetime
) -> None:
    what = f"{rule}:{credential}" if credential is not None else str(rule)
    made = False
    for address in _addresses(event, rule, user):
        made |= _notice(event, rule, notification, user, By.MAIL, address, what, now)
    if notification.loud and WarningChoice.objects.filter(user=user, by_text=True).exists():
        made |= _notice(event, rule, notification, user, By.TEXT, "", what, now)
    if made and notification.link:
        NotMeLink.objects.get_or_create(
            event_id=event.pk,
            defaults={
                "user": user,
                "rule": rule,
                "credential_id": credential,
                "created_at": now,
                "expires_at": now + links.LIFETIME,
            },
        )


def _notice(
    event: Event, rule: AlertRule, notification: NotificationRule, user: User, by: By, to: str, what: str, now: datetime
) -> bool:
    target = settings.WATCHWORD_KEY_RING.mac(SEAL, f"{by}:{to}".encode()).hex()[:24]
    _row, is_first = Notice.objects.get_or_create(
        merge_key=f"{user.pk.hex}:{what}:{target}:{_window(event, notification)}",
        defaults={
            "user": user,
            "rule": rule,
            "event_id": event.pk,
            "by": by,
            "to": settings.WATCHWORD_KEY_RING.seal(SEAL, to.encode()),
            "has_link": notification.link,
            "created_at": now,
            "next_try_at": now,
        },
    )
    return is_first


def _raise_alert(
    event: Event, rule: AlertRule, notification: NotificationRule, subject: User | None, now: datetime
) -> None:
    only = subject.organisation_id if subject is not None else event.organisation_id
    whose = [only] if only is not None else list(Organisation.objects.values_list("pk", flat=True))
    about = subject.sign_in_name if notification.merged and subject is not None else ""
    if notification.merged:
        subject = None
    for organisation_id in whose:
        target = subject.pk.hex if subject is not None else event.address
        row, is_first = Alert.objects.get_or_create(
            merge_key=f"{organisation_id}:{rule}:{target}:{_window(event, notification)}",
            defaults={
                "organisation_id": organisation_id,
                "rule": rule,
                "subject": subject,
                "event_id": event.pk,
                "raised_at": event.at,
                "last_at": event.at,
                "details": {
                    "address": event.address,
                    "agent": event.agent,
                    "door": event.door,
                    **({"about": event.reason} if rule is AlertRule.NOT_ME else {}),
                    **({"allowed": _is_allowed(event)} if rule is AlertRule.EMERGENCY_ACCESS_USED else {}),
                    **event.details,
                    **({"people": [about]} if about else {}),
                },
            },
        )
        if is_first:
            _tell_administrators(event, rule, notification, row, now)
        else:
            Alert.objects.filter(pk=row.pk).update(times=F("times") + 1, last_at=now)
            _add_person(row, about)
            _note_sign_in(row, str(event.details.get("attempt", "")))


def _is_allowed(event: Event) -> bool:
    return event.kind == EventKind.SIGN_IN_ALLOWED


def _note_sign_in(alert: Alert, attempt: str) -> None:
    """Mark an alert that counts several sign-ins: from now on no single right code settles it."""
    if alert.details.get("attempt", "") not in (attempt, closing.SEVERAL):
        alert.refresh_from_db(fields=["details"])
        Alert.objects.filter(pk=alert.pk).update(details={**alert.details, "attempt": closing.SEVERAL})


def _add_person(alert: Alert, name: str) -> None:
    """Add a person to the names of a merged alert, up to ``MOST_PEOPLE``."""
    people = list(alert.details.get("people", ()))
    if name and name not in people and len(people) < MOST_PEOPLE:
        Alert.objects.filter(pk=alert.pk).update(details={**alert.details, "people": [*people, name]})


def _tell_administrators(
    event: Event, rule: AlertRule, notification: NotificationRule, alert: Alert, now: datetime
) -> None:
    """Store the notices about a new alert; a repetition within the window is only counted."""
    addresses = recipients.addresses_of(alert.organisation)
    if rule in _FOR_ALL:
        addresses += recipients.addresses_of_administrators(alert.organisation)
    if rule is AlertRule.ALERT_RECIPIENTS:
        # The former recipients are notified too: an attacker who shortens the list must not be the only recipient.
        addresses += earlier_recipients(event.details)
    told: list[tuple[By, User | None, str]] = [(By.MAIL, None, address) for address in dict.fromkeys(addresses)]
    if notification.loud:
        told += [(By.TEXT, user, "") for user in recipients.texted_administrators(alert.organisation)]
    for by, user, to in told:
        target = settings.WATCHWORD_KEY_RING.mac(SEAL, f"{by}:{user.pk if user else to}".encode()).hex()[:24]
        Notice.objects.get_or_create(
            merge_key=f"alert{alert.pk}:{target}",
            defaults={
                "user": user,
                "alert": alert,
                "rule": rule,
                "event_id": event.pk,
                "by": by,
                "to": settings.WATCHWORD_KEY_RING.seal(SEAL, to.encode()),
                "created_at": now,
                "next_try_at": now,
            },
        )


def _window(event: Event, notification: NotificationRule) -> str:
    seconds = int(notification.window.total_seconds())
    return str(int(event.at.timestamp()) // seconds) if seconds else f"event{event.pk}"


def _addresses(event: Event, rule: AlertRule, user: User) -> list[str]:
    addresses = [user.contact_mail or user.sign_in_name]
    earlier = earlier_contact(event.details) if rule is AlertRule.CONTACT_CHANGED else None
    if earlier is not None:
        # The former address is notified too: an attacker who changes it must not be the only recipient.
        addresses.append(earlier or user.sign_in_name)
    renamed = event.details.get("sign_in_name") if rule in {AlertRule.CONTACT_CHANGED, AlertRule.RENAMED} else None
    if isinstance(renamed, dict):
        # The former name is still an alias, unless an administrator removed it.
        addresses += [user.sign_in_name, str(renamed.get("before", ""))]
    return list(dict.fromkeys(address for address in addresses if "@" in address))


def _credential(event: Event) -> UUID | None:
    text = event.details.get("credential")
    return UUID(text) if isinstance(text, str) else None
