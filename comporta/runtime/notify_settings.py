"""Settings of the reminders: a webhook with its secret, and a mail server; each secret as a value or in a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from comporta.runtime.erp_access import check_secret
from comporta.runtime.server_settings import read_line
from rules.addresses import AddressError, read_address
from rules.mail_server import MailServer, read_mail_server
from rules.reminders import REMIND_AFTER

if TYPE_CHECKING:
    from control.reminders import Channel

__all__ = ["NotifySettings", "open_channels"]

_PREFIX = "COMPORTA_"


def _check_webhook(value: SecretStr) -> SecretStr:
    form = "must be an http or https address, such as https://chat.example/hooks/comporta"
    try:
        address = read_address(value.get_secret_value())
    except AddressError as error:
        raise ValueError(f"{form}: {error}") from None
    if address.scheme.lower() not in {"http", "https"} or len(address.hosts) != 1:
        raise ValueError(form)
    return SecretStr(address.url)


def _check_mail(value: SecretStr) -> SecretStr:
    read_mail_server(value.get_secret_value())
    return value


def _check_file(path: Path) -> Path:
    read_line(path)
    return path


SecretFile = Annotated[Path, AfterValidator(_check_file)]
_CHECKS = {"notify_url": _check_webhook, "notify_secret": check_secret, "smtp_url": _check_mail}


class NotifySettings(BaseSettings):
    """Settings of the reminders; an address is a secret, too: many webhooks have a token in their path."""

    model_config = SettingsConfigDict(defer_build=True)

    notify_url: Annotated[SecretStr, AfterValidator(_check_webhook)] | None = None
    notify_url_file: SecretFile | None = None
    notify_secret: Annotated[SecretStr, AfterValidator(check_secret)] | None = None
    notify_secret_file: SecretFile | None = None
    smtp_url: Annotated[SecretStr, AfterValidator(_check_mail)] | None = None
    smtp_url_file: SecretFile | None = None
    notify_after: Annotated[float, Field(gt=0, le=30 * 86_400)] = REMIND_AFTER.total_seconds()

    @field_validator(*(f"{name}{end}" for name in _CHECKS for end in ("", "_file")), mode="before")
    @classmethod
    def _unset_notify_if_empty(cls, value: object) -> object:
        # docker compose passes on a variable that is not set as an empty text.
        return value or None

    @field_validator(*(f"{name}_file" for name in _CHECKS))
    @classmethod
    def _file_is_valid(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        name = f"{info.field_name}".removesuffix("_file")
        if value is None:
            return None
        if info.data.get(name) is not None:
            raise ValueError(f"{_PREFIX}{name.upper()} is set as well: keep one of the two")
        try:
            _CHECKS[name](SecretStr(read_line(value)))
        except ValueError as error:
            raise ValueError(f"the file {value}: {error}") from None
        return value

    @property
    def webhook_url(self) -> str | None:
        """Return the address of the webhook."""
        found = self._secret("notify_url")
        return None if found is None else _check_webhook(SecretStr(found)).get_secret_value()

    @property
    def webhook_secret(self) -> str | None:
        """Return the secret that signs the webhook."""
        return self._secret("notify_secret")

    @property
    def mail_server(self) -> MailServer | None:
        """Return the mail server."""
        found = self._secret("smtp_url")
        return None if found is None else read_mail_server(found)

    @property
    def reminds(self) -> bool:
        """Return whether reminders are sent at all."""
        return self.webhook_url is not None or self.mail_server is not None

    @property
    def remind_after(self) -> timedelta:
        """Return the time after which a pause without an end is off too long."""
        return timedelta(seconds=self.notify_after)

    def _secret(self, name: str) -> str | None:
        value: Any = getattr(self, name)
        path: Path | None = getattr(self, f"{name}_file")
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return None if path is None else read_line(path)


def open_channels(settings: NotifySettings) -> list[Channel]:
    """Return the ways on which these settings deliver reminders."""
    # Imported here: settings are checked by every command, and few of them send anything.
    from producers.mail import Mail
    from producers.signature import parse_keys
    from producers.webhook import Webhook

    channels: list[Channel] = []
    if (url := settings.webhook_url) is not None:
        secret = settings.webhook_secret
        channels.append(Webhook(url, () if secret is None else parse_keys(secret)))
    if (server := settings.mail_server) is not None:
        channels.append(Mail(server))
    return channels
