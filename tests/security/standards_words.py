"""The descriptions in docs/security/standards.md that can't be read from the code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from watchword.admincenter import drafts
from watchword.alerts import links
from watchword.applications import expired_rows
from watchword.audit import heartbeats, repeats
from watchword.messaging.worker import delivery_receipts, outbox
from watchword.signin import housekeeping


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its class, a description of its contents, and how long a row stays."""

    level: str
    holds: str
    lifetime: timedelta | str
    after: str = ""


FOR_EVER = "as long as the database"
WITH_PERSON = "as long as the person's row, which a deletion keeps so that events stay readable"
WITH_ORGANISATION = "as long as the organisation"

CLASSES = {
    "A": (
        "what proves who somebody is: passwords, app passwords, codes, tokens, telephones that get codes",
        "in no log, event or error; under Argon2id or a hash, or sealed; read by `factors` and `signin` alone",
    ),
    "B": (
        "what tells of a person: names, contact and network addresses, browsers, places, times of sign-ins",
        "contact addresses and telephones are sealed; shown to the person and to administrators who may see people",
    ),
    "C": (
        "what tells of an organisation: settings, domains, roles, counts and costs",
        "read by its own administrators; changes are events with what was before",
    ),
    "D": ("what the installation needs to work", "no secret and no person in it"),
}

TABLES = {
    "admincenter.Draft": Table("B", "forms that wait while an administrator proves again; sealed", drafts.LIFETIME),
    "alerts.Alert": Table("B", "what administrators have to look at, and who closed it", FOR_EVER),
    "alerts.NotMeLink": Table(
        "A", "links *This wasn't me*, by event; the code is a keyed hash", links.LIFETIME, ", void before"
    ),
    "alerts.Notice": Table("B", "warnings and their address (sealed)", FOR_EVER),
    "alerts.Place": Table("B", "networks and countries where somebody was seen", WITH_PERSON),
    "alerts.WarningChoice": Table("B", "which warnings somebody wants by text", WITH_PERSON),
    "applications.AuthorizationCode": Table(
        "A", "codes of apps: the hash, the sign-in, scopes", expired_rows.STORED, " after its minute"
    ),
    "applications.AuthorizationRequest": Table(
        "A", "what an app asked for, while the person signs in", expired_rows.STORED, " after its hour"
    ),
    "applications.Client": Table("C", "an app's redirect addresses, scopes and public keys", "until it is removed"),
    "applications.ClientSecret": Table("A", "secrets of apps: the hash", "until the app is removed"),
    "applications.Consent": Table("B", "what somebody allowed an app", "until it is withdrawn"),
    "applications.DeviceAuthorization": Table(
        "A", "devices that wait: hashes of their codes, address", expired_rows.STORED, " after its 15 minutes"
    ),
    "applications.HostCookie": Table(
        "A", "browsers at protected hosts: the hash of the cookie", expired_rows.STORED, " after its time"
    ),
    "applications.HostTicket": Table(
        "A", "sign-ins on their way to a protected host: hashes", expired_rows.STORED, " after its minute"
    ),
    "applications.ProtectedHost": Table("C", "hosts behind a proxy that asks, and their rules", "until it is removed"),
    "applications.SigningKey": Table("A", "keys that sign ID tokens; the private half is sealed", FOR_EVER),
    "applications.Token": Table(
        "A", "tokens of apps: the hash, the sign-in, scopes", expired_rows.STORED, " after its time"
    ),
    "applications.UsedJti": Table("D", "proofs of clients that were shown: the hash", "minutes"),
    "audit.Event": Table("B", "the log: see below; earlier contact addresses in it are sealed", FOR_EVER),
    "audit.MaintenanceRun": Table("D", "when the last backup, drill and restore succeeded", FOR_EVER),
    "audit.Heartbeat": Table("D", "which process runs on which machine, and how right its clock is", heartbeats.STORED),
    "audit.Release": Table("D", "which release made the database", FOR_EVER),
    "audit.Repeat": Table("B", "how often a refusal was repeated in an hour: name and source", repeats.STORED),
    "audit.Seal": Table("D", "the chain of seals over the log", FOR_EVER),
    "audit.SealingKey": Table(
        "D", "the ids of the keys that sealed this database, with a probe", "until the key is retired"
    ),
    "audit.OutboxEvent": Table("D", "events that were not looked at for warnings yet", "until looked at"),
    "messaging.GatewayState": Table("D", "how each channel to phones does", "one row for each"),
    "messaging.CountryBlock": Table("C", "countries that the alarm closed", FOR_EVER),
    "messaging.Delivery": Table(
        "B", "each text and call: keyed hash of the number, its last two digits, country", FOR_EVER
    ),
    "messaging.DeliveryAttempt": Table("C", "which gateway took a message, at what price", "with its delivery"),
    "messaging.Receipt": Table(
        "B", "what providers reported of messages that are not known yet", delivery_receipts.STORED
    ),
    "messaging.DeniedMessage": Table("B", "messages that a rule stopped, 30 an hour for each person", FOR_EVER),
    "messaging.SharedNumber": Table(
        "B", "telephones that many people may use; sealed", "until it is taken off the list"
    ),
    "messaging.DailyTotal": Table("C", "a day's counts and costs by country", FOR_EVER),
    "messaging.OutboxMessage": Table(
        "A", "messages with their code that wait for a provider; sealed", outbox.LIFETIME, " at most"
    ),
    "directory.App": Table("C", "apps: who may use them, and what they ask for", "until it is removed"),
    "directory.Group": Table("C", "groups: name and description", "until it is deleted"),
    "directory.GroupMember": Table("B", "who is in which group", "until it is taken out"),
    "directory.Domain": Table("C", "mail domains", WITH_ORGANISATION),
    "directory.MfaStateChange": Table("B", "each change of a state, by whom and why", WITH_PERSON),
    "directory.Organisation": Table("C", "what it allows; who gets alerts (sealed)", FOR_EVER),
    "directory.RoleAssignment": Table("C", "who has which role", "until it is taken"),
    "directory.SendAs": Table("B", "who may write as whom, until when", "until it is taken"),
    "directory.SignInName": Table("B", "sign-in names and aliases", WITH_PERSON),
    "directory.User": Table("B", "people; contact mail and directory's telephone are sealed", FOR_EVER),
    "factors.Credential": Table(
        "A", "passwords (Argon2id), app passwords and passes (keyed hash), telephones (sealed)", WITH_PERSON
    ),
    "signin.AppSignIn": Table(
        "B", "sign-ins in apps: evidence, address and browser", "void after 90 days without use; the row stays"
    ),
    "signin.CodeChallenge": Table(
        "A", "codes on their way: a keyed hash, sealed", housekeeping.STORED, " after the sign-in's time"
    ),
    "signin.FailureCount": Table(
        "B",
        "wrong passwords and codes, by name and source",
        housekeeping.STORED,
        " after the last; a lock until unlocked",
    ),
    "signin.Invitation": Table(
        "A", "links by which a password is chosen: the hash of the code", "void after 7 days at most"
    ),
    "signin.KnownBrowser": Table(
        "A", "browsers in which somebody came in: the hash of the token", housekeeping.KNOWN_FOR, " after last seen"
    ),
    "signin.Revocation": Table("D", "whose mail connections have to be closed", FOR_EVER),
    "signin.Session": Table(
        "A",
        "sessions: the hash of the token, evidence, address and browser",
        "void after a day; the row stays with the person's",
    ),
    "signin.SignInAttempt": Table(
        "A",
        "sign-ins on their way: the hash of the token",
        housekeeping.STORED,
        " after its time; without a right password an hour",
    ),
    "simulator.Arrival": Table("A", "the demo's own telephone: messages with their codes, in clear", "demo only"),
}

