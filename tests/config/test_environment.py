"""Valid and invalid settings from the operator's environment."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.environment import KEYS
from watchword.config import setting_definitions as definitions
from watchword.config.environment import (
    Environment,
    Problem,
    SecretFileError,
    SecretFileMissing,
    read_environment,
    read_secret_file,
    read_setting,
)
from watchword.config.parsers import InvalidSetting

GOOD = {
    "WATCHWORD_HOME": "/srv/watchword",
    "WATCHWORD_KEYS": KEYS,
    "WATCHWORD_PUBLIC_URL": "https://watchword.example.org",
}


def no_files(path: Path) -> str:
    raise SecretFileMissing(f"names {path}, which doesn't exist")


def good(**changes: str) -> Environment:
    environment = read_environment({**GOOD, **changes}, read_secret=no_files)
    assert isinstance(environment, Environment), environment
    return environment


def problems(**changes: str) -> list[Problem]:
    found = read_environment({**GOOD, **changes}, read_secret=no_files)
    assert isinstance(found, list), found
    return found


def only_problem(**changes: str) -> str:
    (problem,) = problems(**changes)
    return str(problem)


def test_three_variables_are_enough() -> None:
    environment = good()
    assert environment.database["NAME"] == "/srv/watchword/watchword.sqlite3"
    assert environment.mail_socket_directory == Path("/srv/watchword/mail")
    assert environment.https
    assert environment.public_host == "watchword.example.org"
    assert (environment.demo, environment.debug) == (False, False)
    assert repr(environment.key_ring) == "KeyRing(testkey1)"


def test_the_demo_needs_no_variable_but_its_own() -> None:
    environment = read_environment({"WATCHWORD_DEMO": "yes", "HOME": "/home/alice"}, read_secret=no_files)
    assert isinstance(environment, Environment)
    assert environment.home == Path("/home/alice/.local/state/watchword-demo")
    assert environment.key_ring is None
    assert environment.public_url == "http://127.0.0.1:8000"


def test_every_mistake_is_reported_at_once() -> None:
    found = read_environment(
        {
            "HOME": "/home/alice",
            "WATCHWORD_TIME_ZONE": "Atlantis/Poseidonis",
            "WATCHWORD_DEBUG": "perhaps",
            "WATCHWORD_LOG_LEVEL": "loud",
            "WATCHWORD_LISTEN": "8000",
            "WATCHWORD_TRUSTED_PROXIES": "10.0.0.1, proxy",
            "WATCHWORD_HOME": "state",
            "WATCHWORD_DATABASE_URL": "mysql://db",
        },
        read_secret=no_files,
    )
    assert isinstance(found, list)
    assert {problem.variable.removeprefix("WATCHWORD_") for problem in found} == {
        "TIME_ZONE",
        "DEBUG",
        "LOG_LEVEL",
        "LISTEN",
        "TRUSTED_PROXIES",
        "HOME",
        "DATABASE_URL",
        "KEYS_FILE",
        "PUBLIC_URL",
    }
    for problem in found:
        assert problem.wrong
        assert problem.expected


def test_an_unknown_variable_is_reported_with_the_one_that_was_meant() -> None:
    assert only_problem(WATCHWORD_PUBLIC_URI="https://x.example") == (
        "WATCHWORD_PUBLIC_URI is not a variable that Watchword knows; expected: WATCHWORD_PUBLIC_URL"
    )


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://watchword.example.org", "begins with http://"),
        ("http://10.0.0.1:8000", "begins with http://"),
        ("http://localhost.example.org", "begins with http://"),
        ("watchword.example.org", "is not a web address"),
        ("ftp://watchword.example.org", "is not a web address"),
        ("https://", "is not a web address"),
        ("https://host:port", "is not a web address"),
        ("https://[::1", "is not a web address"),
        ("https://watchword.example.org/mail", "something after the host"),
        ("https://watchword.example.org?x=1", "something after the host"),
        ("https://root:hunter2@watchword.example.org", "user name or password"),
    ],
)
def test_a_public_address_that_would_not_be_safe_is_refused(url: str, wrong: str) -> None:
    said = only_problem(WATCHWORD_PUBLIC_URL=url)
    assert said.startswith("WATCHWORD_PUBLIC_URL ")
    assert wrong in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost", "http://mail.localhost:81", "http://[::1]:9"]
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert not good(WATCHWORD_PUBLIC_URL=f"{url}/").https


def test_the_default_domain_is_a_domain_in_its_one_spelling() -> None:
    assert good().default_domain == ""
    assert good(WATCHWORD_DEFAULT_DOMAIN="Bücher.Example").default_domain == "xn--bcher-kva.example"
    assert "is not a domain" in only_problem(WATCHWORD_DEFAULT_DOMAIN="alice@example.org")


def test_an_ipv6_host_keeps_its_brackets() -> None:
    assert good(WATCHWORD_PUBLIC_URL="http://[::1]:8000").public_host == "[::1]"


@pytest.mark.parametrize(
    "keys", ["hunter2", "v1:hunter2", "v1:id:hunter2!", "v1:id:aHVudGVyMg==", "v1:HUNTER2:aHVudGVyMg=="]
)
def test_a_broken_key_ring_is_refused_without_being_repeated(keys: str) -> None:
    said = only_problem(WATCHWORD_KEYS=keys)
    assert said.startswith("WATCHWORD_KEYS can't be used: line 1")
    assert keys not in said
    assert "hunter2" not in said.lower()
    assert "aHVudGVyMg" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://watch:hunter2@db/",
        "postgresql://watch:hunter2@db/w?sslmod=x",
        "postgresql://watch:hunter2@[db/w",
        "postgresql://watch:hunter2\udcff@db/w",
        "sqlite://watch:hunter2[@/people",
        "hunter2",
    ],
)
def test_a_broken_database_address_is_refused_without_its_password(url: str) -> None:
    said = only_problem(WATCHWORD_DATABASE_URL=url)
    assert "WATCHWORD_DATABASE_URL" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("password", ["hunter2/", "hunter2#", "hunter2?", "1/hunter2"])
def test_a_password_with_a_sign_that_was_not_encoded_is_no_part_of_a_message(password: str) -> None:
    for name, url in [
        ("DATABASE_URL", f"postgresql://watch:{password}@db/people"),
        ("SMTP_URL", f"smtp://watch:{password}@mail.example"),
    ]:
        found = read_environment({**GOOD, f"WATCHWORD_{name}": url, "WATCHWORD_SENDER": "w@example.org"})
        assert "hunter2" not in (repr(found) if isinstance(found, list) else "")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://host/file", "sqlite:///folder/", "sqlite:///a?b"])
def test_a_sqlite_address_names_one_absolute_file(url: str) -> None:
    assert "sqlite:///absolute/path" in only_problem(WATCHWORD_DATABASE_URL=url)


@pytest.mark.parametrize("url", ["sqlite:///srv/w%20w.db", "sqlite:////srv/w%20w.db"])
def test_three_slashes_and_four_mean_the_same_file(url: str) -> None:
    assert good(WATCHWORD_DATABASE_URL=url).database["NAME"] == "/srv/w w.db"


def options_of(url: str) -> Mapping[str, object]:
    options = good(WATCHWORD_DATABASE_URL=url).database["OPTIONS"]
    assert isinstance(options, Mapping)
    return options


NOTICING = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""By these a connection to a server that lost its power ends."""


