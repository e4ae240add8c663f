"""E-mail for reminders over SMTP: TLS from the start or by STARTTLS, and never a password without it."""

from __future__ import annotations

import ipaddress
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import orjson

from producers.errors import DeliveryFailed
from rules.mail_server import MailServer

__all__ = ["Mail", "check_mail_server"]

_TIMEOUT = 10.0
# For all steps together: a server that answers slowly each time is given up as well.
_DEADLINE = 30.0
# A login or an address in letters that SMTP does not know is a ValueError.
_FAILURES = (OSError, smtplib.SMTPException, ValueError)
_LANGUAGES = ("pt-BR", "en")


class Mail:
    """Mail server that takes reminders for the recipients of its URL, in both languages."""

    name = "mail"

    def __init__(self, server: MailServer) -> None:
        self._server = server

    def send(self, delivery_id: str, document: str) -> None:
        """Send a reminder; raises `DeliveryFailed` unless the server has taken it for every recipient."""
        message = _message(self._server, delivery_id, document)
        with _session(self._server) as smtp:
            refused = smtp.send_message(message, self._server.sender, list(self._server.recipients))
        if refused:
            codes = sorted({code for code, _ in refused.values()})
            raise DeliveryFailed(f"{len(refused)} recipients refused: {', '.join(map(str, codes))}")

    def close(self) -> None:
        """Close nothing: each mail has its own connection."""


def check_mail_server(server: MailServer) -> None:
    """Connect, encrypt and log in without sending anything; raises `DeliveryFailed`."""
    with _session(server) as smtp:
        smtp.noop()


def _message(server: MailServer, delivery_id: str, document: str) -> EmailMessage:
    data = orjson.loads(document)["data"]
    message = EmailMessage(policy=SMTP)
    # Both languages: the recipients of one address may read either.
    message["Subject"] = f"[Comporta] {' / '.join(data['subject'][language] for language in _LANGUAGES)}"
    message["From"] = server.sender
    message["To"] = ", ".join(server.recipients)
    message["Date"] = format_datetime(datetime.now(UTC))
    # The same at every attempt, so that a mail which was taken after all is known again.
    message["Message-ID"] = f"<{delivery_id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n-- \n".join(data["text"][language] for language in _LANGUAGES) + "\n")
    return message


@contextmanager
def _session(server: MailServer) -> Iterator[smtplib.SMTP]:
    """Yield a session that is encrypted where it can be and logged in; raises `DeliveryFailed`."""
    try:
        smtp = _connect(server)
    except _FAILURES as error:
        raise DeliveryFailed(_explain(error)) from error
    timer = threading.Timer(_DEADLINE, _cut, [smtp])
    timer.daemon = True
    timer.start()
    try:
        _prepare(smtp, server)
        yield smtp
        with suppress(*_FAILURES):
            smtp.quit()
    except _FAILURES as error:
        raise DeliveryFailed(_explain(error)) from error
    finally:
        timer.cancel()
        smtp.close()


def _connect(server: MailServer) -> smtplib.SMTP:
    if server.implicit_tls:
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT, context=ssl.create_default_context())
    return smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT)


def _prepare(smtp: smtplib.SMTP, server: MailServer) -> None:
    smtp.ehlo_or_helo_if_needed()
    encrypted = server.implicit_tls
    if not encrypted and smtp.has_extn("starttls"):
        smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo()
        encrypted = True
    if server.user is None or server.password is None:
        return
    if not encrypted and not _is_loopback(server.host):
        raise DeliveryFailed("no STARTTLS: the server offers none, and the password is not sent in clear text")
    try:
        smtp.login(server.user, server.password)
    except smtplib.SMTPServerDisconnected as error:
        # Some hang up instead of answering; others do while further ways to log in are tried.
        raise DeliveryFailed("login refused: the server has ended the connection") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cut(smtp: smtplib.SMTP) -> None:
    if smtp.sock is not None:
        with suppress(OSError):
            smtp.sock.shutdown(socket.SHUT_RDWR)


def _explain(error: Exception) -> str:
    """Return the kind of a failure; a server's own text is left out: some repeat what they were told."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"login refused: SMTP {error.smtp_code}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"SMTP {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        return f"all recipients refused: SMTP {', '.join(map(str, codes))}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or type(error).__name__}"
    if isinstance(error, socket.gaierror):
        return "unknown host"
    if isinstance(error, TimeoutError):
        return f"no answer: not within {_TIMEOUT:g} s"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "connection broken"
    if isinstance(error, smtplib.SMTPException | ValueError):
        return type(error).__name__
    return f"no connection: {getattr(error, 'strerror', None) or type(error).__name__}"
