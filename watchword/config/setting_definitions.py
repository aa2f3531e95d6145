"""Every setting, declared once: the reader, the checks, `watchword settings` and docs/settings.md use this.

To add one: declare it here and in SECTIONS, add a field to `Environment`, and run the command that a test then names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from watchword.config import parsers
from watchword.config.databases import database_settings, url_without_password
from watchword.config.parsers import Network, SmtpConfig
from watchword.core.keyring import KeyRing

PREFIX = "WATCHWORD_"
LANGUAGES = ("en",)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")
SMTP_HINT = "smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465"


class Process(StrEnum):
    """A process in which a setting has an effect; every process reads and checks all of them."""

    WEB = "web"
    MAIL = "mail"
    WORKER = "worker"
    PHONES = "phones"
    COMMANDS = "commands"


ALL = tuple(Process)


# No slots: on Python 3.12 `Setting[Path](…)` of a frozen class with slots is a TypeError.
@dataclass(frozen=True, kw_only=True)
class Setting[T]:
    """One setting: ``PREFIX + name`` in the environment, or a file that ``PREFIX + name + "_FILE"`` names."""

    name: str
    parse: Callable[[str], T]
    """Returns the value of a text; raises InvalidSetting. The default, even an empty one, is parsed as well."""
    expected: str
    """Valid values, in one line; printed after the problem with a value."""
    meaning: str
    example: str
    processes: tuple[Process, ...]
    default: str = ""
    """{STATE} is the user's folder for state, {HOME} the setting of that name, {MODE} follows the sockets' group."""
    demo_default: str = ""
    """The default in the demo, if it differs."""
    default_file: str = ""
    """The file that is read, if it exists, when neither of the two variables is set."""
    default_note: str = ""
    """The default in words, if ``default`` alone does not explain it."""
    is_required: bool = False
    """Whether it must be set outside the demo."""
    show: Callable[[T], str] | None = None
    """Returns a value without its secrets. Only settings with secrets have it; the text of the others is shown."""

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return PREFIX + self.name

    @property
    def file_variable(self) -> str:
        """The name of the environment variable that names a file with the value."""
        return f"{self.variable}_FILE"

    @property
    def is_secret(self) -> bool:
        """Whether the text holds a secret and must never be shown."""
        return self.show is not None


def _show_key_ring(ring: KeyRing | None) -> str:
    return f"{', '.join(key.id for key in ring.keys)} (ids of the keys)" if ring is not None else ""


HOME = Setting[Path](
    name="HOME",
    parse=parsers.parse_directory,
    expected="a folder for the database, the key file and the sockets; absolute",
    meaning="The folder of the SQLite database, the key file, the sockets and what processes remember between two "
    "starts. The user of every process must be able to write there.",
    default="{STATE}/watchword",
    demo_default="{STATE}/watchword-demo",
    default_note="`$XDG_STATE_HOME/watchword`, which is `~/.local/state/watchword` where `XDG_STATE_HOME` is not set; "
    "in the demo `watchword-demo` there",
    example="/var/lib/watchword",
    processes=ALL,
)
KEYS = Setting[KeyRing | None](
    name="KEYS",
    parse=parsers.parse_key_ring,
    expected="the key ring itself, as `watchword keys create` writes it (better: WATCHWORD_KEYS_FILE)",
    meaning="The key ring, which seals what the database must not reveal. Name its file by `WATCHWORD_KEYS_FILE` "
    "rather than write it into the environment; see [The key ring](operating/keys.md).",
    default_file="{HOME}/keys",
    default_note="the file `keys` in `WATCHWORD_HOME`; the demo makes it",
    example="WATCHWORD_KEYS_FILE=/etc/watchword/keys",
    processes=ALL,
    show=_show_key_ring,
)
DATABASE_URL = Setting[Mapping[str, object]](
    name="DATABASE_URL",
    parse=database_settings,
    expected="sqlite:///absolute/path or postgresql://user:password@host/name",
    meaning="The database. PostgreSQL takes every parameter that libpq knows; on another machine its certificate is "
    "checked (`sslmode=verify-full`) unless `sslmode` says otherwise.",
    default="sqlite://{HOME}/watchword.sqlite3",
    example="postgresql://watchword:password@db.example.org/watchword",
    processes=ALL,
    show=url_without_password,
)
TIME_ZONE = Setting[str](
    name="TIME_ZONE",
    parse=parsers.parse_time_zone,
    expected="a time zone's name, such as Europe/Paris",
    meaning="The time zone of times on pages, in messages and in logs.",
    default="UTC",
    example="Europe/Paris",
    processes=ALL,
)
LANGUAGE = Setting[str](
    name="LANGUAGE",
    parse=parsers.parse_choice(LANGUAGES),
    expected=f"one of {', '.join(LANGUAGES)}",
    meaning="The language of pages and mails. The language of texts and calls is set in the admin center.",
    default="en",
    example="en",
    processes=(Process.WEB, Process.WORKER),
)
LOG_LEVEL = Setting[str](
    name="LOG_LEVEL",
    parse=parsers.parse_choice(LOG_LEVELS),
    expected=f"one of {', '.join(LOG_LEVELS)}",
    meaning="The lowest level of the lines that are logged. Above INFO there are no access lines.",
    default="INFO",
    example="WARNING",
    processes=ALL,
)
LOG_FORMAT = Setting[str](
    name="LOG_FORMAT",
    parse=parsers.parse_choice(LOG_FORMATS),
    expected=f"one of {', '.join(LOG_FORMATS)}",
    meaning="How log lines are written: as text, or as one JSON object per line.",
    default="text",
    example="json",
    processes=ALL,
)
PUBLIC_URL = Setting[str](
    name="PUBLIC_URL",
    parse=parsers.parse_public_url,
    expected="the address people type, such as https://watchword.example.org",
    meaning="The address that people type, and that links in mails and answers to providers begin with. Plain http is "
    "for this machine alone.",
    demo_default="http://127.0.0.1:8000",
    example="https://watchword.example.org",
    processes=(Process.WEB, Process.WORKER, Process.PHONES, Process.COMMANDS),
    is_required=True,
)
LISTEN = Setting[tuple[str, int]](
    name="LISTEN",
    parse=parsers.parse_host_and_port,
    expected="host:port where `watchword serve web` listens",
    meaning="Where the web server listens, for plain http. `watchword serve --listen` overrides it.",
    default="127.0.0.1:8000",
    example="127.0.0.1:8080",
    processes=(Process.WEB,),
)
WEB_WORKERS = Setting[int](
    name="WEB_WORKERS",
    parse=parsers.parse_workers,
    expected=f"a number from 1 to {parsers.MOST_WORKERS}",
    meaning="How many processes answer browsers at the same port. `watchword serve --web-workers` overrides it.",
    default="1",
    example="2",
    processes=(Process.WEB,),
)
MAIL_WORKERS = Setting[int](
    name="MAIL_WORKERS",
    parse=parsers.parse_workers,
    expected=f"a number from 1 to {parsers.MOST_WORKERS}",
    meaning="How many processes of the mail door `watchword serve` starts at the same sockets; under systemd each is "
    "an instance of `watchword-mail@` instead. `--mail-workers` overrides it.",
    default="1",
    example="2",
    processes=(Process.MAIL,),
)
ALLOW_PLAIN_HTTP = Setting[bool](
    name="ALLOW_PLAIN_HTTP",
    parse=parsers.parse_boolean,
    expected="yes if LISTEN may name an address that other machines reach, over a network of your own alone",
    meaning="Whether `WATCHWORD_LISTEN` may name an address that other machines reach. Passwords and codes then "
    "travel in clear from the proxy to Watchword: say yes only where that network is yours alone.",
    default="no",
    example="yes",
    processes=(Process.WEB,),
)
TRUSTED_PROXIES = Setting[tuple[Network, ...] | None](
    name="TRUSTED_PROXIES",
    parse=parsers.parse_proxies,
    expected="addresses or networks of the proxies in front, separated by commas, or none",
    meaning="The proxies whose `X-Forwarded-For` is believed. With an https address it must be set; `none` says that "
    "the browser's own address arrives. See [The proxy in front](operating/proxy.md).",
    example="127.0.0.1,::1",
    processes=(Process.WEB,),
)
DEFAULT_DOMAIN = Setting[str](
    name="DEFAULT_DOMAIN",
    parse=parsers.parse_domain,
    expected="the domain of names that are typed without one, such as example.org",
    meaning="The domain of a name that is typed without one, on the sign-in page and in mail programs: `alice` is "
    "then `alice@example.org`. Without it such a name is refused.",
    example="example.org",
    processes=(Process.WEB, Process.MAIL),
)
BREACHED_PASSWORDS_FILE = Setting[str](
    name="BREACHED_PASSWORDS_FILE",
    parse=parsers.parse_file,
    expected="stolen passwords as sorted SHA-1 lines, refused as new ones; absolute",
    meaning="Passwords stolen elsewhere, which are refused as new ones: SHA-1 in hexadecimal on each line, sorted. "
    "See [Passwords](admin/service-settings.md#passwords).",
    example="/var/lib/watchword/pwned-passwords.txt",
    processes=(Process.WEB, Process.COMMANDS),
)
COUNTRIES_FILE = Setting[str](
    name="COUNTRIES_FILE",
    parse=parsers.parse_file,
    expected="GeoLite2 Country or DB-IP Country Lite (.mmdb), for the countries of addresses; absolute",
    meaning="Which country a network address belongs to, for warnings; without it they say that a network is new.",
    default_note="none; the demo has a made-up file",
    example="/var/lib/watchword/GeoLite2-Country.mmdb",
    processes=(Process.WEB, Process.WORKER),
)
MAIL_SOCKET_DIRECTORY = Setting[Path](
    name="MAIL_SOCKET_DIRECTORY",
    parse=parsers.parse_directory,
    expected="a folder for the mail door's sockets; absolute",
    meaning="The folder of the sockets at which mail servers ask.",
    default="{HOME}/mail",
    example="/run/watchword/mail",
    processes=(Process.MAIL, Process.COMMANDS),
)
MAIL_SOCKET_OWNER = Setting[tuple[str, str]](
    name="MAIL_SOCKET_OWNER",
    parse=parsers.parse_socket_owner,
    expected="who may use the mail door's sockets: user, user:group or :group",
    meaning="Who may ask at these sockets: `user`, `user:group` or `:group`.",
    default_note="the user of the process alone",
    example=":postfix",
    processes=(Process.MAIL, Process.COMMANDS),
)
MAIL_SOCKET_MODE = Setting[int](
    name="MAIL_SOCKET_MODE",
    parse=parsers.parse_socket_mode,
    expected="0600 or 0660",
    meaning="The mode of these sockets.",
    default="{MODE}",
    default_note="`0660` where `WATCHWORD_MAIL_SOCKET_OWNER` names a group, else `0600`",
    example="0660",
    processes=(Process.MAIL,),
)
MAIL_LISTEN = Setting[tuple[str, int] | None](
    name="MAIL_LISTEN",
    parse=parsers.parse_mail_listen,
    expected="127.0.0.1:port or [::1]:port; the mail door listens there and at the two ports after it as well",
    meaning="A TCP port of this machine for mail servers that reach no Unix socket: authentication there, socketmap "
    "and policy at the two ports after it.",
    default_note="Unix sockets alone",
    example="127.0.0.1:1900",
    processes=(Process.MAIL, Process.COMMANDS),
)
MAIL_KICK = Setting[tuple[str, ...]](
    name="MAIL_KICK",
    parse=parsers.parse_kick,
    expected="a command that closes a person's connections, with {user} in it, or none",
    meaning="The command that closes a person's open mail connections, with `{user}` where the name goes; `none` "
    "leaves them open. Arguments of commands are visible to everyone on a machine, so they must hold no secret.",
    default="doveadm kick -- {user}",
    example='"sudo -n /usr/bin/doveadm kick -- {user}"',
    processes=(Process.MAIL, Process.COMMANDS),
)
MAIL_KICK_SOCKET = Setting[str](
    name="MAIL_KICK_SOCKET",
    parse=parsers.parse_socket,
    expected="the socket of `watchword serve kick`; absolute",
    meaning="The socket of the daemon that closes a person's open mail connections as root, see "
    "[systemd](operating/systemd.md); it is asked instead of running `WATCHWORD_MAIL_KICK`.",
    example="/run/watchword-kick.sock",
    processes=(Process.MAIL, Process.COMMANDS),
)
PHONES_FILE = Setting[str](
    name="PHONES_FILE",
    parse=parsers.parse_file,
    expected="which gateways bring texts and calls to phones (TOML), see docs/operating/phones.md; absolute",
    meaning="The file that says which gateways bring texts and calls to phones; see [Texts and calls on real "
    "phones](operating/phones.md). Without it no code can be sent outside the demo.",
    example="/etc/watchword/phones.toml",
    processes=(Process.WEB, Process.WORKER, Process.PHONES, Process.COMMANDS),
)
SMTP_URL = Setting[SmtpConfig](
    name="SMTP_URL",
    parse=parsers.parse_smtp_url,
    expected=f"{SMTP_HINT}; where warnings go out",
    meaning="The mail server by which warnings are sent. `smtp` uses STARTTLS, except to this machine; `smtps` uses "
    "TLS from the start. Without it no mail is sent outside the demo.",
    example="smtps://watchword:password@mail.example.org:465",
    processes=(Process.WEB, Process.WORKER, Process.COMMANDS),
    show=SmtpConfig.url_without_password,
)
SENDER = Setting[str](
    name="SENDER",
    parse=parsers.parse_sender,
    expected="the address that warnings come from, such as Watchword <watchword@example.org>",
    meaning="The address that warnings come from. It must be set where `WATCHWORD_SMTP_URL` is.",
    default="Watchword <watchword@localhost>",
    example='"Watchword <watchword@example.org>"',
    processes=(Process.WORKER,),
)
METRICS_LISTEN = Setting[tuple[str, int] | None](
    name="METRICS_LISTEN",
    parse=parsers.parse_optional_host_and_port,
    expected="host:port where the worker serves metrics; without a token on this machine alone",
    meaning="Where the worker serves metrics for Prometheus (`/metrics`) and details of the health (`/health`). An "
    "address that other machines reach needs `WATCHWORD_METRICS_TOKEN`. See [Monitoring](operating/monitoring.md).",
    default_note="no metrics",
    example="127.0.0.1:9464",
    processes=ALL,
)
METRICS_TOKEN = Setting[str](
    name="METRICS_TOKEN",
    parse=parsers.parse_token,
    expected=f"a bearer token, {parsers.SHORTEST_TOKEN} or more printable ASCII characters without spaces",
    meaning="The bearer token without which metrics are not served. Name its file by `WATCHWORD_METRICS_TOKEN_FILE` "
    "rather than write it into the environment.",
    default_note="none; only this machine is answered",
    example="WATCHWORD_METRICS_TOKEN_FILE=/etc/watchword/metrics-token",
    processes=(Process.WORKER,),
    show=lambda token: "***" if token else "",
)
TRACES_URL = Setting[str](
    name="TRACES_URL",
    parse=parsers.parse_traces_url,
    expected="the address of an OTLP endpoint over HTTP, such as http://127.0.0.1:4318/v1/traces",
    meaning="Where traces of OpenTelemetry are sent (OTLP over HTTP). It needs the extra `telemetry`. Traces hold no "
    "names, addresses or numbers; see [Monitoring](operating/monitoring.md#traces).",
    default_note="no traces",
    example="http://127.0.0.1:4318/v1/traces",
    processes=(Process.WEB, Process.MAIL, Process.PHONES),
)
DEMO = Setting[bool](
    name="DEMO",
    parse=parsers.parse_boolean,
    expected="yes or no; loads the sample organisation's parts",
    meaning="Whether this is the demo, with its sample people and a telephone on a page. Never where real people sign "
    "in.",
    default="no",
    example="yes",
    processes=ALL,
)
DEBUG = Setting[bool](
    name="DEBUG",
    parse=parsers.parse_boolean,
    expected="yes or no; for development, refused without WATCHWORD_DEMO",
    meaning="Whether Django shows its error pages to developers. They show what a request carried, so that it is "
    "refused outside the demo.",
    default="no",
    example="yes",
    processes=(Process.WEB,),
)

SECTIONS: Mapping[str, tuple[Setting[Any], ...]] = {
    "Installation": (HOME, KEYS, DATABASE_URL, TIME_ZONE, LANGUAGE, LOG_LEVEL, LOG_FORMAT),
    "Web": (PUBLIC_URL, LISTEN, WEB_WORKERS, ALLOW_PLAIN_HTTP, TRUSTED_PROXIES),
    "Sign-in": (DEFAULT_DOMAIN, BREACHED_PASSWORDS_FILE, COUNTRIES_FILE),
    "Mail servers": (
        MAIL_SOCKET_DIRECTORY,
        MAIL_SOCKET_OWNER,
        MAIL_SOCKET_MODE,
        MAIL_LISTEN,
        MAIL_WORKERS,
        MAIL_KICK,
        MAIL_KICK_SOCKET,
    ),
    "Texts and calls": (PHONES_FILE,),
    "Mails": (SMTP_URL, SENDER),
    "Monitoring": (METRICS_LISTEN, METRICS_TOKEN, TRACES_URL),
    "Development": (DEMO, DEBUG),
}
"""Every setting, in the order in which they are shown."""
SETTINGS: tuple[Setting[Any], ...] = tuple(setting for section in SECTIONS.values() for setting in section)