def test_a_postgresql_address_is_taken_apart() -> None:
    url = "postgresql://watch:p%40ss@db.example:5433/people?sslmode=verify-full"
    database = good(WATCHWORD_DATABASE_URL=url).database
    assert database["ENGINE"] == "django.db.backends.postgresql"
    wanted = {"NAME": "people", "USER": "watch", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "5433"}
    assert wanted.items() <= database.items()
    assert database["OPTIONS"] == {**NOTICING, "sslmode": "verify-full"}


@pytest.mark.parametrize("host", ["db.example", "10.0.0.5", "db1.example,db2.example", "127.0.0.1,db.example"])
def test_postgresql_elsewhere_must_prove_who_it_is(host: str) -> None:
    options = options_of(f"postgresql://watch@{host}/people")
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"] == "system"


@pytest.mark.parametrize(
    "address", ["/people", "127.0.0.1/people", "localhost/people", "[::1]/people", "%2Frun/people"]
)
def test_postgresql_on_this_machine_needs_no_certificate(address: str) -> None:
    options = good(WATCHWORD_DATABASE_URL=f"postgresql://{address}").database["OPTIONS"]
    assert options == NOTICING


def test_what_an_operator_says_about_certificates_is_kept() -> None:
    url = "postgresql://db.example/people?sslmode=disable"
    assert good(WATCHWORD_DATABASE_URL=url).database["OPTIONS"] == {**NOTICING, "sslmode": "disable"}
    url = "postgresql://db.example/people?sslrootcert=/etc/ca.pem"
    options = good(WATCHWORD_DATABASE_URL=url).database["OPTIONS"]
    assert options == {**NOTICING, "sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}


def test_of_several_postgresql_servers_the_one_that_takes_writes_is_used() -> None:
    """A standby answers like the primary, and refuses every sign-in."""
    url = "postgresql://db1.example,db2.example/people"
    assert options_of(url)["target_session_attrs"] == "read-write"
    one = options_of("postgresql://db1.example/people")
    assert "target_session_attrs" not in one
    chosen = options_of(f"{url}?target_session_attrs=any&tcp_user_timeout=3000")
    assert (chosen["target_session_attrs"], chosen["tcp_user_timeout"]) == ("any", "3000")


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "[::]:8000", "10.0.0.5:80", "watchword.example.org:80"])
def test_plain_http_to_other_machines_is_refused_unless_it_is_said(listen: str) -> None:
    assert "which others than this machine can reach over plain http" in only_problem(WATCHWORD_LISTEN=listen)
    assert good(WATCHWORD_LISTEN=listen, WATCHWORD_ALLOW_PLAIN_HTTP="yes").listen_host == listen.rpartition(":")[
        0
    ].strip("[]")


