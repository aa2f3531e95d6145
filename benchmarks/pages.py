"""Every page of portal and admin center at 100,000 people: questions to the database and milliseconds of CPU."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks import people

PEOPLE = 100_000
TIMES = 15


def measure() -> list[dict[str, Any]]:
    """Return a row for each page, the first one for a view that does nothing."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, setup_test_environment
    from django.urls import path, reverse
    from django.utils import timezone

    from watchword.audit.record import Origin
    from watchword.config import urls
    from watchword.core.assurance import Evidence
    from watchword.core.policy import Channel, FactorKind
    from watchword.directory.models import RoleAssignment, User
    from watchword.directory.roles import Role
    from watchword.signin import cookies, sample_credentials, sessions

    setup_test_environment()
    now = timezone.now()
    people.make(PEOPLE, 1, now)
    root = User.objects.get(sign_in_name="p0@bench.example")
    RoleAssignment.objects.create(user=root, role=Role.GLOBAL_ADMINISTRATOR)
    sample_credentials.add_phone(root, "+4915112345678", Channel.SMS, now=now)
    client = Client()
    proof = tuple(Evidence(kind, now) for kind in (FactorKind.PASSWORD, FactorKind.PHONE))
    opened = sessions.open_session(root, proof, origin=Origin(), now=now)
    client.cookies[cookies._name(cookies._SESSION)] = opened.token

    from django.contrib.auth.decorators import login_not_required
    from django.http import HttpResponse

    urls.urlpatterns.insert(0, path("nothing/", login_not_required(lambda _request: HttpResponse())))
    one = User.objects.get(sign_in_name="p777@bench.example").pk
    addresses = {"(a view that does nothing)": "/nothing/"}
    plain = ("portal:home", "portal:security", "portal:app_passwords", "portal:activity", "portal:warnings")
    admin = (
        "users",
        "create",
        "import",
        "multi_factor",
        "service_settings",
        "sign_ins",
        "sign_ins_csv",
        "alerts",
        "roles",
    )
    addresses |= {name: reverse(name) for name in plain}
    addresses |= {f"admincenter:{name}": reverse(f"admincenter:{name}") for name in admin}
    addresses |= {
        "portal:settings_search": "/settings/?q=app+password",
        "admincenter:users, search": "/admin/users/?q=person+777",
        "admincenter:users, panel": f"/admin/users/?person={one}",
        "admincenter:multi_factor, filter": "/admin/multi-factor/?state=enforced",
        "admincenter:sign_ins, person": "/admin/sign-ins/?person=p777",
        "admincenter:edit": reverse("admincenter:edit", args=[one]),
        "admincenter:act": reverse("admincenter:act", args=[one, "block"]),
    }
    rows = []
    for name, address in addresses.items():
        assert client.get(address).status_code == 200, (name, client.get(address).status_code)
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        number = len(asked)
        spent = []
        for _ in range(TIMES):
            began = time.process_time()
            client.get(address)
            spent.append((time.process_time() - began) * 1000)
        rows.append({"name": name, "queries": number, "cpu_ms": statistics.median(spent)})
        print(f"{name:<36} {number:>3} questions {rows[-1]['cpu_ms']:>7.1f} ms of CPU")
    return rows


def sign_ins() -> dict[str, float]:
    """Return the CPU seconds of a whole sign-in in a browser and those of its one Argon2id hash."""
    from django.test import Client
    from django.utils import timezone

    from watchword.core.policy import Channel
    from watchword.directory.models import User
    from watchword.factors.password import factor as password_factor
    from watchword.messaging.models import Delivery, OutboxMessage
    from watchword.messaging.worker import outbox
    from watchword.signin import sample_credentials
    from watchword.signin.actions import reset_password
    from watchword.signin.models import FailureCount

    now = timezone.now()
    bare, whole = [], []
    users = list(User.objects.order_by("created_at", "pk")[10:34])
    for number, user in enumerate(users):
        sample_credentials.add_phone(user, f"+49151123{number:05d}", Channel.SMS, now=now)
        secret = reset_password(user, by=None, now=now).secret
        hasher = password_factor._hasher()
        stored = hasher.hash(secret)
        began = time.process_time()
        hasher.verify(stored, secret)
        bare.append(time.process_time() - began)
        client = Client()
        began = time.process_time()
        client.get("/sign-in/")
        client.post("/sign-in/", {"name": user.sign_in_name})
        client.get("/sign-in/password/")
        client.post("/sign-in/password/", {"answer": secret})
        client.get("/sign-in/prove/")
        spent = time.process_time() - began
        # Another process sends it.
        code = outbox._outgoing(OutboxMessage.objects.get()).code
        began = time.process_time() - spent
        arrived = client.post("/sign-in/prove/", {"answer": code})
        whole.append(time.process_time() - began)
        assert arrived.status_code == 302, arrived.content[:200]
        Delivery.objects.all().delete()
        FailureCount.objects.all().delete()
    hash_ms, sign_in_ms = statistics.median(bare) * 1000, statistics.median(whole) * 1000
    print(
        f"one Argon2id hash {hash_ms:.1f} ms, a whole sign-in of six pages {sign_in_ms:.1f} ms: {hash_ms / sign_in_ms:.2f} of the limit"
    )
    return {"hash_ms": hash_ms, "sign_in_ms": sign_in_ms, "ratio": hash_ms / sign_in_ms}
