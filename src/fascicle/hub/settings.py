"""What Django is told: everything follows from a `fascicle.hub.config.HubConfig`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from fascicle.hub.config import HubConfig

SQLITE = (
    "PRAGMA journal_mode=WAL;"  # readers do not wait for a writer
    "PRAGMA synchronous=FULL;"  # what was acknowledged outlives a loss of power
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-8000;"  # kB, for each connection
)


def django_settings(config: HubConfig) -> dict[str, Any]:
    """Return the arguments of ``django.conf.settings.configure``.

    Parameters
    ----------
    config : HubConfig
        The hub; it is there as ``django.conf.settings.HUB``.
    """
    secure = config.url.startswith("https://")
    return {
        "HUB": config,
        "SECRET_KEY": secret_key(config.state),
        "DEBUG": config.debug,
        "ALLOWED_HOSTS": config.hosts,
        "CSRF_TRUSTED_ORIGINS": [config.url],
        "ROOT_URLCONF": "fascicle.hub.urls",
        "DATABASES": {"default": database(config)},
        "AUTH_USER_MODEL": "hub.LabMember",
        "AUTHENTICATION_BACKENDS": ["fascicle.hub.rest.throttling.Throttled"],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "USE_TZ": False,  # times are naive, as in Alyx
        "TIME_ZONE": "UTC",  # for formats alone: nothing is converted
        "USE_I18N": False,
        "LANGUAGE_CODE": "en-gb",
        "FORMAT_MODULE_PATH": "fascicle.hub.formats",
        "APPEND_SLASH": False,
        "INSTALLED_APPS": [
            "fascicle.hub.apps.HubAdminApp",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "fascicle.hub.apps.HubApp",
        ],
        "MIDDLEWARE": [
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "fascicle.hub.rest.limits.Limits",
            "fascicle.hub.rest.auth.RequireLogin",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        "STATIC_URL": "/static/",
        "CSRF_FAILURE_VIEW": "fascicle.hub.pages.forgery",
        "LOGIN_URL": "/login",
        "LOGIN_REDIRECT_URL": "/",
        "LOGOUT_REDIRECT_URL": "/login",
        "SESSION_COOKIE_NAME": "fascicle_hub",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_SECURE": secure,
        "CSRF_COOKIE_SAMESITE": "Lax",
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if secure else None,
        "SECURE_CONTENT_TYPE_NOSNIFF": True,
        "SECURE_REFERRER_POLICY": "same-origin",
        "X_FRAME_OPTIONS": "DENY",
        "AUTH_PASSWORD_VALIDATORS": [
            {"NAME": f"django.contrib.auth.password_validation.{name}"}
            for name in (
                "UserAttributeSimilarityValidator",
                "MinimumLengthValidator",
                "CommonPasswordValidator",
                "NumericPasswordValidator",
            )
        ],
        "DATA_UPLOAD_MAX_MEMORY_SIZE": int(config.upload_mb * 1e6),
        "FILE_UPLOAD_MAX_MEMORY_SIZE": 2_500_000,
        "MEDIA_ROOT": str(config.uploads),
        "LOGGING": _logging(),
        "SILENCED_SYSTEM_CHECKS": [],
    }


def database(config: HubConfig) -> dict[str, Any]:
    """Return Django's description of the database."""
    if config.sqlite is not None:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(config.sqlite),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                "init_command": SQLITE,
                # A transaction that begins with a read and then writes fails at once where another
                # wrote meanwhile; one that says at its beginning that it writes waits its turn.
                "transaction_mode": "IMMEDIATE",
            },
        }
    url = urlsplit(config.database)
    options: dict[str, Any] = dict(parse_qsl(url.query))
    if config.query_seconds:
        limit = f"-c statement_timeout={int(config.query_seconds * 1000)}"
        options["options"] = f"{options.get('options', '')} {limit}".strip()
    # Compiling a statement to machine code takes longer than any that a hub has.
    options["options"] = f"{options.get('options', '')} -c jit=off".strip()
    options.setdefault("connect_timeout", "10")
    # Statements are planned once where `fascicle.hub.rest.prepared` says so, and only there; a pool
    # between the hub and its database may not allow it: ?prepare_threshold=none
    prepare = str(options.pop("prepare_threshold", "")).lower() != "none"
    options["prepare_threshold"] = 2**31 if prepare else None
    host = options.pop("host", None) or unquote(url.hostname or "")
    return {
        "ENGINE": "fascicle.hub.postgres",
        "NAME": unquote(url.path.lstrip("/")),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": host,
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


def secret_key(state: Path) -> str:
    """Return the hub's secret, made on first use in a file that its owner alone may read."""
    path = state / "secret"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        state.mkdir(parents=True, exist_ok=True)
    beside = state / f".secret.{os.getpid()}"
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(64))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)  # unlike a rename it does not replace another process's
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    finally:
        beside.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()


def _logging() -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": {
            "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
            "fascicle": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }
