"""The settings, from the environment or `.env`, checked at start, all faults named at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
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
from pydantic_settings import BaseSettings, SettingsConfigDict

from broker import connection
from storage import engine

__all__ = ["PREFIX", "Settings", "SettingsError", "load_settings"]

PREFIX = "COMPORTA_"
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_TOKEN = re.compile(r"[!-~]+")


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
