"""The settings, from the environment or `.env`, checked at start, all faults named at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from broker import connection
from storage import engine

__all__ = [
    "PREFIX",
    "SettingSource",
    "Settings",
    "SettingsError",
    "Unknown",
    "given_settings",
    "load_settings",
    "program_version",
    "redacted",
    "unknown_names",
]
PREFIX = "COMPORTA_"
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_TOKEN = re.compile(r"[!-~]+")
HIDDEN = "(hidden)"
# The tests' own settings stand in the same environment.
_OF_TESTS = "comporta_test_"


class SettingsError(ValueError):
    """Settings that can't be used: every fault, each with its name and the way out."""


def _database_url(value: str) -> str:
    engine.read_url(value)
    return value


def _erp_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http or https address; leave it out to publish orders to the exchange erp.orders")
    return value


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment or "@" in value)
    # To read the port is what checks it.
    if not plain or parts.port == 0 or not _PATH.fullmatch(parts.path):
        raise ValueError("must be the http or https address that people use, such as https://shop.example/comporta")
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be a token as `comporta operator add` prints it")
    return value


class Settings(BaseSettings):
    """What may be set, each under its name with the prefix `COMPORTA_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    broker_url: Annotated[str, AfterValidator(connection.check_url)] = "memory://"
    database_url: Annotated[str, AfterValidator(_database_url)] = "sqlite:///comporta.db"
    erp_url: Annotated[str, AfterValidator(_erp_url)] | None = None
    orders_in_flight: Annotated[int, Field(ge=1, le=256)] = 32
    receipt_timeout: Annotated[float, Field(gt=0, le=30 * 86_400)] = 900.0
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    batch_ms: Annotated[int, Field(ge=0, le=5_000)] = 20
    prefetch: Annotated[int, Field(ge=1, le=65_535)] | None = None
    admin_host: str = "127.0.0.1"
    admin_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    admin_label: Annotated[str, StringConstraints(max_length=40)] | None = None
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    operators_file: Path | None = None
    token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    log_format: Literal["console", "json"] | None = None
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "INFO"

    @field_validator("admin_label", "public_url", "metrics_port", "operators_file", "token", mode="before")
    @classmethod
    def _unset_if_empty(cls, value: object) -> object:
        # What is not set, docker compose hands on as an empty text.
        return value or None

    @field_validator("prefetch")
    @classmethod
    def _holds_two_batches(cls, prefetch: int | None, info: ValidationInfo) -> int | None:
        batch_size = info.data.get("batch_size")
        if prefetch is not None and batch_size is not None and prefetch < 2 * batch_size:
            raise ValueError(f"must be at least twice BATCH_SIZE ({2 * batch_size})")
        return prefetch

    @property
    def embedded(self) -> bool:
        """Whether the broker lives inside this process."""
        return connection.is_memory(self.broker_url)

    @property
    def prefetch_count(self) -> int:
        """How many deliveries may be unsettled on a queue."""
        return self.prefetch or min(2 * self.batch_size, 65_535)

    @property
    def admin_url(self) -> str:
        """Where the page and the API are."""
        return self.admin_address(self.admin_port)

    def admin_address(self, port: int) -> str:
        """Where they are once the system has chosen the port."""
        host = f"[{self.admin_host}]" if ":" in self.admin_host else self.admin_host
        return f"http://{host}:{port}"


def load_settings(**overrides: object) -> Settings:
    """The settings as they are given; raises `SettingsError` naming every fault."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError(_faults(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SettingsError(f"the file .env in this folder can't be read: {why}") from None


def _faults(error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = PREFIX + str(fault["loc"][0]).upper() if fault["loc"] else PREFIX + "*"
        lines.append(f"  {name}: {fault['msg'].removeprefix('Value error, ')}")
    return "these settings can't be used (environment or .env):\n" + "\n".join(lines)


class SettingSource(NamedTuple):
    """One setting: its name, its value as it may be shown, and whether environment, .env or default gave it."""

    name: str
    value: str | int | float | None
    source: str


class Unknown(NamedTuple):
    """A name with our prefix that is no setting, where it stands, and the setting that was perhaps meant."""

    name: str
    source: str
    meant: str | None


def given_settings(settings: Settings) -> list[SettingSource]:
    """Every setting, in the order they are declared in."""
    places = _places()
    return [
        SettingSource(PREFIX + name.upper(), redacted(name, getattr(settings, name)), _source(name, places))
        for name in Settings.model_fields
    ]


def unknown_names() -> list[Unknown]:
    """What is misspelt, or meant for another version."""
    known = {PREFIX.lower() + name for name in Settings.model_fields}
    found: dict[str, str] = {}
    for source, names in _places().items():
        for name in names:
            if name.startswith(PREFIX.lower()) and not name.startswith(_OF_TESTS) and name not in known:
                found.setdefault(name, source)
    return [Unknown(name.upper(), source, _nearest(name, known)) for name, source in sorted(found.items())]


def redacted(name: str, value: object) -> str | int | float | None:
    """A value without what is secret in it: passwords in addresses, and whatever stands behind their question mark."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if name == "database_url":
        return engine.masked(str(value))
    if isinstance(value, str) and "://" in value:
        return _masked(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _places() -> dict[str, Mapping[str, Any]]:
    """What environment and .env hold, by name in small letters; the first has precedence."""
    return {"environment": EnvSettingsSource(Settings).env_vars, ".env": DotEnvSettingsSource(Settings).env_vars}


def _source(name: str, places: Mapping[str, Mapping[str, Any]]) -> str:
    return next((place for place, found in places.items() if PREFIX.lower() + name in found), "default")


def _nearest(name: str, known: set[str]) -> str | None:
    meant = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return meant[0].upper() if meant else None


def _masked(url: str) -> str:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0] + (":***" if ":" in user else "")
    query = "?***" if parts.query else ""
    return f"{parts.scheme}://{name}{at}{place}{parts.path}{query}"


def program_version() -> str:
    """The version; `0+unknown` where the code runs without having been installed."""
    try:
        return version("comporta")
    except PackageNotFoundError:
        return "0+unknown"