PURPOSES = {
    "admincenter.draft": ("seals", "forms that wait while an administrator proves again"),
    "alerts.not_me_link": ("keyed hash", "the token of *This wasn't me* links"),
    "alerts.notice": ("seals, keyed hash", "addresses of warnings; whether the same was told already"),
    "cli.backup_manifest": ("keyed hash", "the manifest of a backup, so that a changed archive is refused"),
    "signin.access_list": ("keyed hash", "the access list, so that a restore believes no other"),
    "applications.signing_key": ("seals", "the private keys that sign ID tokens"),
    "applications.user_code": ("keyed hash", "codes that devices show"),
    "audit.seal": ("keyed hash", "the chain over the log of events"),
    "audit.sealing_key": ("seals", "a probe, so that a wrong key ring is noticed at the start"),
    "messaging.number": ("keyed hash", "counts and finds deliveries by number, which is kept nowhere"),
    "messaging.organisation": ("keyed hash", "names a lock in PostgreSQL"),
    "messaging.range": ("keyed hash", "counts deliveries to neighbours of a number"),
    "messaging.shared_number": ("seals", "telephones that many people may use"),
    "delivery.waiting": ("seals", "messages that wait for a provider"),
    "directory.alert_recipients": ("seals", "who gets alerts by mail"),
    "directory.contact": ("seals", "earlier contact addresses in events"),
    "directory.contact_mail": ("seals", "contact addresses"),
    "directory.phone": ("seals", "telephones that an administrator has filled in"),
    "django-secret-key": ("keyed hash", "Django's SECRET_KEY: tokens against forged forms"),
    "doors.mail.dovecot": ("keyed hash", "the secret by which Dovecot seals passwords on their way to the mail door"),
    "factors.access_pass": ("keyed hash", "Temporary Access Passes and personal links"),
    "factors.app_password": ("keyed hash", "app passwords, looked up by it"),
    "factors.phone": ("seals", "registered telephones"),
    "factors.phone.code": ("keyed hash", "codes on their way, with a salt each"),
    "phones.secret": ("seals", "secrets in the phones file"),
    "receipts.address": ("keyed hash", "addresses to which gateways report one message"),
    "receipts.channel": ("keyed hash", "the address to which a provider reports all messages"),
    "signin.challenge": ("seals", "what the factor keeps of a code on its way"),
    "signin.wrong_password": ("keyed hash", "whether the same wrong password came again; gone with the password"),
}
