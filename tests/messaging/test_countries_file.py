"""The country of an address comes from the operator's own file; a damaged one is reported at the start."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from tests import country_database
from tests.cli.test_main import watchword
from tests.environment import KEYS
from watchword.audit import geoip as countries

NETWORKS = {"192.0.2.0/24": "DE", "203.0.113.128/25": "fr", "2001:db8:7::/48": "PT"}


@pytest.fixture(autouse=True)
def _fresh_readers() -> Iterator[None]:
    """Clear the cached reader: a process reads its file once, but each test here has another."""
    countries._reader.cache_clear()
    countries._say_once.cache_clear()
    yield
    countries._reader.cache_clear()


@pytest.fixture
def use(settings: Any) -> Callable[[Path | str], None]:
    def use(file: Path | str) -> None:
        settings.WATCHWORD_COUNTRIES_FILE = str(file)

    return use


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("192.0.2.1", "DE"),
        ("::ffff:192.0.2.1", "DE"),
        ("203.0.113.200", "FR"),
        ("203.0.113.1", ""),
        ("2001:db8:7:1::9", "PT"),
        ("2001:db8:8::9", ""),
        ("127.0.0.1", ""),
        ("", ""),
        ("no address", ""),
    ],
)
def test_the_file_alone_says_where_an_address_is(
    tmp_path: Path, use: Callable[[Path], None], address: str, country: str
) -> None:
    use(country_database.write(tmp_path / "countries.mmdb", NETWORKS))
    assert countries.country_of(address) == country


def test_without_a_file_no_address_has_a_country(use: Callable[[str], None]) -> None:
    use("")
    assert countries.country_of("192.0.2.1") == ""


def test_the_demos_file_is_what_its_script_writes_and_knows_no_real_address(tmp_path: Path) -> None:
    written = country_database.write(tmp_path / "countries.mmdb", country_database.DEMO_NETWORKS)
    same = written.read_bytes() == country_database.DEMO_FILE.read_bytes()
    assert same, "write it anew: python -m tests.country_database"
    assert countries.country_of("198.51.100.7") == "DE"
    assert countries.country_of("8.8.8.8") == ""


def _asn(folder: Path) -> Path:
    record = {"autonomous_system_number": 64496, "autonomous_system_organization": "Example"}
    return country_database.write(folder / "asn.mmdb", NETWORKS, record=record)


def _flat(folder: Path) -> Path:
    return country_database.write(folder / "flat.mmdb", NETWORKS, record={"country": "Germany", "iso_code": "DE"})


def _holding(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = country_database.write(folder / "countries.mmdb", NETWORKS)
        file.write_bytes(change(file.read_bytes()))
        return file

    return write


BROKEN = "it is not a whole MaxMind DB file (.mmdb, unpacked)"
UNUSABLE = {
    "empty": (_holding(lambda _octets: b""), BROKEN),
    "text": (_holding(lambda _octets: b"192.0.2.0/24,DE\n" * 100), BROKEN),
    "half": (_holding(lambda octets: octets[: len(octets) // 2]), BROKEN),
    "without its tree": (_holding(lambda octets: octets[-300:]), BROKEN),
    "packed": (_holding(gzip.compress), BROKEN),
    "networks": (_asn, "it names no countries"),
    "flat": (_flat, "it names no countries"),
    "away": (lambda folder: folder / "away.mmdb", "it can't be read (No such file or directory)"),
    "a folder": (lambda folder: folder, "it can't be read (Is a directory)"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_file_that_is_no_country_database_is_found_by_the_checks_and_costs_no_sign_in(
    tmp_path: Path, use: Callable[[Path], None], kind: str
) -> None:
    make, reason = UNUSABLE[kind]
    file = make(tmp_path)
    assert countries.why_not_usable(file).startswith(reason)
    use(file)
    (found,) = [one for one in run_checks(tags=["compatibility"]) if one.id == "watchword.E030"]
    assert "WATCHWORD_COUNTRIES_FILE" in str(found.hint)
    assert countries.country_of("192.0.2.1") == ""


def test_a_sound_file_passes_the_checks(tmp_path: Path, use: Callable[[Path], None]) -> None:
    use(country_database.write(tmp_path / "countries.mmdb", NETWORKS))
    assert [one.id for one in run_checks(tags=["compatibility"]) if one.id == "watchword.E030"] == []


def test_a_file_that_is_damaged_anywhere_raises_nothing_when_an_address_is_looked_up(
    tmp_path: Path, use: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    file = country_database.write(tmp_path / "countries.mmdb", NETWORKS)
    sound, silent = file.read_bytes(), 0
    for place in range(0, len(sound), 3):
        for octet in (0x00, 0xFF, sound[place] ^ 0x55):
            file.write_bytes(sound[:place] + bytes([octet]) + sound[place + 1 :])
            use(file)
            countries._reader.cache_clear()
            for address in ("192.0.2.1", "203.0.113.200", "2001:db8:7:1::9"):
                silent += countries.country_of(address) == ""
            countries.why_not_usable(file)
    assert silent > 100
    said = [record.trouble for record in caplog.records if record.event == "geoip.damaged"]  # type: ignore[attr-defined]  # log_event adds both
    assert len(said) == len(set(said)) > 0, "each kind of damage is logged once"


def test_watchword_check_and_serve_refuse_a_damaged_file_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "countries.mmdb"
    file.write_bytes(b"not a database")
    variables = {
        "WATCHWORD_KEYS": KEYS,
        "WATCHWORD_PUBLIC_URL": "http://127.0.0.1:8000",
        "WATCHWORD_COUNTRIES_FILE": str(file),
    }
    migrated = watchword("migrate", home=tmp_path, **{**variables, "WATCHWORD_COUNTRIES_FILE": ""})
    assert migrated.returncode == 0, migrated.stderr
    for words in (["check"], ["serve", "web"]):
        done = watchword(*words, home=tmp_path, **variables)
        assert done.returncode == 1
        assert f"The countries file can't be used: {BROKEN}." in done.stderr
        assert "Traceback" not in done.stderr
    away = watchword("check", home=tmp_path, **{**variables, "WATCHWORD_COUNTRIES_FILE": str(tmp_path / "away.mmdb")})
    assert away.returncode == 1
    assert "WATCHWORD_COUNTRIES_FILE is not the absolute path of a file" in away.stderr
