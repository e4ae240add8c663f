"""Settings of the broker and the database: URL, and hosts, user and password given apart or in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from broker import address as broker_address
from rules.addresses import AddressError, Host, read_address
from storage import engine

__all__ = ["WITHOUT_LOGINS", "ServerSettings"]

_PREFIX = "COMPORTA_"


def _hosts(value: str) -> str:
    try:
        address = read_address(f"any://{value}")
    except AddressError as error:
        raise ValueError(f"{error}; use host:port, several separated by commas") from None
    if not address.hosts or address.user or address.password or address.path or address.query:
        raise ValueError("must be host:port alone, several separated by commas")
    return value


def _password_file(path: Path) -> Path:
    read_password(path)
    return path


def read_password(path: Path) -> str:
    """Read a file that holds a password and nothing else, but for a line break at its end; raises `ValueError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"the file {path} can't be read: {why}") from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise ValueError(f"the file {path} must hold the password alone, on one line")
    return password


class ServerSettings(BaseSettings):
    """Addresses of broker and database, and the login to each; after the checks each URL holds what was given apart."""

    broker_host: Annotated[str, AfterValidator(_hosts)] | None = None
    broker_user: str | None = None
    broker_password: SecretStr | None = None
    broker_password_file: Annotated[Path, AfterValidator(_password_file)] | None = None
    broker_url: Annotated[str, Field(validate_default=True)] = "memory://"
    database_host: Annotated[str, AfterValidator(_hosts)] | None = None
    database_user: str | None = None
    database_password: SecretStr | None = None
    database_password_file: Annotated[Path, AfterValidator(_password_file)] | None = None
    database_url: Annotated[str, Field(validate_default=True)] = "sqlite:///comporta.db"

    @field_validator(
        "broker_host",
        "broker_user",
        "broker_password",
        "broker_password_file",
        "database_host",
        "database_user",
        "database_password",
        "database_password_file",
        mode="before",
    )
    @classmethod
    def _unset_part_if_empty(cls, value: object) -> object:
        # docker compose passes on a variable that is not set as an empty text.
        return value or None

    @field_validator("broker_password_file", "database_password_file")
    @classmethod
    def _is_the_only_password(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        password = f"{info.field_name}".removesuffix("_file")
        if value is not None and info.data.get(password) is not None:
            raise ValueError(f"{_PREFIX}{password.upper()} is set as well: keep one of the two")
        return value

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: str, info: ValidationInfo) -> str:
        embedded = broker_address.is_memory(value)
        url = _with_parts(value, "broker", "memory://" if embedded else "", "amqp:///vhost", info.data)
        try:
            return broker_address.check_url(url)
        except broker_address.BrokerUrlError as error:
            raise ValueError(_with_way_out(str(error), "broker")) from None

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str, info: ValidationInfo) -> str:
        embedded = value.startswith("sqlite")
        url = _with_parts(value, "database", "SQLite" if embedded else "", "postgresql:///name", info.data)
        try:
            engine.read_url(url)
        except engine.DatabaseUrlError as error:
            raise ValueError(_with_way_out(str(error), "database")) from None
        return url


WITHOUT_LOGINS: dict[str, Any] = {name: None for name in ServerSettings.model_fields if not name.endswith("_url")}


def _with_parts(url: str, server: str, embedded: str, form: str, data: dict[str, Any]) -> str:
    """Return the URL with the hosts, the user and the password that were given apart; each may be given only once.

    `embedded` names what has neither, empty for a server.
    """
    parts = {name: data.get(f"{server}_{name}") for name in ("host", "user", "password", "password_file")}
    given = [f"{_PREFIX}{server.upper()}_{name.upper()}" for name, value in parts.items() if value is not None]
    if not given:
        return url
    if embedded:
        raise ValueError(f"{embedded} has no host and no login, but {given[0]} is set: use {form}, or leave that out")
    try:
        address = read_address(url)
    except AddressError:
        # It is checked as it is, and refused.
        return url
    twice = {"host": address.hosts, "user": address.user, "password": address.password is not None}
    for name, there in twice.items():
        if there and (parts[name] or (name == "password" and parts["password_file"])):
            raise ValueError(
                f"it names a {name}, and so does {_PREFIX}{server.upper()}_{name.upper()}: keep one of the two"
            )
    password = parts["password"].get_secret_value() if parts["password"] else address.password
    if parts["password_file"] is not None:
        password = read_password(parts["password_file"])
    hosts: tuple[Host, ...] = read_address(f"any://{parts['host']}").hosts if parts["host"] else address.hosts
    user = parts["user"] or address.user
    if password is not None and user is None:
        raise ValueError(f"there is a password without a user: set {_PREFIX}{server.upper()}_USER")
    return replace(address, hosts=hosts, user=user, password=password).url


def _with_way_out(fault: str, server: str) -> str:
    """Return the fault of a URL; where its password is at fault, with the settings that need no encoding."""
    if "percent-encode" not in fault:
        return fault
    name = f"{_PREFIX}{server.upper()}_PASSWORD"
    return f"{fault}; or give the password apart, as {name} or in a file that {name}_FILE names"
