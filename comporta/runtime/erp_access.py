"""Access to the ERP's address from the settings: bearer token, further headers from a file, and signing keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from producers.signature import parse_keys
from rules.addresses import AddressError, read_address
from rules.order_routes import parse_order_routes
from rules.resync import parse_resync_modes

if TYPE_CHECKING:
    from comporta.runtime.settings import Settings
    from producers.erp import ErpAccess

__all__ = [
    "check_headers_file",
    "check_order_queues",
    "check_resync_modes",
    "check_secret",
    "check_token",
    "check_url",
    "erp_access",
    "other_login",
    "read_headers",
]

# RFC 9110: a field name is a token (5.1), a value is printable ASCII with single blanks and tabs inside (5.5).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?")
_TOKEN = re.compile(r"[!-~]+")
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "idempotency-key",
        "transfer-encoding",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)


def read_headers(path: Path) -> dict[str, str]:
    """Read a file with one `Name: value` a line; empty lines and lines that begin with # are left out.

    Raises `ValueError` that names the line and never repeats it: it may hold a secret.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"the file {path} can't be read: {why}") from None
    headers: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, value = _header(line, f"line {number} of {path}")
        if name.lower() in {known.lower() for known in headers}:
            raise ValueError(f"line {number} of {path} repeats the header {name}: keep one of them")
        headers[name] = value
    return headers


def _header(line: str, where: str) -> tuple[str, str]:
    name, colon, value = (part.strip(" \t") for part in line.partition(":"))
    if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError(f"{where} must be a header such as `X-Api-Key: secret`, in ASCII")
    if name.lower() in _OURS:
        raise ValueError(f"{where}: Comporta itself sets the header {name}; remove the line")
    return name, value


def check_url(value: str) -> str:
    """Return the ERP's address with its login percent-encoded; raises `ValueError`."""
    form = "must be an http or https address; leave it out to publish orders to the exchange erp.orders"
    try:
        address = read_address(value)
    except AddressError as error:
        raise ValueError(f"{form}: {error}") from None
    if address.scheme.lower() not in {"http", "https"} or len(address.hosts) != 1:
        raise ValueError(form)
    return address.url


def check_token(value: SecretStr) -> SecretStr:
    """Return a bearer token that a header can carry; raises `ValueError`."""
    if not _TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("must be the ERP's token alone, without blanks and without `Bearer`")
    return value


def check_secret(value: SecretStr) -> SecretStr:
    """Return a secret that holds signing keys; raises `ValueError`."""
    try:
        parse_keys(value.get_secret_value())
    except ValueError:
        raise ValueError(
            "must be `whsec_` and 24 to 64 random bytes in base64, as `openssl rand -base64 32` prints them; "
            "several, separated by blanks, while the receiver changes from one to the next"
        ) from None
    return value


def check_headers_file(value: Path) -> Path:
    """Return the path of a file that holds headers; raises `ValueError`."""
    read_headers(value)
    return value


def check_order_queues(value: str) -> str:
    """Return which shops have an order queue of their own, in a form that can be parsed; raises `ValueError`."""
    parse_order_routes(value)
    return value


def check_resync_modes(value: str) -> str:
    """Return what follows a resume, in a form that can be parsed; raises `ValueError`."""
    parse_resync_modes(value)
    return value


def other_login(value: SecretStr | Path, url: str | None, token: SecretStr | None) -> str | None:
    """Return the login beside a token or a file with `Authorization`: the ERP would get only one of the two."""
    if isinstance(value, Path) and "authorization" not in {name.lower() for name in read_headers(value)}:
        return None
    if "@" in urlsplit(url or "").netloc:
        return "the user in the ERP's address"
    return "the ERP's token" if isinstance(value, Path) and token is not None else None


def erp_access(settings: Settings) -> ErpAccess:
    """Return the access of checked settings."""
    # Imported here: settings are checked by every command, and few of them deliver orders.
    from producers.erp import ErpAccess

    headers = {} if settings.erp_headers_file is None else read_headers(settings.erp_headers_file)
    if settings.erp_token is not None:
        headers["Authorization"] = f"Bearer {settings.erp_token.get_secret_value()}"
    secret = settings.erp_signing_secret
    return ErpAccess(headers, () if secret is None else parse_keys(secret.get_secret_value()))
