"""What the operator says in environment variables, read and checked in one go."""

import difflib
import ipaddress
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchword.config import mail_door
from watchword.config import smtp as mail_sending
from watchword.config.addresses import is_loopback, wrong_with_public_url
from watchword.config.databases import DatabaseUrlError, database_settings
from watchword.config.secret_files import SecretFileError, read_secret_file
from watchword.core.keyring import KeyRing, KeyRingError
from watchword.core.usernames import NotASignInName, domain_key

PREFIX = "WATCHWORD_"
DEMO_URL = "http://127.0.0.1:8000"
KEY_FILE_NAME = "keys"
LANGUAGES = ("en",)
YES = frozenset(("yes", "true", "on", "1"))
NO = frozenset(("no", "false", "off", "0"))
NONE = "none"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

VARIABLES: Mapping[str, str] = {
    "HOME": "folder for the database, the key file and the sockets; absolute",
    "KEYS": "the key ring itself, as `watchword keys create` writes it (better: WATCHWORD_KEYS_FILE)",
    "DATABASE_URL": "sqlite:///absolute/path or postgresql://user:password@host/name",
    "PUBLIC_URL": "the address people type, such as https://watchword.example.org",
    "DEFAULT_DOMAIN": "the domain of names that are typed without one, such as example.org; none if not set",
    "LISTEN": "host:port where `watchword serve web` listens; 127.0.0.1:8000 if not set",
    "ALLOW_PLAIN_HTTP": "yes if LISTEN may name an address that other machines reach, over a network of your own alone",
    "TRUSTED_PROXIES": "addresses or networks of the proxies in front, separated by commas, or none",
    "PHONES_FILE": "which carriers bring texts and calls to phones (TOML), see docs/operating/phones.md; absolute",
    "DELIVERY_CHANNELS": "dotted paths of the channels that carry codes, separated by commas",
    **mail_door.VARIABLES,
    **mail_sending.VARIABLES,
    "BREACHED_PASSWORDS_FILE": "stolen passwords as sorted SHA-1 lines, refused as new ones; absolute",
    "COUNTRIES_FILE": "a newer geoip2fast file (.dat.gz), for the countries of addresses; absolute",
    "TIME_ZONE": "a time zone's name, such as Europe/Paris; UTC if not set",
    "LANGUAGE": f"one of {', '.join(LANGUAGES)}",
    "LOG_LEVEL": f"one of {', '.join(LOG_LEVELS)}",
    "DEMO": "yes or no; loads the sample organisation's parts",
    "DEBUG": "yes or no; for development, refused without WATCHWORD_DEMO",
}
"""Every variable, without its prefix, and what it may hold. Each may also be given as `X_FILE`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: which variable, what is wrong with it, what was expected. Never the value of a secret."""

    variable: str
    wrong: str
    expected: str

    def __str__(self) -> str:
        return f"{self.variable} {self.wrong}; expected: {self.expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The checked wishes of the operator."""

    home: Path
    key_ring: KeyRing | None
    key_file: Path
    database: Mapping[str, object]
    public_url: str
    default_domain: str
    listen_host: str
    listen_port: int
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    no_proxy: bool
    """Whether the operator said that there is none whose word on addresses counts."""
    phones_file: str
    delivery_channels: tuple[str, ...]
    mail_socket_directory: Path
    mail: mail_door.MailDoorSettings
    mail_sending: mail_sending.SmtpSettings
    countries_file: str
    breached_passwords_file: str
    time_zone: str
    language: str
    log_level: str
    demo: bool
    debug: bool

    @property
    def public_host(self) -> str:
        """The host of the public address, without a port; an IPv6 address in brackets."""
        host = urlsplit(self.public_url).hostname or ""
        return f"[{host}]" if ":" in host else host

    @property
    def https(self) -> bool:
        """Whether people reach the pages over TLS, so that cookies can insist on it."""
        return self.public_url.startswith("https://")


_NO_KEYS = "that file, restored from its copy; only for a new database, run `watchword keys create` first"

type ReadSecret = Callable[[Path], str]


