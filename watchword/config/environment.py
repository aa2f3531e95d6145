"""The only reader of settings: reads and checks all environment variables, and the files that they name, at once."""

from __future__ import annotations

import difflib
import ipaddress
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from watchword.config import setting_definitions as definitions
from watchword.config.parsers import InvalidSetting, SmtpConfig, is_loopback
from watchword.config.setting_definitions import PREFIX, SETTINGS, Setting
from watchword.core.keyring import KeyRing

_PRIVATE_FILE = "a file that only its owner can read (chmod 400)"
_NO_KEYS = "that file, restored from its copy; only for a new database, run `watchword keys create` first"


class SecretFileError(Exception):
    """A file with the value of a setting, or with a secret, can't be used; the message says why."""


class SecretFileMissing(SecretFileError):
    """The file does not exist."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: which variable, what is wrong with it, what was expected. Never the value of a secret."""

    variable: str
    wrong: str
    expected: str

    def __str__(self) -> str:
        return f"{self.variable} {self.wrong}; expected: {self.expected}"


@dataclass(frozen=True, slots=True)
class SettingValue:
    """The value of one setting as it may be shown, and where it comes from."""

    setting: Setting[Any]
    shown: str
    source: str
    """`environment`, `file` with its path, `default`, `not set`, or `unreadable` if its file can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailDoorSettings:
    """How mail servers reach the mail door. ``kick`` is empty if open connections shall not be closed."""

    socket_owner: str
    socket_group: str
    socket_mode: int
    listen: tuple[str, int] | None
    workers: int
    kick: tuple[str, ...]
    kick_socket: str
    """Empty if the command is run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The checked values of all settings."""

    home: Path
    key_ring: KeyRing | None
    key_file: Path
    database: Mapping[str, object]
    public_url: str
    default_domain: str
    listen_host: str
    listen_port: int
    web_workers: int
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    no_proxy: bool
    """Whether the operator set that no proxy is trusted (``none``)."""
    phones_file: str
    mail_socket_directory: Path
    mail: MailDoorSettings
    smtp: SmtpConfig
    sender: str
    countries_file: str
    breached_passwords_file: str
    metrics_listen: tuple[str, int] | None
    metrics_token: str = field(repr=False)
    traces_url: str
    time_zone: str
    language: str
    log_level: str
    log_format: str
    demo: bool
    debug: bool

    @property
    def public_host(self) -> str:
        """The host of the public address, without a port; an IPv6 address in brackets."""
        host = urlsplit(self.public_url).hostname or ""
        return f"[{host}]" if ":" in host else host

    @property
    def https(self) -> bool:
        """Whether browsers reach the pages over TLS, so that cookies are marked ``Secure``."""
        return self.public_url.startswith("https://")


type ReadSecret = Callable[[Path], str]


def read_secret_file(path: Path) -> str:
    """Return the text of a secret's file. Raises SecretFileError if it is missing, unreadable or open to others."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SecretFileError(f"names {path}, which is not a file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SecretFileError(f"names {path}, which others may read or change (mode {stat.S_IMODE(mode):04o})")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SecretFileMissing(f"names {path}, which doesn't exist") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"names {path}, which is not UTF-8 text") from None
    except OSError as error:
        raise SecretFileError(f"names {path}, which can't be read ({error.strerror})") from None


