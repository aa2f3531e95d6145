"""Django's settings, made from the operator's environment."""

import logging
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from watchword.config import keyfile
from watchword.config.environment import Environment, read_environment
from watchword.config.phones_file import phones_of
from watchword.messaging.config_file import simulated


def _environment() -> Environment:
    environment = read_environment(os.environ)
    if isinstance(environment, Environment):
        return environment
    listed = "\n".join(f"  - {problem}" for problem in environment)
    raise ImproperlyConfigured(f"Watchword can't start. Please correct its environment:\n{listed}")


ENVIRONMENT = _environment()

# Watchword's own -----------------------------------------------------------------------------------------------------

WATCHWORD_DEMO = ENVIRONMENT.demo
WATCHWORD_HOME = ENVIRONMENT.home
WATCHWORD_KEY_FILE = ENVIRONMENT.key_file
# Outside the demo a missing ring was reported above; the demo creates one in its own folder.
WATCHWORD_KEY_RING = ENVIRONMENT.key_ring or keyfile.read_or_create(ENVIRONMENT.key_file)
WATCHWORD_DEFAULT_DOMAIN = ENVIRONMENT.default_domain
WATCHWORD_PUBLIC_URL = ENVIRONMENT.public_url
WATCHWORD_LISTEN = (ENVIRONMENT.listen_host, ENVIRONMENT.listen_port)
WATCHWORD_WEB_WORKERS = ENVIRONMENT.web_workers
WATCHWORD_TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
WATCHWORD_NO_PROXY: bool = ENVIRONMENT.no_proxy
WATCHWORD_MAIL_SOCKET_DIRECTORY = ENVIRONMENT.mail_socket_directory
WATCHWORD_MAIL = ENVIRONMENT.mail
WATCHWORD_METRICS_LISTEN = ENVIRONMENT.metrics_listen
WATCHWORD_METRICS_TOKEN = ENVIRONMENT.metrics_token
WATCHWORD_TRACES_URL = ENVIRONMENT.traces_url
WATCHWORD_MAIL_FROM = ENVIRONMENT.sender
WATCHWORD_CAN_MAIL = ENVIRONMENT.demo or bool(ENVIRONMENT.smtp.host)
# The demo's own file has only networks reserved for documentation.
WATCHWORD_COUNTRIES_FILE = ENVIRONMENT.countries_file or (
    str(Path(__file__).parents[1] / "demo/data/countries.mmdb") if ENVIRONMENT.demo else ""
)
WATCHWORD_BREACHED_PASSWORDS_FILE = ENVIRONMENT.breached_passwords_file
WATCHWORD_SECURE_COOKIES = ENVIRONMENT.https
# RFC 6265bis section 4.1.3.2: a browser takes a __Host- cookie only over TLS, and for this very host alone.
WATCHWORD_COOKIE_PREFIX = "__Host-" if ENVIRONMENT.https else ""

# OWASP's second recommendation (19 MiB, two passes, one lane): about 20 ms of one core for each sign-in.
WATCHWORD_ARGON2 = {"time_cost": 2, "memory_kibibytes": 19_456, "parallelism": 1}

FACTORS = [
    "watchword.factors.password.factor.PasswordFactor",
    "watchword.factors.phone.factor.PhoneFactor",
    "watchword.factors.app_password.factor.AppPasswordFactor",
    "watchword.factors.access_pass.factor.AccessPassFactor",
]
_TELEPHONE_TILE = {
    "name": "Telephone",
    "icon": "phone",
    "description": "Where texts and calls arrive",
    "url": "demo:telephone",
}
# The apps that the portal and the launcher show: name, icon, description, and a url name or an address.
WATCHWORD_APP_TILES = (
    [
        {"name": "Mail", "icon": "mail", "description": "Read and write mail", "url": "demo:mail"},
        *([] if ENVIRONMENT.phones_file else [_TELEPHONE_TILE]),
    ]
    if ENVIRONMENT.demo
    else []
)
WATCHWORD_PHONES = phones_of(ENVIRONMENT.phones_file, WATCHWORD_KEY_RING)
if WATCHWORD_PHONES.problems:
    raise ImproperlyConfigured(
        f"Watchword can't start. Please correct {ENVIRONMENT.phones_file}:\n"
        + "\n".join(f"  - {problem}" for problem in WATCHWORD_PHONES.problems)
    )
if ENVIRONMENT.demo and not ENVIRONMENT.phones_file:
    WATCHWORD_PHONES = simulated()

# Django --------------------------------------------------------------------------------------------------------------