def read_environment(
    variables: Mapping[str, str], *, read_secret: ReadSecret = read_secret_file
) -> Environment | list[Problem]:
    """Everything the operator said, or every mistake in it."""
    reader = _Reader(variables, read_secret)
    demo = reader.yes_or_no("DEMO")
    home = reader.folder("HOME", _default_home(variables, demo=demo))
    key_file, key_ring = reader.key_ring(home, demo=demo)
    listen_host, listen_port = reader.listen()
    environment = Environment(
        home=home,
        key_file=key_file,
        key_ring=key_ring,
        database=reader.database(home),
        public_url=reader.public_url(demo=demo),
        default_domain=reader.domain("DEFAULT_DOMAIN"),
        listen_host=listen_host,
        listen_port=listen_port,
        trusted_proxies=reader.networks("TRUSTED_PROXIES"),
        no_proxy=reader.text("TRUSTED_PROXIES").lower() == NONE,
        phones_file=reader.file("PHONES_FILE"),
        delivery_channels=tuple(reader.dotted_paths("DELIVERY_CHANNELS")),
        mail_socket_directory=reader.folder("MAIL_SOCKET_DIRECTORY", home / "mail"),
        mail=reader.mail(),
        mail_sending=mail_sending.read_mail_sending(reader.text, reader.wrong),
        countries_file=reader.file("COUNTRIES_FILE"),
        breached_passwords_file=reader.file("BREACHED_PASSWORDS_FILE"),
        time_zone=reader.time_zone(),
        language=reader.one_of("LANGUAGE", LANGUAGES),
        log_level=reader.one_of("LOG_LEVEL", LOG_LEVELS, default="INFO"),
        demo=demo,
        debug=reader.yes_or_no("DEBUG"),
    )
    reader.report_unknown()
    return reader.problems or environment


def key_file_path(variables: Mapping[str, str]) -> Path:
    """Where the key ring's file is, or would be made."""
    given = variables.get(f"{PREFIX}KEYS_FILE", "").strip()
    if given:
        return Path(given)
    return default_folder(variables) / KEY_FILE_NAME


def default_folder(variables: Mapping[str, str]) -> Path:
    """Where database and key ring are if nothing else is said."""
    demo = variables.get(f"{PREFIX}DEMO", "").strip().lower() in YES
    home = variables.get(f"{PREFIX}HOME", "").strip()
    return Path(home) if home else _default_home(variables, demo=demo)


def database_of(variables: Mapping[str, str]) -> Mapping[str, object]:
    """Return Django's entry for the database, for what works without a key ring; empty where it is wrong."""
    return _Reader(variables, read_secret_file).database(default_folder(variables))


def _default_home(variables: Mapping[str, str], *, demo: bool) -> Path:
    state = variables.get("XDG_STATE_HOME") or str(Path(variables.get("HOME") or "/") / ".local/state")
    return Path(state) / ("watchword-demo" if demo else "watchword")


class _Reader:
    """Reads one variable at a time and remembers what was wrong."""

    def __init__(self, variables: Mapping[str, str], read_secret: ReadSecret) -> None:
        self._variables = variables
        self._read_secret = read_secret
        self.problems: list[Problem] = []

    def wrong(self, name: str, wrong: str, expected: str | None = None) -> None:
        self.problems.append(Problem(PREFIX + name, wrong, expected or VARIABLES[name]))

    def text(self, name: str) -> str:
        """The value without outer space; empty if it isn't set, or if its file can't be used."""
        direct, file = (self._variables.get(PREFIX + key, "").strip() for key in (name, f"{name}_FILE"))
        if not file:
            return direct
        if direct:
            self.wrong(name, f"is set, and so is {PREFIX}{name}_FILE", "only one of the two")
            return ""
        try:
            return self._read_secret(Path(file)).strip()
        except SecretFileError as error:
            self.wrong(f"{name}_FILE", str(error), "a file that only its owner can read (chmod 400)")
            return ""

    def yes_or_no(self, name: str) -> bool:
        text = self.text(name).lower()
        if text and text not in YES | NO:
            self.wrong(name, "is neither yes nor no")
        return text in YES

    def folder(self, name: str, default: Path) -> Path:
        text = self.text(name)
        path = Path(text) if text else default
        if text and not path.is_absolute():
            self.wrong(name, "is not an absolute path")
        elif path.exists() and not path.is_dir():
            self.wrong(name, "is not a folder")
        return path

    def file(self, name: str) -> str:
        text = self.text(name)
        if text and not (Path(text).is_absolute() and Path(text).is_file()):
            self.wrong(name, "is not the absolute path of a file")
            return ""
        return text

    def one_of(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        text = self.text(name)
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        if text:
            self.wrong(name, f"is {text!r}")
        return default or choices[0]

    def key_ring(self, home: Path, *, demo: bool) -> tuple[Path, KeyRing | None]:
        given = self._variables.get(f"{PREFIX}KEYS_FILE", "").strip()
        path = Path(given) if given else home / KEY_FILE_NAME
        before = len(self.problems)
        text = self.text("KEYS")
        if not text and not given and len(self.problems) == before:
            try:
                text = self._read_secret(path)
            except SecretFileError as error:
                if path.exists():
                    self.wrong("KEYS_FILE", str(error), "a file that only its owner can read (chmod 400)")
                elif not demo:
                    self.wrong("KEYS_FILE", f"is not set, and there is no {path}", _NO_KEYS)
                return path, None
        if len(self.problems) > before:
            return path, None
        try:
            return path, KeyRing.parse(text, random_source=os.urandom)
        except KeyRingError as error:
            self.wrong("KEYS_FILE" if given else "KEYS", f"can't be used: {error}")
            return path, None

    def database(self, home: Path) -> Mapping[str, object]:
        text = self.text("DATABASE_URL")
        try:
            return database_settings(text or f"sqlite://{home}/watchword.sqlite3")
        except DatabaseUrlError as error:
            self.wrong("DATABASE_URL", str(error))
            return {}

    def public_url(self, *, demo: bool) -> str:
        text = self.text("PUBLIC_URL").rstrip("/")
        if not text:
            if not demo:
                self.wrong("PUBLIC_URL", "is not set")
            return DEMO_URL
        if reason := wrong_with_public_url(text):
            self.wrong("PUBLIC_URL", reason)
            return DEMO_URL
        return text

    def listen(self) -> tuple[str, int]:
        text = self.text("LISTEN") or "127.0.0.1:8000"
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004  TCP
            self.wrong("LISTEN", f"is {text!r}")
            return "127.0.0.1", 8000
        if not is_loopback(host) and not self.yes_or_no("ALLOW_PLAIN_HTTP"):
            # The web door speaks no TLS: passwords and codes would travel there in clear.
            self.wrong(
                "LISTEN",
                f"names {host}, which others than this machine can reach over plain http",
                "127.0.0.1:port behind a proxy on this machine, or WATCHWORD_ALLOW_PLAIN_HTTP=yes if only your own "
                "proxy's network lies between",
            )
        return host.strip("[]"), int(port)

    def domain(self, name: str) -> str:
        text = self.text(name)
        try:
            return domain_key(text) if text else ""
        except NotASignInName:
            self.wrong(name, f"is {text!r}, which is not a domain")
            return ""

    def mail(self) -> mail_door.MailDoorSettings:
        return mail_door.read_mail_config(self.text, self.wrong)

    def networks(self, name: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        networks = []
        for item in _listed(self.text(name)) if self.text(name).lower() != NONE else ():
            try:
                network = ipaddress.ip_network(item)
            except ValueError:
                self.wrong(name, f"holds {item!r}, which is neither an address nor a network")
                continue
            if network.prefixlen == 0:
                # Whoever reaches the server could then say which address they come from.
                self.wrong(name, f"holds {item!r}, which is the whole internet")
                continue
            networks.append(network)
        return tuple(networks)

    def dotted_paths(self, name: str) -> Iterable[str]:
        paths = _listed(self.text(name))
        for path in paths:
            if "." not in path or not all(part.isidentifier() for part in path.split(".")):
                self.wrong(name, f"holds {path!r}, which is not a dotted path")
        return paths

    def time_zone(self) -> str:
        text = self.text("TIME_ZONE") or "UTC"
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong("TIME_ZONE", f"is {text!r}, which is not a known time zone")
            return "UTC"
        return text

    def report_unknown(self) -> None:
        known = {PREFIX + name + ending for name in VARIABLES for ending in ("", "_FILE")}
        for variable in sorted(self._variables):
            if variable.startswith(PREFIX) and variable not in known:
                close = difflib.get_close_matches(variable, known, n=1)
                expected = close[0] if close else "one of " + ", ".join(PREFIX + name for name in VARIABLES)
                self.problems.append(Problem(variable, "is not a variable that Watchword knows", expected))


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
