"""The `watchword` command, called as from a shell."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from watchword.cli.main import main
from watchword.cli.serve import why_not_listen
from watchword.config.logs import path_for_log


def watchword(*words: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WATCHWORD_", "DJANGO_"))}
    environment |= {"WATCHWORD_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), **variables}
    program = [sys.executable, "-m", "watchword.cli.main", *words]
    return subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def _umask() -> object:
    """Restore the umask, which the command narrows for its process, here the process of the tests."""
    before = os.umask(0o077)
    yield
    os.umask(before)


pytestmark = pytest.mark.usefixtures("_umask")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for word in ("demo", "serve", "migrate", "createadmin", "keys", "check", "mail-config", "import-people"):
        assert f"  {word} " in said


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: watchword COMMAND" in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    from watchword import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"watchword {__version__}\n"


def test_an_unknown_command_is_told_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrat"]) == 2
    said = capsys.readouterr().err
    assert "there is no command 'migrat'" in said
    assert "migrate" in said.splitlines()[1]


@pytest.mark.parametrize(
    "words", [["serve", "everything"], ["serve", "web", "--workers", "0"], ["keys"], ["keys", "eat"]]
)
def test_wrong_arguments_end_with_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert f"usage: watchword {words[0]}" in capsys.readouterr().err


def test_a_mistaken_environment_is_told_in_plain_words_whatever_the_command(tmp_path: Path) -> None:
    for words in (["check"], ["migrate"], ["serve", "web"], ["nonsense"]):
        done = watchword(*words, home=tmp_path, WATCHWORD_TIME_ZONE="Nowhere", WATCHWORD_DATABASE_URL="hunter2")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "hunter2" not in done.stderr
        for variable in ("TIME_ZONE", "DATABASE_URL", "KEYS_FILE", "PUBLIC_URL"):
            assert f"  - WATCHWORD_{variable} " in done.stderr


def test_a_fresh_folder_becomes_a_checked_installation(tmp_path: Path) -> None:
    home = tmp_path / "state"
    public = {"WATCHWORD_PUBLIC_URL": "https://watchword.example.org", "WATCHWORD_TRUSTED_PROXIES": "127.0.0.1"}
    assert watchword("keys", "create", home=home).returncode == 0
    assert home.stat().st_mode & 0o777 == 0o700
    done = watchword("serve", "web", home=home, **public)
    assert (done.returncode, "a new one is made by `watchword migrate`" in done.stderr) == (1, True)
    done = watchword("migrate", home=home, **public)
    assert done.returncode == 0, done.stderr
    assert (home / "watchword.sqlite3").stat().st_mode & 0o777 == 0o600
    done = watchword("check", home=home, **public)
    assert done.returncode == 0, done.stderr


def test_a_busy_port_is_named_with_the_way_out() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(1)
        port = busy.getsockname()[1]
        said = why_not_listen("127.0.0.1", port)
    assert said is not None
    assert f"port {port} on 127.0.0.1 is in use" in said
    assert "--listen" in said
    assert "WATCHWORD_LISTEN" in said


def test_a_free_port_is_fine() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert why_not_listen("127.0.0.1", port) is None


def test_a_host_that_is_not_this_machine_is_told() -> None:
    assert "can't listen on 192.0.2.1:8000" in (why_not_listen("192.0.2.1", 8000) or "")


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/sign-in/", "/sign-in/"),
        ("/admin/people/42/history/", "/admin/people/42/history/"),
        ("/invitation/Zk3vN0aQ-8s_Jx72LmPqRt5w/", "/invitation/.../"),
    ],
)
def test_the_access_log_leaves_out_the_secret_part_of_a_link(path: str, logged: str) -> None:
    assert path_for_log(path) == logged