def read_credential(path: Path) -> str:
    """Return the text of a credential. Its folder is for this process alone, so that its mode needs no check.

    Raises SecretFileError.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SecretFileError(f"is the credential {path.name}, which is not UTF-8 text") from None
    except OSError as error:
        raise SecretFileError(f"is the credential {path.name}, which can't be read ({error.strerror})") from None


def read_environment(
    variables: Mapping[str, str], *, read_secret: ReadSecret = read_secret_file
) -> Environment | list[Problem]:
    """Return the checked values of all settings, or every mistake in them."""
    reader = _Reader(variables, read_secret)
    environment = _environment(reader)
    return reader.problems or environment


def inspect_environment(
    variables: Mapping[str, str], *, read_secret: ReadSecret = read_secret_file
) -> tuple[list[SettingValue], list[Problem]]:
    """Return the current value of every setting, in the order of the sections, and every mistake; without secrets."""
    reader = _Reader(variables, read_secret)
    _environment(reader)
    return [reader.shown(setting) for setting in SETTINGS], reader.problems


def read_setting[T](variables: Mapping[str, str], setting: Setting[T]) -> T:
    """Return the value of one setting, for commands that need no other; raises InvalidSetting."""
    reader = _Reader(variables, read_secret_file)
    value = reader.value(setting)
    for problem in reader.problems:
        if problem.variable in (setting.variable, setting.file_variable):
            raise InvalidSetting(str(problem))
    return value


def key_file_path(variables: Mapping[str, str]) -> Path:
    """Return where the key ring's file is, or would be made."""
    return _Reader(variables, read_secret_file).file_path(definitions.KEYS)


def has_key_ring_in_variable(variables: Mapping[str, str]) -> bool:
    """Return whether the key ring is in the environment variable itself, so that no command can change it."""
    return bool(variables.get(definitions.KEYS.variable, "").strip())


def _environment(reader: _Reader) -> Environment:
    """Return all settings; an invalid one has its default, and the reader has a problem for it."""
    for setting in SETTINGS:
        # Mistakes are reported in the order of the documentation.
        reader.value(setting)
    owner, group = reader.value(definitions.MAIL_SOCKET_OWNER)
    listen_host, listen_port = reader.value(definitions.LISTEN)
    proxies = reader.value(definitions.TRUSTED_PROXIES)
    environment = Environment(
        demo=reader.value(definitions.DEMO),
        home=reader.value(definitions.HOME),
        key_file=reader.file_path(definitions.KEYS),
        key_ring=reader.value(definitions.KEYS),
        database=reader.value(definitions.DATABASE_URL),
        public_url=reader.value(definitions.PUBLIC_URL),
        default_domain=reader.value(definitions.DEFAULT_DOMAIN),
        listen_host=listen_host,
        listen_port=listen_port,
        web_workers=reader.value(definitions.WEB_WORKERS),
        trusted_proxies=proxies or (),
        no_proxy=proxies is None,
        phones_file=reader.value(definitions.PHONES_FILE),
        mail_socket_directory=reader.value(definitions.MAIL_SOCKET_DIRECTORY),
        mail=MailDoorSettings(
            socket_owner=owner,
            socket_group=group,
            socket_mode=reader.value(definitions.MAIL_SOCKET_MODE),
            listen=reader.value(definitions.MAIL_LISTEN),
            workers=reader.value(definitions.MAIL_WORKERS),
            kick=reader.value(definitions.MAIL_KICK),
            kick_socket=reader.value(definitions.MAIL_KICK_SOCKET),
        ),
        smtp=reader.value(definitions.SMTP_URL),
        sender=reader.value(definitions.SENDER),
        countries_file=reader.value(definitions.COUNTRIES_FILE),
        breached_passwords_file=reader.value(definitions.BREACHED_PASSWORDS_FILE),
        metrics_listen=reader.value(definitions.METRICS_LISTEN),
        metrics_token=reader.value(definitions.METRICS_TOKEN),
        traces_url=reader.value(definitions.TRACES_URL),
        time_zone=reader.value(definitions.TIME_ZONE),
        language=reader.value(definitions.LANGUAGE),
        log_level=reader.value(definitions.LOG_LEVEL),
        log_format=reader.value(definitions.LOG_FORMAT),
        debug=reader.value(definitions.DEBUG),
    )
    _check_together(reader, environment)
    reader.report_unknown()
    return environment


