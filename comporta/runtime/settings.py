"""Settings from the environment or `.env`, checked at start; one error names every fault."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
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
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from broker.address import is_memory
from comporta.runtime.erp_access import (
    check_headers_file,
    check_order_queues,
    check_resync_modes,
    check_secret,
    check_token,
    check_url,
    other_login,
)
from comporta.runtime.http.limits import HttpSettings
from comporta.runtime.metric_shops import DEFAULT_METRICS_SHOPS
from comporta.runtime.notify_settings import NotifySettings
from comporta.runtime.operator_settings import OperatorSettings
from comporta.runtime.partition_settings import PartitionSettings
from comporta.runtime.shop_list import check_shops, shop_rules
from rules.addresses import AddressError, read_address
from rules.full_load import DEFAULT_MAX_DELETES, DEFAULT_TIMEOUT
from rules.order_routes import OrderRoutes, parse_order_routes
from rules.orders import ORDER_ATTEMPTS
from rules.resync import MOST_OUTSTANDING, ResyncModes, parse_resync_modes
from rules.retention import Retention
from rules.shops import DEFAULT_MAX_SHOPS, ShopRules
from storage import engine

__all__ = [
    "PREFIX",
    "SettingSource",
    "Settings",
    "SettingsError",
    "UnknownSetting",
    "load_settings",
    "redacted",
    "setting_sources",
    "unknown_names",
]
PREFIX = "COMPORTA_"
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_TOKEN = re.compile(r"[!-~]+")
HIDDEN = "(hidden)"
# The tests have settings of their own in the same environment.
_TEST_PREFIX = "comporta_test_"


class SettingsError(ValueError):
    """Invalid settings: every fault with the name of its setting and the remedy."""


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment or "@" in value)
    # Reading `port` validates it: it raises `ValueError` if out of range.
    if not plain or parts.port == 0 or not _PATH.fullmatch(parts.path):
        raise ValueError("must be the http or https address that people use, such as https://shop.example/comporta")
    return value.rstrip("/")


def _token(value: SecretStr) -> SecretStr:
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be a token as `comporta operator add` prints it")
    return value


class Settings(NotifySettings, OperatorSettings, PartitionSettings, HttpSettings):
    """Settings; each is read from the variable of its name with the prefix `COMPORTA_`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    disk_free_mb: Annotated[int, Field(ge=0, le=1_000_000_000)] = 50
    erp_url: Annotated[str, AfterValidator(check_url)] | None = None
    erp_cancel_url: Annotated[str, AfterValidator(check_url)] | None = None
    erp_resync_url: Annotated[str, AfterValidator(check_url)] | None = None
    erp_order_queues: Annotated[str, AfterValidator(check_order_queues)] = "false"
    erp_token: Annotated[SecretStr, AfterValidator(check_token)] | None = None
    erp_headers_file: Annotated[Path, AfterValidator(check_headers_file)] | None = None
    erp_signing_secret: Annotated[SecretStr, AfterValidator(check_secret)] | None = None
    # Shorter than the lease of an order, so that no other worker sends an order that is still on its way.
    erp_timeout: Annotated[float, Field(gt=0, le=45)] = 10.0
    erp_connect_timeout: Annotated[float, Field(gt=0, le=45)] = 5.0
    order_attempts: Annotated[int, Field(ge=1, le=10_000)] = ORDER_ATTEMPTS
    orders_in_flight: Annotated[int, Field(ge=1, le=256)] = 32
    resync_after: Annotated[float, Field(ge=0, le=30 * 86_400)] = 600.0
    resync_on_resume: Annotated[str, AfterValidator(check_resync_modes)] = "ask"
    resync_outstanding: Annotated[int, Field(ge=1, le=1_000_000)] = MOST_OUTSTANDING
    receipt_timeout: Annotated[float, Field(gt=0, le=30 * 86_400)] = 900.0
    clock_ahead: Annotated[float, Field(ge=0, le=3650 * 86_400)] = 86_400.0
    changes: bool = False
    history: Annotated[int, Field(ge=0, le=1_000)] = 0
    changes_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 48.0
    shops: Annotated[str, AfterValidator(check_shops)] = "open"
    max_shops: Annotated[int, Field(ge=1, le=1_000_000)] = DEFAULT_MAX_SHOPS
    metrics_shops: Annotated[int, Field(ge=0, le=100_000)] = DEFAULT_METRICS_SHOPS
    full_load_max_deletes: Annotated[float, Field(ge=0, le=100)] = DEFAULT_MAX_DELETES
    full_load_timeout: Annotated[float, Field(gt=0, le=365 * 86_400)] = DEFAULT_TIMEOUT.total_seconds()
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

    @field_validator(
        "admin_label",
        "erp_headers_file",
        "erp_signing_secret",
        "erp_token",
        "metrics_port",
        "operators_file",
        "public_url",
        "token",
        mode="before",
    )
    @classmethod
    def _unset_if_empty(cls, value: object) -> object:
        # docker compose passes on a variable that is not set as an empty text.
        return value or None

    @field_validator("prefetch")
    @classmethod
    def _holds_two_batches(cls, prefetch: int | None, info: ValidationInfo) -> int | None:
        batch_size = info.data.get("batch_size")
        if prefetch is not None and batch_size is not None and prefetch < 2 * batch_size:
            raise ValueError(f"must be at least twice BATCH_SIZE ({2 * batch_size})")
        return prefetch

    @field_validator("erp_token", "erp_headers_file")
    @classmethod
    def _is_the_only_login(cls, value: SecretStr | Path | None, info: ValidationInfo) -> SecretStr | Path | None:
        if value is not None:
            for url in ("erp_url", "erp_cancel_url", "erp_resync_url"):
                login = other_login(value, info.data.get(url), info.data.get("erp_token"))
                if login is not None:
                    raise ValueError(f"{login} logs in as well: keep one of the two")
        return value

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Return the settings without their secrets, for `repr` and `str`."""
        return ((name, redacted(name, getattr(self, name))) for name in type(self).model_fields)

    @property
    def embedded(self) -> bool:
        """Return whether the broker is embedded in this process (`memory://`)."""
        return is_memory(self.broker_url)

    @property
    def retention(self) -> Retention:
        """Return the retention of these settings; once no versions are kept, the history goes."""
        return replace(super().retention, history=None if self.history else timedelta(0))

    @property
    def shop_rules(self) -> ShopRules:
        """Return the rules for shops that are not known."""
        return shop_rules(self.shops, self.max_shops)

    @property
    def resync_modes(self) -> ResyncModes:
        """Return what follows a resume, by shop."""
        return parse_resync_modes(self.resync_on_resume)

    @property
    def order_routes(self) -> OrderRoutes:
        """Return the shops whose orders go to a queue of their own."""
        return parse_order_routes(self.erp_order_queues)

    @property
    def prefetch_count(self) -> int:
        """Return the number of deliveries that may be unsettled on a queue."""
        return self.prefetch or min(2 * self.batch_size, 65_535)

    @property
    def admin_url(self) -> str:
        """Return the address of the page and the API."""
        return self.admin_address(self.admin_port)

    def admin_address(self, port: int) -> str:
        """Return the address with this port, which the system has chosen where ADMIN_PORT is 0."""
        host = f"[{self.admin_host}]" if ":" in self.admin_host else self.admin_host
        return f"http://{host}:{port}"


def load_settings(**overrides: object) -> Settings:
    """Return the settings, with the overrides; raises `SettingsError` that names every fault."""
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
    """Setting with its value, secrets hidden, and its source: `environment`, `.env` or `default`."""

    name: str
    value: str | int | float | None
    source: str


class UnknownSetting(NamedTuple):
    """Name with the prefix `COMPORTA_` that is not a setting, its source, and the most similar setting, if any."""

    name: str
    source: str
    meant: str | None


def setting_sources(settings: Settings) -> list[SettingSource]:
    """Return every setting with its source, in the order of declaration."""
    sources = _sources()
    return [
        SettingSource(PREFIX + name.upper(), redacted(name, getattr(settings, name)), _source(name, sources))
        for name in Settings.model_fields
    ]


def unknown_names() -> list[UnknownSetting]:
    """Return the names that are not settings of this version: misspelt, or meant for another one."""
    known = {PREFIX.lower() + name for name in Settings.model_fields}
    unknown: dict[str, str] = {}
    for source, names in _sources().items():
        for name in names:
            if name.startswith(PREFIX.lower()) and not name.startswith(_TEST_PREFIX) and name not in known:
                unknown.setdefault(name, source)
    return [UnknownSetting(name.upper(), source, _nearest(name, known)) for name, source in sorted(unknown.items())]


def redacted(name: str, value: object) -> str | int | float | None:
    """Return a value without its secrets: tokens, and in addresses the password and the query."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if name == "database_url":
        return engine.masked(str(value))
    if isinstance(value, str) and "://" in value:
        return _masked(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _sources() -> dict[str, Mapping[str, Any]]:
    """Return the variables of each source by lower-case name; the first source has precedence."""
    return {"environment": EnvSettingsSource(Settings).env_vars, ".env": DotEnvSettingsSource(Settings).env_vars}


def _source(name: str, sources: Mapping[str, Mapping[str, Any]]) -> str:
    return next((source for source, names in sources.items() if PREFIX.lower() + name in names), "default")


def _nearest(name: str, known: set[str]) -> str | None:
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return matches[0].upper() if matches else None


def _masked(url: str) -> str:
    try:
        address = read_address(url)
    except AddressError:
        return "(unreadable URL)"
    return address.masked + ("?***" if address.query else "")