@pytest.mark.parametrize("listen", ["127.0.0.1:8000", "127.0.0.2:80", "[::1]:8000", "localhost:8000"])
def test_plain_http_within_this_machine_is_fine(listen: str) -> None:
    assert good(WATCHWORD_LISTEN=listen).listen_port in {80, 8000}


@pytest.mark.parametrize(("said", "no_proxy"), [("none", True), ("NONE", True), ("", False), ("127.0.0.1", False)])
def test_that_there_is_no_proxy_is_said_by_a_word(said: str, no_proxy: bool) -> None:
    environment = good(WATCHWORD_TRUSTED_PROXIES=said)
    assert environment.no_proxy is no_proxy
    assert bool(environment.trusted_proxies) is (said == "127.0.0.1")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database"
    file.write_text("sqlite:///srv/other.db\n")
    file.chmod(0o400)
    environment = read_environment({**GOOD, "WATCHWORD_DATABASE_URL_FILE": str(file)})
    assert isinstance(environment, Environment)
    assert environment.database["NAME"] == "/srv/other.db"


def test_a_secret_given_twice_is_refused() -> None:
    said = only_problem(WATCHWORD_DATABASE_URL="sqlite:///a.db", WATCHWORD_DATABASE_URL_FILE="/run/secrets/database")
    assert "only one of the two" in said


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o644])
def test_a_secret_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "keys"
    file.write_text(KEYS)
    file.chmod(mode)
    found = read_environment({**GOOD, "WATCHWORD_KEYS": "", "WATCHWORD_KEYS_FILE": str(file)})
    assert isinstance(found, list)
    assert f"mode {mode:04o}" in str(found[0])
    assert KEYS not in str(found)


def test_a_secret_file_that_is_missing_a_folder_or_not_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    for path, wrong in [(tmp_path / "none", "doesn't exist"), (tmp_path, "not a file"), (binary, "not UTF-8")]:
        with pytest.raises(SecretFileError, match=wrong):
            read_secret_file(path)


