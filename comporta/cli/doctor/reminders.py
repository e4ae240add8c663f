"""Reminder checks: the webhook's address, the mail server with its login, and what could not be delivered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from comporta.cli.doctor.findings import Finding
from comporta.runtime.settings import PREFIX, Settings
from producers.errors import DeliveryFailed
from producers.mail import check_mail_server
from storage.database import open_database
from storage.errors import StorageError
from storage.reminders import last_failure

__all__ = ["reminder_findings"]

_PATIENCE = 3.0


def reminder_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings on each way that is set; nothing is sent."""
    url, server = settings.webhook_url, settings.mail_server
    if url is not None:
        yield _webhook(url, signed=settings.webhook_secret is not None)
    if server is not None:
        try:
            check_mail_server(server)
        except DeliveryFailed as error:
            yield Finding.error("reminders", f"the mail server {server}: {error}", f"check {PREFIX}SMTP_URL")
        else:
            login = "" if server.user is None else " and its login"
            yield Finding.ok("reminders", f"the mail server {server} takes mail{login}")
    if url is not None or server is not None:
        yield from _undelivered(settings)


def _webhook(url: str, *, signed: bool) -> Finding:
    parts = urlsplit(url)
    # Only the host: the path may hold a token.
    port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
    where = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE).close()
    except OSError as error:
        reason = error.strerror or "no answer in time"
        return Finding.error("reminders", f"the webhook at {where}: {reason}", f"check {PREFIX}NOTIFY_URL")
    if not signed:
        return Finding.warning(
            "reminders",
            f"the webhook at {where} accepts connections, and is not signed",
            f"set {PREFIX}NOTIFY_SECRET, so that its receiver can tell who has sent it",
        )
    return Finding.ok("reminders", f"the webhook at {where} accepts connections")


def _undelivered(settings: Settings) -> Iterator[Finding]:
    database = open_database(settings.database_url)
    if not database.is_there:
        return
    try:
        failure = last_failure(database.fence)
    except StorageError:
        # Other findings tell about the database.
        return
    finally:
        database.close()
    if failure is not None:
        channel, error = failure
        yield Finding.warning(
            "reminders", f"a reminder by {channel} was not delivered: {error}", "it is tried again for some hours"
        )