DEBUG = ENVIRONMENT.debug
SECRET_KEY = WATCHWORD_KEY_RING.mac("django-secret-key", b"").hex()
SECRET_KEY_FALLBACKS = [mac.hex() for mac in WATCHWORD_KEY_RING.macs("django-secret-key", b"")[1:]]
ALLOWED_HOSTS = [ENVIRONMENT.public_host]

ROOT_URLCONF = "watchword.config.urls"
WSGI_APPLICATION = "watchword.config.wsgi.application"

_APPS = [
    "watchword.ui",
    "watchword.audit",
    "watchword.directory",
    "watchword.factors",
    "watchword.messaging",
    "watchword.signin",
    "watchword.alerts",
    "watchword.applications",
    "watchword.doors.web",
    "watchword.doors.mail",
    "watchword.doors.oidc",
    "watchword.doors.forward_auth",
    "watchword.doors.http_basic",
    "watchword.portal",
    "watchword.admincenter",
]
_DEMO_APPS = ["watchword.messaging.gateways.simulator", "watchword.demo"]


INSTALLED_APPS = [
    "watchword.config.apps.WatchwordConfig",
    "watchword.cli",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.messages",
    *_APPS,
    *(_DEMO_APPS if ENVIRONMENT.demo else []),
]

MIDDLEWARE = [
    "watchword.config.middleware.FrontMiddleware",
    # Probes come by address, so they are answered before the host is checked.
    "watchword.cli.probes.ProbeMiddleware",
    # For each request of each protected page: answered before everything that such a question doesn't need.
    "watchword.doors.forward_auth.answers.ForwardAuthMiddleware",
    "watchword.doors.http_basic.password_checks.PasswordMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    # This one checks the host, before any view runs.
    "django.middleware.common.CommonMiddleware",
    "watchword.config.middleware.SizeMiddleware",
    "watchword.config.static_files.StaticFilesMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "watchword.signin.middleware.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

if WATCHWORD_TRACES_URL:
    MIDDLEWARE.insert(0, "watchword.config.middleware.TracingMiddleware")

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "watchword.ui.context.shell",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = {"default": dict(ENVIRONMENT.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = ENVIRONMENT.language
# Only languages that are translated completely.
LANGUAGES = [("en", "English")]
TIME_ZONE = ENVIRONMENT.time_zone
USE_TZ = True

# In the demo mail is delivered to the embedded mailboxes.
MAILERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "watchword.demo.outgoing_mail.MailboxBackend"}
    if ENVIRONMENT.demo
    else {
        "BACKEND": "watchword.config.email_backend.EmailBackend",
        "OPTIONS": ENVIRONMENT.smtp.options(),
    }
}

STATIC_URL = "static/"
# Served from the folders of the packages: no collectstatic, no build.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "watchword.config.static_files.HashedStorage"},
}

# Browsers ------------------------------------------------------------------------------------------------------------

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "media-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "object-src": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Two years, as browsers' preload lists ask.
SECURE_HSTS_SECONDS = 63_072_000 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
X_FRAME_OPTIONS = "DENY"

CSRF_COOKIE_NAME = f"{WATCHWORD_COOKIE_PREFIX}csrf"
CSRF_COOKIE_SECURE = WATCHWORD_SECURE_COOKIES
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [ENVIRONMENT.public_url]

MESSAGE_STORAGE = "watchword.config.middleware.MessageCookie"
# The cookie of the messages takes its attributes from these; Django's own sessions are not used.
SESSION_COOKIE_SECURE = WATCHWORD_SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

# Logs ----------------------------------------------------------------------------------------------------------------

WATCHWORD_LOG_FORMAT = ENVIRONMENT.log_format
# Otherwise a handler that can't write prints the logged exception itself, with its text, past every formatter.
logging.raiseExceptions = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "watchword.config.logs.LineFormatter"},
        "json": {"()": "watchword.config.logs.JsonFormatter"},
    },
    "filters": {
        "paths": {"()": "watchword.config.logs.PathFilter"},
        "trouble": {"()": "watchword.config.logs.TroubleFilter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": ENVIRONMENT.log_format,
            "filters": ["paths", "trouble"],
        }
    },
    "root": {"handlers": ["console"], "level": ENVIRONMENT.log_level},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django.server": {"handlers": ["console"], "propagate": False},
        # At DEBUG it writes tokens and codes.
        "authlib": {"level": "INFO"},
        # At DEBUG this logger writes every query with its values, secrets included.
        "django.db.backends": {"level": "INFO"},
    },
}