def _check_together(reader: _Reader, environment: Environment) -> None:
    """Add the problems of settings that are valid alone, but not together with another one."""
    host = environment.listen_host
    if not is_loopback(host) and not reader.value(definitions.ALLOW_PLAIN_HTTP):
        # The web server has no TLS: passwords and codes would travel in clear.
        reader.wrong(
            definitions.LISTEN,
            f"names {host}, which others than this machine can reach over plain http",
            "127.0.0.1:port behind a proxy on this machine, or WATCHWORD_ALLOW_PLAIN_HTTP=yes if only your own "
            "proxy's network lies between",
        )
    metrics_host = environment.metrics_listen[0] if environment.metrics_listen is not None else "localhost"
    if not is_loopback(metrics_host) and not reader.is_set(definitions.METRICS_TOKEN):
        reader.wrong(
            definitions.METRICS_LISTEN,
            f"names {metrics_host}, which others than this machine can reach, without a token",
            f"127.0.0.1:port, or {definitions.METRICS_TOKEN.file_variable} as well",
        )
    if environment.smtp.host and not reader.is_set(definitions.SENDER):
        reader.wrong(definitions.SENDER, f"is not set, though {definitions.SMTP_URL.variable} is")
    for setting in (definitions.HOME, definitions.MAIL_SOCKET_DIRECTORY):
        folder = reader.value(setting)
        if folder.exists() and not folder.is_dir():
            reader.wrong(setting, "is not a folder")


@dataclass(frozen=True, slots=True)
class _Text:
    """The text of one setting before it is parsed; ``file`` is the file that it was read from."""

    text: str = field(default="", repr=False)
    is_given: bool = False
    file: Path | None = None
    is_unreadable: bool = False


