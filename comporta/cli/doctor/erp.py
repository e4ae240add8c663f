"""ERP checks: its address, what it answered last, and orders that wait for an operator."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpcore

from comporta.cli.doctor.findings import Finding
from comporta.cli.output import local_time
from comporta.runtime.settings import PREFIX, Settings, redacted
from rules.certificates import certificate_remedy, tls_fault
from rules.orders import OrderState
from schemas.control import ErpFault, StatusDocument
from storage.database import open_database
from storage.errors import StorageError

__all__ = ["erp_findings", "notice_findings", "order_findings", "remedy_for"]

_PATIENCE = 3.0
# A notice takes less than a second, unless no worker publishes it.
_LATE_NOTICE = 60.0
_WANTING = (OrderState.REJECTED, OrderState.STUCK)
_REMEDIES = {
    "HTTP 401": f"check {PREFIX}ERP_TOKEN or {PREFIX}ERP_HEADERS_FILE",
    "HTTP 402": "ask the ERP's operator about the account",
    "HTTP 403": f"check {PREFIX}ERP_TOKEN or {PREFIX}ERP_HEADERS_FILE, and the permissions of this user at the ERP",
    "HTTP 404": f"check the path in {PREFIX}ERP_URL",
    "HTTP 405": f"check the path in {PREFIX}ERP_URL, which has to take POST",
    "HTTP 407": "a proxy asks for a login: let Comporta reach the ERP without it",
    "HTTP 421": f"check the host name in {PREFIX}ERP_URL",
    "HTTP 429": f"the ERP wants fewer orders at once: lower {PREFIX}ORDERS_IN_FLIGHT",
    "returned": "bind a queue to the exchange erp.orders, or start a worker, which declares it",
    "nacked": "see the broker's log: the queue erp.orders may be full",
    "unknown": "see the findings on the broker: it confirms no order",
    "TLS failed": f"check the ERP's certificate, and the host name in {PREFIX}ERP_URL",
    "unknown host": f"check the host name in {PREFIX}ERP_URL, and the name server of this machine",
    "no connection": f"check {PREFIX}ERP_URL, the firewall, and that the ERP is running",
    "no answer": f"check the ERP's load, or give it more time with {PREFIX}ERP_TIMEOUT",
}


def erp_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the finding on the ERP's address: whether it accepts connections; no order is sent."""
    if settings.erp_url is None:
        return
    parts = urlsplit(settings.erp_url)
    where = redacted("erp_url", settings.erp_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _connect(parts.hostname or "", port, tls=parts.scheme == "https")
    except OSError as error:
        reason = tls_fault(error) or error.strerror or "no answer in time"
        remedy = certificate_remedy(reason) or f"check {PREFIX}ERP_URL; until then orders wait"
        yield Finding.error("ERP", f"{where} can't be reached: {reason}", remedy)
        return
    yield Finding.ok("ERP", f"{where} accepts connections")


def _connect(host: str, port: int, *, tls: bool) -> None:
    with socket.create_connection((host, port), timeout=_PATIENCE) as connection:
        if tls:
            # What the orders trust.
            httpcore.default_ssl_context().wrap_socket(connection, server_hostname=host).close()


def order_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what the ERP answered last where no order gets through, and the orders that wait for an operator."""
    document = _status(settings)
    if document is None:
        return
    for shop, fault in document.erp_faults.items():
        since = local_time(fault.since, "seconds")
        yield Finding.error(
            "ERP", f"no order of {shop} has reached it since {since}; the last answer: {fault.error}", remedy_for(fault)
        )
    for state in _WANTING:
        count = sum(states.get(state, 0) for states in document.orders.values())
        if count:
            yield Finding.warning(
                "orders",
                f"{count:,} {state}: an operator has to decide",
                f"`comporta orders list --state {state}` shows why; then `comporta orders retry --state {state}`",
            )


def notice_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the shops that have not heard of their orders for a minute."""
    database = open_database(settings.database_url)
    if not database.is_there:
        return
    try:
        oldest = database.gauges.read().oldest_notice
    except StorageError:
        return
    finally:
        database.close()
    for shop, seconds in oldest.items():
        if seconds > _LATE_NOTICE:
            yield Finding.warning(
                "orders",
                f"{shop} has not heard of its orders for {seconds:,.0f} s: notices wait to be published",
                "start a worker for orders, and let its user write to the exchange comporta.orders; see its log",
            )


def remedy_for(fault: ErpFault) -> str:
    """Return the remedy for a kind of answer."""
    if fault.answer.startswith("HTTP 3"):
        return f"set {PREFIX}ERP_URL to the final address: redirects are not followed"
    return _REMEDIES.get(fault.answer, "see the ERP's log; the orders wait and are sent again by themselves")


def _status(settings: Settings) -> StatusDocument | None:
    """Return the status document, None without a database that can be read: other findings tell about that."""
    database = open_database(settings.database_url)
    if not database.is_there:
        return None
    try:
        return database.views.status()
    except StorageError:
        return None
    finally:
        database.close()
