"""Mail server by URL: smtp://user:password@host:port?from=…&to=…, or smtps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from rules.addresses import AddressError, read_address

__all__ = ["MailServer", "read_mail_server"]

_FORM = "must be smtp://user:password@host:587?from=comporta@shop.example&to=ana@shop.example, or smtps://"
_PORTS = {"smtp": 587, "smtps": 465}
# Nothing that ends a line or a header's address.
_MAILBOX = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
# Mail addresses have an @ as a login has: they are taken off first.
_QUERY = re.compile(r"\?(?=(?:from|to)=)")
_MOST_RECIPIENTS = 50


@dataclass(frozen=True, slots=True)
class MailServer:
    """Mail server with its login, the sender and the recipients; `implicit_tls` is that of smtps."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    implicit_tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def read_mail_server(text: str) -> MailServer:
    """Read the URL of a mail server; raises `ValueError`, which repeats no part of it."""
    base, query_text = [*_QUERY.split(text, maxsplit=1), ""][:2]
    try:
        address = read_address(base)
    except AddressError as error:
        raise ValueError(f"{_FORM}: {error}") from None
    port = _PORTS.get(address.scheme.lower())
    if port is None or len(address.hosts) != 1 or address.query or address.path not in ("", "/"):
        raise ValueError(_FORM)
    try:
        query = parse_qs(query_text, keep_blank_values=True, strict_parsing=bool(query_text))
    except ValueError:
        raise ValueError(f"{_FORM}: the part after ? is unreadable") from None
    if unknown := query.keys() - {"from", "to"}:
        raise ValueError(f"{_FORM}: after ? only from and to are known ({len(unknown)} others)")
    senders = _mailboxes(query.get("from", []), "from")
    recipients = _mailboxes(query.get("to", []), "to")
    if len(senders) != 1:
        raise ValueError(f"{_FORM}: from must be one address")
    if not 0 < len(recipients) <= _MOST_RECIPIENTS:
        raise ValueError(f"{_FORM}: to must be 1 to {_MOST_RECIPIENTS} addresses, separated by commas")
    if (address.user is None) != (address.password is None):
        raise ValueError(f"{_FORM}: user and password belong together")
    [host] = address.hosts
    return MailServer(
        host.name,
        host.port or port,
        senders[0],
        recipients,
        address.user,
        address.password,
        address.scheme.lower() == "smtps",
    )


def _mailboxes(values: list[str], name: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))
    if not all(_MAILBOX.fullmatch(mailbox) for mailbox in found):
        raise ValueError(f"{_FORM}: {name} holds something that is no mail address")
    return found
