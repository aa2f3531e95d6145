"""The examples in docs/operating/phones-http.md are valid phones files, and its lists are complete."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from tests.phones.http_benches import RING
from watchword.config.phones_file import kinds, open_secret, seal
from watchword.messaging.config_file import read_phones
from watchword.messaging.gateways.http import presets
from watchword.messaging.gateways.http.config import FIELDS, HttpConfig, ReceiptConfig, Scheme
from watchword.messaging.gateways.sim_swap import SimSwapConfig

PAGE = (Path(__file__).parents[2] / "docs/operating/phones-http.md").read_text()


def test_every_example_together_is_a_phones_file() -> None:
    lines = [line[4:] for line in PAGE.splitlines() if line.startswith("    ")]
    text = "\n".join(lines).replace("sealed:…", seal("secret", RING))
    read = read_phones(text, kinds(), lambda value: open_secret(value, RING), SimSwapConfig)
    assert read.problems == ()
    assert [planned.kind for planned in read.gateways] == ["twilio-messages", "kannel", "http"]
    assert read.sim_check is not None


def test_every_preset_field_and_scheme_is_listed() -> None:
    missing = [name for name in presets.names() if f"| `{name}` |" not in PAGE]
    missing += [f"{{{name}}}" for name in FIELDS if f"`{{{name}}}`" not in PAGE]
    missing += [
        one.name for one in dataclasses.fields(HttpConfig) if not re.search(rf"`{one.name}`|{one.name}\]", PAGE)
    ]
    missing += [one.name for one in dataclasses.fields(ReceiptConfig) if f"`{one.name}`" not in PAGE]
    missing += [scheme for scheme in Scheme if f"| `{scheme}` |" not in PAGE]
    assert missing == []
