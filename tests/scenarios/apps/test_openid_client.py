"""npm `openid-client`, a relying party certified by the OpenID Foundation, in all flows that Watchword has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.doors.oidc.relying_party import RelyingParty, make_party
from tests.scenarios.apps.conftest import Provider
from tests.world import World
from watchword.applications.models import ClientKind

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("npm") is None, reason="needs node and npm"),
]

HERE = Path(__file__).parent
REDIRECT = "http://127.0.0.1:9/callback"
WEB_REDIRECT = "https://app.example/callback"
"""Where nothing is asked: the script stops at these addresses."""


@pytest.fixture(scope="session")
def modules() -> Path:
    """Return the folder with the installed packages: made once, renamed when complete, and kept between runs."""
    wanted = (HERE / "package.json").read_text()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "watchword-tests"
    version = json.loads(wanted)["dependencies"]["openid-client"]
    folder = cache / f"node-openid-client-{version}"
    if not folder.is_dir():
        new = cache / f"{folder.name}.{os.getpid()}"
        new.mkdir(parents=True)
        (new / "package.json").write_text(wanted)
        words = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(words, cwd=new, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            shutil.rmtree(new)
            pytest.skip(f"npm could not install openid-client: {done.stderr[-300:]}")
        try:
            new.rename(folder)
        except OSError:
            # Another worker was quicker.
            shutil.rmtree(new)
    return folder


def described(party: RelyingParty, name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "id": party.client.client_id,
        "secret": party.secret or None,
        "algorithm": party.client.signing_algorithm,
        **more,
    }


def test_openid_client_signs_in_and_is_refused_rightly(
    provider: Provider, world: World, alices_cookie: str, modules: Path
) -> None:
    """Every flow of a certified client works, and what must be refused is refused by the right error."""
    key = ECKey.generate_key("P-256", {"kid": "1"}, private=True)
    shared: dict[str, Any] = {"redirect_uris": [REDIRECT], "post_logout_redirect_uris": [REDIRECT], "introspects": True}
    basic = make_party(world, "Wiki", **shared)
    posted = make_party(world, "Chat", signing_algorithm="PS256", **shared)
    public = make_party(world, "Browser app", kind=ClientKind.PUBLIC, redirect_uris=[WEB_REDIRECT])
    strict = make_party(
        world,
        "Bank",
        kind=ClientKind.STRICT,
        redirect_uris=[REDIRECT],
        jwks={"keys": [key.as_dict(private=False)]},
        signing_algorithm="ES256",
    )
    device = make_party(world, "TV", redirect_uris=[], allows_device_flow=True)
    task = {
        "modules": str(modules),
        "issuer": basic.issuer,
        "redirects": [REDIRECT, WEB_REDIRECT],
        "cookie": alices_cookie,
        "confidential": described(basic, "basic"),
        "posted": described(posted, "post", method="post"),
        "public": described(public, "public", redirect=WEB_REDIRECT),
        "strict": described(strict, "strict", jwk={**key.as_dict(private=True), "kid": "1"}),
        "device": described(device, "device"),
    }
    words = ["node", str(HERE / "openid_client.mjs")]
    done = subprocess.run(words, input=json.dumps(task), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout + provider.log_of("web1")
    told: dict[str, Any] = dict(json.loads(line) for line in done.stdout.splitlines())
    alice = str(world.alice.pk)
    for name in ("basic", "post", "public"):
        claims = told[f"{name} claims"]
        assert (claims["sub"], claims["acr"]) == (alice, "urn:watchword:acr:two")
        assert told[f"{name} userinfo"]["email"] == "alice@harbour.example"
        assert told[f"{name} silent"] == claims["auth_time"]
        assert told[f"{name} rotated"] is True
        assert told[f"{name} used refresh token"] == "invalid_grant"
        assert told[f"{name} wrong redirect"] == 400
        assert told[f"{name} denied"] == "invalid_request"
    for name in ("basic", "post"):
        assert told[f"{name} introspection"]["active"] is True
        assert told[f"{name} revoked"] == {"active": False}
        assert told[f"{name} pushed"] == alice
    assert told["strict type"] == "dpop"
    assert told["strict userinfo"]["sub"] == alice
    assert told["strict without proof"] not in {"taken", ""}
    assert told["strict other key"] == "invalid_grant"
    assert told["strict refreshed"] == "dpop"
    assert told["strict not pushed"] == "invalid_request"
    assert (told["device allowed"], told["device claims"]) == (200, alice)
    assert told["signed out"] == f"{REDIRECT}?state=bye"
    assert told["afterwards"] == "login_required"
