"""The operator's guide to phones: Watchword accepts every file in it, and it quotes Watchword's real output."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.environment import KEYS
from watchword.cli.phones import phones
from watchword.config.phones_file import phones_of
from watchword.core.keyring import KeyRing
from watchword.messaging.voice import tts

DOCUMENTS = Path(__file__).parents[2] / "docs" / "operating"
PAGES = ("phones.md", "phones-http.md")
BLOCKS = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page in PAGES
    if (DOCUMENTS / page).exists()
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", (DOCUMENTS / page).read_text(), re.DOTALL))
]


def with_secrets(block: str, folder: Path) -> str:
    """Create a file for each secret that a block names, and return the block with the paths of these files."""

    def made(match: re.Match[str]) -> str:
        path = folder / Path(match[1]).name
        path.touch(mode=0o600)
        path.write_text("secret")
        return f'"file:{path}"'

    return re.sub(r'"file:(/[^"]+)"', made, block)


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_file_in_the_guide_is_taken(page: str, block: str, tmp_path: Path) -> None:
    text = with_secrets(block, tmp_path)
    if "gateway" not in tomllib.loads(text):
        text += '\n[[gateway]]\nname = "x"\nkind = "smpp"\nhost = "h"\nsystem_id = "s"\npassword = "file:/nowhere"\n'
        text = with_secrets(text, tmp_path)
    (tmp_path / "phones.toml").write_text(text)
    read = phones_of(str(tmp_path / "phones.toml"), KeyRing.parse(KEYS, random_source=os.urandom))
    assert read.problems == ()
    assert read.gateways


def test_the_check_says_what_the_guide_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "is_available", lambda: True)
    guide = (DOCUMENTS / "phones.md").read_text()
    promised = re.findall(r"`watchword phones check` prints `([^`]+)`", guide)
    assert len(promised) == 2
    gateways = "".join(block for block in re.findall(r"```toml\n(.*?)```", guide, re.DOTALL) if "[[gateway]]" in block)
    path = tmp_path / "phones.toml"
    path.write_text(with_secrets(gateways, tmp_path))
    assert phones(["check", "--file", str(path)], {"WATCHWORD_KEYS": KEYS}) == 0
    printed = capsys.readouterr().out
    assert all(line in printed.splitlines() for line in promised)


def test_without_a_voice_the_check_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tts, "is_available", lambda: False)
    path = tmp_path / "phones.toml"
    path.write_text('[[gateway]]\nname = "exchange"\nkind = "sip"\nhost = "pbx.example"\n')
    assert phones(["check", "--file", str(path)], {"WATCHWORD_KEYS": KEYS}) == 0
    assert "espeak-ng is not installed" in capsys.readouterr().out