class _Reader:
    """Reads each setting once, when it is first used, and collects the problems."""

    def __init__(self, variables: Mapping[str, str], read_secret: ReadSecret) -> None:
        self._variables = variables
        self._read_secret = read_secret
        self._texts: dict[str, _Text] = {}
        self._values: dict[str, Any] = {}
        self._wrong: set[str] = set()
        self.problems: list[Problem] = []

    def wrong(self, setting: Setting[Any], wrong: str, expected: str = "") -> None:
        """Add a problem with the value of a setting."""
        self._wrong.add(setting.name)
        self.problems.append(Problem(setting.variable, wrong, expected or setting.expected))

    def is_set(self, setting: Setting[Any]) -> bool:
        """Return whether a setting is given, be its value valid or not."""
        text = self._text(setting)
        return text.is_given or text.is_unreadable

    def file_path(self, setting: Setting[Any]) -> Path:
        """Return the path of the file from which a setting is read if its variable is not set."""
        named = self._variables.get(setting.file_variable, "").strip()
        if credential := self._credential(setting):
            return credential
        return Path(named or self._expand(setting.default_file))

    def value[T](self, setting: Setting[T]) -> T:
        """Return the value of a setting; the default if it is not set or invalid."""
        if setting.name not in self._values:
            self._values[setting.name] = self._parsed(setting)
        value: T = self._values[setting.name]
        return value

    def shown(self, setting: Setting[Any]) -> SettingValue:
        """Return the value of a setting as it may be shown."""
        value, text = self.value(setting), self._text(setting)
        source = f"file {text.file}" if text.file else "environment" if text.is_given else "default"
        if text.is_unreadable:
            return SettingValue(setting, "", "unreadable")
        if not text.is_given and not text.text:
            return SettingValue(setting, "", "not set")
        if setting.name in self._wrong:
            # If a value can't be parsed, it is unknown which part of it is the secret.
            is_hidden = setting.is_secret or "@" in text.text
            return SettingValue(setting, "(hidden)" if is_hidden else text.text, f"{source}, wrong")
        return SettingValue(setting, setting.show(value) if setting.show else text.text, source)

    def report_unknown(self) -> None:
        """Add a problem for each variable with the prefix of Watchword that is not a setting."""
        known = {variable for setting in SETTINGS for variable in (setting.variable, setting.file_variable)}
        for variable in sorted(self._variables):
            if variable.startswith(PREFIX) and variable not in known:
                close = difflib.get_close_matches(variable, known, n=1)
                expected = close[0] if close else "one of " + ", ".join(setting.variable for setting in SETTINGS)
                self.problems.append(Problem(variable, "is not a variable that Watchword knows", expected))

    def _parsed[T](self, setting: Setting[T]) -> T:
        text = self._text(setting)
        if setting.is_required and not text.text and not text.is_unreadable:
            self.wrong(setting, "is not set")
        elif not text.is_unreadable:
            try:
                return setting.parse(text.text)
            except InvalidSetting as error:
                self.wrong(setting, f"{error} (read from {text.file})" if text.file else str(error))
        # The default lets the other settings be read, so that all mistakes are reported at once.
        return setting.parse(self._expand(setting.default or setting.demo_default))

    def _text(self, setting: Setting[Any]) -> _Text:
        if setting.name not in self._texts:
            self._texts[setting.name] = self._read(setting)
        return self._texts[setting.name]

    def _credential(self, setting: Setting[Any]) -> Path | None:
        """Return the file by which a service manager passes a setting (LoadCredential= of systemd.exec(5))."""
        folder = self._variables.get("CREDENTIALS_DIRECTORY", "")
        path = Path(folder) / setting.variable.lower()
        return path if folder and path.is_file() else None

    def _read(self, setting: Setting[Any]) -> _Text:
        direct, file = (self._variables.get(name, "").strip() for name in (setting.variable, setting.file_variable))
        if direct and file:
            self.wrong(setting, f"is set, and so is {setting.file_variable}", "only one of the two")
            return _Text(is_unreadable=True)
        if credential := self._credential(setting):
            if direct or file:
                self.wrong(setting, f"is set, and so is the credential {credential.name}", "only one of the two")
                return _Text(is_unreadable=True)
            return self._read_file(setting, credential, is_named=True, read=read_credential)
        if direct:
            return _Text(direct, is_given=True)
        if file or setting.default_file:
            return self._read_file(setting, self.file_path(setting), is_named=bool(file))
        is_demo = bool(setting.demo_default) and self.value(definitions.DEMO)
        return _Text(self._expand(setting.demo_default if is_demo else setting.default))

    def _read_file(self, setting: Setting[Any], path: Path, *, is_named: bool, read: ReadSecret | None = None) -> _Text:
        try:
            text = (read or self._read_secret)(path).strip()
        except SecretFileError as error:
            if is_named or not isinstance(error, SecretFileMissing):
                self._wrong_file(setting, str(error), _PRIVATE_FILE)
                return _Text(file=path, is_unreadable=True)
            if not self.value(definitions.DEMO):
                self._wrong_file(setting, f"is not set, and there is no {path}", _NO_KEYS)
            return _Text()
        if not text:
            self._wrong_file(setting, f"names {path}, which is empty", setting.expected)
            return _Text(file=path, is_unreadable=True)
        return _Text(text, is_given=True, file=path)

    def _wrong_file(self, setting: Setting[Any], wrong: str, expected: str) -> None:
        self.problems.append(Problem(setting.file_variable, wrong, expected))

    def _expand(self, default: str) -> str:
        """Return a default with its placeholders replaced; see ``Setting.default``."""
        if "{STATE}" in default:
            state, home = (self._variables.get(name, "") for name in ("XDG_STATE_HOME", "HOME"))
            # A path that is not absolute is to be ignored (XDG Base Directory Specification).
            folder = state if state.startswith("/") else f"{home if home.startswith('/') else '/'}/.local/state"
            return default.replace("{STATE}", str(Path(folder)))
        if "{MODE}" in default:
            return "0660" if self.value(definitions.MAIL_SOCKET_OWNER)[1] else "0600"
        if "{HOME}" in default:
            home = str(self.value(definitions.HOME))
            return default.replace("{HOME}", quote(home) if "://" in default else home)
        return default