def test_a_key_file_in_the_home_folder_is_found_without_being_named(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    keys.chmod(0o400)
    environment = read_environment({**GOOD, "WATCHWORD_KEYS": "", "WATCHWORD_HOME": str(tmp_path)})
    assert isinstance(environment, Environment)
    assert environment.key_file == keys
    assert repr(environment.key_ring) == "KeyRing(testkey1)"


def test_a_key_file_that_is_there_and_cant_be_read_is_not_called_missing(tmp_path: Path) -> None:
    def no_entry(path: Path) -> str:
        raise SecretFileError(f"names {path}, which can't be read (Permission denied)")

    found = read_environment({**GOOD, "WATCHWORD_KEYS": "", "WATCHWORD_HOME": str(tmp_path)}, read_secret=no_entry)
    assert isinstance(found, list)
    assert str(found[0]).startswith(
        f"WATCHWORD_KEYS_FILE names {tmp_path}/keys, which can't be read (Permission denied)"
    )


def test_a_key_file_in_the_home_folder_that_others_can_read_is_refused_even_in_the_demo(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEYS)
    keys.chmod(0o444)
    found = read_environment({"WATCHWORD_DEMO": "yes", "WATCHWORD_HOME": str(tmp_path)})
    assert isinstance(found, list)
    assert "mode 0444" in str(found[0])


@pytest.mark.parametrize("name", ["HOME", "MAIL_SOCKET_DIRECTORY"])
def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert "is not a folder" in only_problem(**{f"WATCHWORD_{name}": str(tmp_path / "file")})


def test_a_file_at_the_default_folder_is_a_mistake_beside_others(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/state").touch()
    found = read_environment({"HOME": str(tmp_path), "XDG_STATE_HOME": "state", "WATCHWORD_HOME": "state"})
    assert isinstance(found, list)
    assert "WATCHWORD_HOME is not an absolute path" in str(found[0])


def test_a_folder_with_signs_of_addresses_holds_its_own_database() -> None:
    assert good(WATCHWORD_HOME="/srv/50%20?#").database["NAME"] == "/srv/50%20?#/watchword.sqlite3"


def test_a_state_folder_that_is_not_absolute_is_ignored() -> None:
    variables = {"WATCHWORD_DEMO": "yes", "HOME": "/home/alice", "XDG_STATE_HOME": "state"}
    environment = read_environment(variables, read_secret=no_files)
    assert isinstance(environment, Environment)
    assert environment.home == Path("/home/alice/.local/state/watchword-demo")


def test_an_empty_file_is_a_mistake_and_no_default(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(0o400)
    found = read_environment({**GOOD, "WATCHWORD_TIME_ZONE_FILE": str(empty)})
    assert isinstance(found, list)
    assert [str(problem).partition(";")[0] for problem in found] == [
        f"WATCHWORD_TIME_ZONE_FILE names {empty}, which is empty"
    ]


def test_a_value_that_is_wrong_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "level"
    file.write_text("loud")
    file.chmod(0o400)
    found = read_environment({**GOOD, "WATCHWORD_LOG_LEVEL_FILE": str(file)})
    assert isinstance(found, list)
    assert str(found[0]).startswith(f"WATCHWORD_LOG_LEVEL is 'loud' (read from {file}); expected: one of DEBUG")


def test_each_wrong_item_of_a_list_is_named() -> None:
    said = only_problem(WATCHWORD_TRUSTED_PROXIES="proxy, 127.0.0.1, 0.0.0.0/0")
    assert "'proxy', which is neither an address nor a network" in said
    assert "'0.0.0.0/0', which is the whole internet" in said


def test_one_setting_is_read_without_the_others(tmp_path: Path) -> None:
    assert read_setting({"WATCHWORD_LISTEN": "127.0.0.1:9"}, definitions.LISTEN) == ("127.0.0.1", 9)
    assert read_setting({"WATCHWORD_DEBUG": "perhaps"}, definitions.LISTEN) == ("127.0.0.1", 8000)
    for variables in ({"WATCHWORD_LISTEN": "9"}, {"WATCHWORD_LISTEN_FILE": str(tmp_path / "none")}):
        with pytest.raises(InvalidSetting, match="WATCHWORD_LISTEN"):
            read_setting(variables, definitions.LISTEN)
