"""`watchword phones check` and `seal`, called as from a shell."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import watchword
from tests.environment import KEYS
from watchword.cli.phones import phones

SECRET = "hunter2!"


def seal(home: Path, secret: str = SECRET) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
    environment |= {"WATCHWORD_HOME": str(home), "WATCHWORD_KEYS": KEYS, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "watchword.cli.main", "phones", "seal"],
        env=environment, input=secret + "\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def file_with(folder: Path, password: str, more: str = "") -> Path:
    path = folder / "phones.toml"
    path.write_text(
        '[[gateway]]\nname = "one"\nkind = "smpp"\nhost = "smsc.example"\nsystem_id = "me"\n'
        f'prefixes = ["+49"]\neach_day = 9\npassword = "{password}"\n{more}'
    )
    return path


def test_what_is_sealed_can_be_checked_and_is_never_shown(tmp_path: Path) -> None:
    sealed = seal(tmp_path)
    assert sealed.startswith("sealed:")
    assert SECRET not in sealed
    assert sealed != seal(tmp_path), "the same secret sealed twice looks different"
    path = file_with(tmp_path, sealed)
    done = watchword("phones", "check", "--file", str(path), home=tmp_path, WATCHWORD_KEYS=KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "one: texts by smpp to +49, weight 1, at most 9 a day\n"
    by_variable = watchword("phones", "check", home=tmp_path, WATCHWORD_KEYS=KEYS, WATCHWORD_PHONES_FILE=str(path))
    assert by_variable.stdout == done.stdout


def test_every_mistake_is_told_and_no_secret_with_it(tmp_path: Path) -> None:
    path = file_with(tmp_path, SECRET, "weight = 0\ncolour = 1\n")
    done = watchword("phones", "check", "--file", str(path), home=tmp_path, WATCHWORD_KEYS=KEYS)
    assert (done.returncode, done.stdout) == (1, "")
    for said in ("password is a secret in clear", "weight is 0", "'colour' means nothing here"):
        assert said in done.stderr
    assert SECRET not in done.stderr


def run(*words: str, **variables: str) -> int:
    return phones(words, {"WATCHWORD_KEYS": KEYS, **variables})


def test_a_secret_sealed_with_other_keys_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_with(tmp_path, seal(tmp_path))
    assert run("check", "--file", str(path), WATCHWORD_KEYS=KEYS.replace("AAEC", "BBEC")) == 1
    assert "was not sealed with this key ring" in capsys.readouterr().err


def test_a_secret_in_a_file_of_its_own_is_read_when_no_other_user_can_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "secret"
    own.write_text(SECRET + "\n")
    own.chmod(0o400)
    path = file_with(tmp_path, f"file:{own}")
    assert run("check", "--file", str(path)) == 0
    own.chmod(0o644)
    assert run("check", "--file", str(path)) == 1
    said = capsys.readouterr().err
    assert "which others may read or change" in said
    assert SECRET not in said
    assert run("check", "--file", str(file_with(tmp_path, "file:/no/such/file"))) == 1
    assert "password names /no/such/file, which doesn't exist" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["sealed:", "sealed:!!!", "sealed:AAAA", "sealed:ü", "file:", "file:" + "x" * 5000])
def test_what_is_no_secret_is_told(tmp_path: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--file", str(file_with(tmp_path, value))) == 1
    assert "password" in capsys.readouterr().err


def test_nothing_to_check_or_seal_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("check") == 1
    assert "name the file with --file, or set WATCHWORD_PHONES_FILE" in capsys.readouterr().err
    assert run("check", "--file", str(tmp_path / "missing.toml")) == 1
    assert "can't be read: FileNotFoundError" in capsys.readouterr().err
    (tmp_path / "latin1.toml").write_bytes(b'currency = "\xe4"')
    assert run("check", "--file", str(tmp_path / "latin1.toml")) == 1
    assert "can't be read: UnicodeDecodeError" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert run("seal") == 1
    assert "there was nothing to seal" in capsys.readouterr().err
    assert run("check", WATCHWORD_KEYS="nonsense") == 1
    assert "watchword phones:" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        run("ring")
    assert ended.value.code == 2


def test_what_works_but_not_everywhere_is_noted_and_is_no_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "smsc-password"
    secret.touch(mode=0o600)
    secret.write_text("twelve-chars")
    path = file_with(tmp_path, f"file:{secret}", 'ids = "hex-to-decimal"\nvalidity = "none"\n')
    assert phones(["check", "--file", str(path)], {"WATCHWORD_KEYS": KEYS}) == 0
    notes = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert notes == ["password", "ids", "validity"]


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ("local_port = 5070", "local_port = 5070", True),
        ('local_port = 5070\nlocal_host = "127.0.0.1"', "local_port = 5070", True),
        ('local_port = 5070\nlocal_host = "127.0.0.1"', 'local_port = 5070\nlocal_host = "127.0.0.2"', False),
        ("local_port = 5070", "local_port = 5071", False),
        ("", "", False),
    ],
)
def test_two_channels_with_one_port_of_their_own_are_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one: str, other: str, is_refused: bool
) -> None:
    """Ports for audio may be the same: each call takes a free one."""
    path = tmp_path / "phones.toml"
    path.write_text(
        "".join(
            f'[[gateway]]\nname = "{name}"\nkind = "sip"\nhost = "pbx.example"\n{more}\n'
            for name, more in (("a", one), ("b", other))
        )
    )
    assert phones(["check", "--file", str(path)], {"WATCHWORD_KEYS": KEYS}) == is_refused
    said = "gateway 'b': local_port is 5070, which gateway 'a' has"
    assert (said in capsys.readouterr().err) is is_refused
