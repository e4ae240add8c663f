"""Settings of the broker, its management and the database: URL, and hosts, user and password apart or in files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from broker import address as broker_address
from comporta.runtime.sourced_settings import SourcedSettings
from rules.addresses import AddressError, Host, read_address
from storage import engine

__all__ = ["WITHOUT_LOGINS", "ServerSettings"]

_PREFIX = "COMPORTA_"
_PARTS = ("host", "user", "password")


def _hosts(value: str) -> str:
    try:
        address = read_address(f"any://{value}")
    except AddressError as error:
        raise ValueError(f"{error}; use host:port, several separated by commas") from None
    if not address.hosts or address.user or address.password or address.path or address.query:
        raise ValueError("must be host:port alone, several separated by commas")
    return value


def _line_file(path: Path) -> Path:
    read_line(path)
    return path


def _hosts_file(path: Path) -> Path:
    try:
        _hosts(read_line(path))
    except ValueError as error:
        where = "" if str(path) in str(error) else f"the file {path}: "
        raise ValueError(f"{where}{error}") from None
    return path


def read_line(path: Path) -> str:
    """Read a file that holds one value and nothing else, but for a line break at its end; raises `ValueError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"the file {path} can't be read: {why}") from None
    line = text.removesuffix("\n").removesuffix("\r")
    if not line or "\n" in line:
        raise ValueError(f"the file {path} must hold the value alone, on one line")
    return line


class ServerSettings(SourcedSettings):
    """Addresses of the servers, and the login to each; after the checks each URL holds what was given apart."""

    model_config = SettingsConfigDict(defer_build=True)

    broker_host: Annotated[str, AfterValidator(_hosts)] | None = None
    broker_host_file: Annotated[Path, AfterValidator(_hosts_file)] | None = None
    broker_user: str | None = None
    broker_user_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    broker_password: SecretStr | None = None
    broker_password_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    broker_url: Annotated[str, Field(validate_default=True)] = "memory://"
    database_host: Annotated[str, AfterValidator(_hosts)] | None = None
    database_host_file: Annotated[Path, AfterValidator(_hosts_file)] | None = None
    database_user: str | None = None
    database_user_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    database_password: SecretStr | None = None
    database_password_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    database_url: Annotated[str, Field(validate_default=True)] = "sqlite:///comporta.db"

    management_user: str | None = None
    management_user_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    management_password: SecretStr | None = None
    management_password_file: Annotated[Path, AfterValidator(_line_file)] | None = None
    management_url: str | None = None

    @field_validator(
        "broker_host",
        "broker_host_file",
        "broker_user",
        "broker_user_file",
        "broker_password",
        "broker_password_file",
        "database_host",
        "database_host_file",
        "database_user",
        "database_user_file",
        "database_password",
        "database_password_file",
        "management_user",
        "management_user_file",
        "management_password",
        "management_password_file",
        "management_url",
        mode="before",
    )
    @classmethod
    def _unset_part_if_empty(cls, value: object) -> object:
        # docker compose passes on a variable that is not set as an empty text.
        return value or None

    @field_validator(
        *(f"{server}_{part}_file" for server in ("broker", "database") for part in _PARTS),
        "management_user_file",
        "management_password_file",
    )
    @classmethod
    def _is_the_only_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        part = f"{info.field_name}".removesuffix("_file")
        if value is not None and info.data.get(part) is not None:
            raise ValueError(f"{_PREFIX}{part.upper()} is set as well: keep one of the two")
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

    @field_validator("management_url")
    @classmethod
    def _management(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        try:
            address = read_address(_with_parts(value, "management", "", "http://host:15672", info.data))
        except AddressError as error:
            raise ValueError(_with_way_out(str(error), "management")) from None
        if address.scheme not in {"http", "https"} or len(address.hosts) != 1 or address.query:
            raise ValueError("must be the address of RabbitMQ's management, such as http://host:15672")
        return replace(address, path=address.path.rstrip("/")).url

    def database_login(self) -> dict[str, str]:
        """Return what the files of the database's user and password hold now; one that can't be read is left out."""
        files = {"user": self.database_user_file, "password": self.database_password_file}
        login: dict[str, str] = {}
        for part, path in files.items():
            with suppress(ValueError):
                login |= {} if path is None else {part: read_line(path)}
        return login


WITHOUT_LOGINS: dict[str, Any] = {name: None for name in ServerSettings.model_fields if not name.endswith("_url")}


def _with_parts(url: str, server: str, embedded: str, form: str, data: dict[str, Any]) -> str:
    """Return the URL with the hosts, the user and the password that were given apart; each may be given only once.

    `embedded` names what has neither, empty for a server.
    """
    names = [name for part in _PARTS for name in (part, f"{part}_file") if data.get(f"{server}_{name}") is not None]
    if not names:
        return url
    given = {name.removesuffix("_file"): f"{_PREFIX}{server.upper()}_{name.upper()}" for name in names}
    if embedded:
        first = next(iter(given.values()))
        raise ValueError(f"{embedded} has no host and no login, but {first} is set: use {form}, or leave that out")
    try:
        address = read_address(url)
    except AddressError:
        # It is checked as it is, and refused.
        return url
    twice = {"host": address.hosts, "user": address.user, "password": address.password is not None}
    for name, there in twice.items():
        if there and name in given:
            raise ValueError(f"it names a {name}, and so does {given[name]}: keep one of the two")
    parts = {name.removesuffix("_file"): _part(data[f"{server}_{name}"]) for name in names}
    hosts: tuple[Host, ...] = read_address(f"any://{parts['host']}").hosts if "host" in parts else address.hosts
    user, password = parts.get("user", address.user), parts.get("password", address.password)
    if password is not None and user is None:
        raise ValueError(f"there is a password without a user: set {_PREFIX}{server.upper()}_USER")
    return replace(address, hosts=hosts, user=user, password=password).url


def _part(value: str | SecretStr | Path) -> str:
    if isinstance(value, Path):
        return read_line(value)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _with_way_out(fault: str, server: str) -> str:
    """Return the fault of a URL; where its password is at fault, with the settings that need no encoding."""
    if "percent-encode" not in fault:
        return fault
    name = f"{_PREFIX}{server.upper()}_PASSWORD"
    return f"{fault}; or give the password apart, as {name} or in a file that {name}_FILE names"
