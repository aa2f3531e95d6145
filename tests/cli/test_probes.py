"""The probes of the web server: what makes a node unready, and what never does."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from tests.world import World
from watchword.audit.models import Release, SealingKey
from watchword.cli import probes, readiness
from watchword.messaging.models import GatewayState


@pytest.fixture
def probing() -> Client:
    """Return a client whose server has asked nothing yet."""
    return Client()


def test_a_ready_process_says_so_to_whatever_host_name_is_asked_for(world: World, probing: Client) -> None:
    for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
        response = probing.get(path, HTTP_HOST="10.0.0.9:8000")
        assert (response.status_code, json.loads(response.content)) == (200, {"status": status})
        assert response["Cache-Control"] == "no-store"
        assert response.cookies == {}


def test_a_probe_takes_no_form(probing: Client) -> None:
    assert probing.post("/health/ready").status_code == 405


@pytest.mark.breaks_invariants
def test_a_key_that_is_not_on_the_ring_makes_a_process_unready(world: World, probing: Client) -> None:
    SealingKey.objects.create(key_id="gone", probe=b"x", first_used_at=timezone.now())
    response = probing.get("/health/ready")
    assert (response.status_code, json.loads(response.content)) == (503, {"status": "unready", "failed": ["keys"]})
    assert probing.get("/health/live").status_code == 200


def test_a_migration_that_is_not_applied_makes_a_process_unready(world: World, probing: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app="audit", name="0003_heartbeat").delete()
    assert json.loads(probing.get("/health/ready").content)["failed"] == ["migrations"]


def test_a_database_of_a_release_that_shuts_this_one_out_makes_a_process_unready(world: World, probing: Client) -> None:
    Release.objects.create(pk=1, migrated_by="99.0", lowest="98.0", at=timezone.now())
    assert json.loads(probing.get("/health/ready").content)["failed"] == ["migrations"]


def test_a_database_that_does_not_answer_makes_a_process_unready_and_is_logged_once(
    world: World, probing: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str | None:
        raise OperationalError

    monkeypatch.setattr(readiness, "why_no_connection", fail)
    now = [0.0]
    asked = probes.Readiness(clock=lambda: now[0])
    assert asked.failed() == ("database",)
    now[0] += 2
    assert asked.failed() == ("database",)
    assert [record.levelname for record in caplog.records if record.getMessage().startswith("not ready")] == ["ERROR"]
    monkeypatch.undo()
    now[0] += 2
    assert asked.failed() == ()


def test_the_database_is_asked_once_a_second_however_many_ask(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(readiness, "why_no_connection", lambda: asked.append(1))
    now = [0.0]
    ready = probes.Readiness(clock=lambda: now[0])
    for _ in range(100):
        ready.failed()
    assert len(asked) == 1
    now[0] += probes.DATABASE_SECONDS
    ready.failed()
    assert len(asked) == 2


def test_neither_a_dead_gateway_nor_a_missing_worker_takes_a_node_out(world: World, probing: Client) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    GatewayState.objects.create(name="pbx", is_up=False, changed_at=long_ago, seen_at=long_ago)
    assert probing.get("/health/ready").status_code == 200
