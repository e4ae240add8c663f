"""The two ways to the ERP: a queue that it reads, or an address that it answers at (contract, section 6)."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from producers.events import message_id_of
from producers.messages import Fate, OutgoingMessage, PublishResult
from producers.publisher import Publisher
from rules.orders import DeliveryStatus, ErpResponse
from schemas.orders import order_event
from schemas.text import printable
from schemas.topology import ORDERS_OUT

__all__ = ["AmqpErpGateway", "ErpGateway", "HttpErpGateway", "Order"]

# The shop, the order's id and all that the shop said of it.
Order = tuple[str, str, Mapping[str, Any]]

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_ACCEPTED = frozenset({httpx.codes.OK, httpx.codes.CREATED, httpx.codes.CONFLICT})
# These say "not now", unlike the other 4xx.
_AGAIN = frozenset({408, 425, 429})
_LONGEST_NUMBER = 255


class ErpGateway(Protocol):
    """Hand orders to the ERP; `concurrency_factor` times as many at once as may be with the ERP itself."""

    concurrency_factor: int

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Sends orders on their way; an answer never raises for what an ERP or a network may do."""

    def close(self) -> None:
        """Closes its connections."""


class AmqpErpGateway:
    """Publishes each order to `erp.orders`; the number comes later, as a receipt.

    How many the ERP has in hand it decides itself by what it reads. What a slice costs is a wait for the broker's
    disk, whatever its size.
    """

    concurrency_factor = 4

    def __init__(self, url: str, deadline: float = 30.0) -> None:
        self._publisher = Publisher(url, name="orders", deadline=deadline)

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """All at once, and every answer is there: a thread for each would cost more than the publishing."""
        now = datetime.now(UTC)
        messages = (
            OutgoingMessage(ORDERS_OUT, shop, order_event(shop, order_id, payload, now), message_id_of(order_id))
            for shop, order_id, payload in orders
        )
        return [_known(_sent(result)) for result in self._publisher.publish_all(messages)]

    def close(self) -> None:
        """Closes its connection."""
        self._publisher.close()


class HttpErpGateway:
    """POSTs each order as JSON; the idempotency key is the same at every attempt."""

    concurrency_factor = 1

    def __init__(self, url: str, at_once: int, timeout: httpx.Timeout = _TIMEOUT) -> None:
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        self._url = url
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="order")
        self._client = httpx.Client(timeout=timeout, limits=limits, follow_redirects=False, trust_env=False)

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Each in a thread, at most `at_once` together."""
        return [self._pool.submit(self.deliver, *order) for order in orders]

    def deliver(self, shop: str, order_id: str, payload: Mapping[str, Any]) -> ErpResponse:
        """What the ERP answers to one order, by status."""
        headers = {"Idempotency-Key": _header(f"{shop}/{order_id}")}
        try:
            response = self._client.post(self._url, json=payload, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return ErpResponse(DeliveryStatus.FAILED, error=f"{type(error).__name__}: {error}")
        return _answer(response)

    def close(self) -> None:
        """Closes its connections: what hangs ends with an error, and then the threads end."""
        self._client.close()
        self._pool.shutdown()


def _known(answer: ErpResponse) -> Future[ErpResponse]:
    future: Future[ErpResponse] = Future()
    future.set_result(answer)
    return future


def _sent(result: PublishResult) -> ErpResponse:
    """`SENT` only on a confirm that was no return."""
    if result.fate is Fate.CONFIRMED:
        return ErpResponse(DeliveryStatus.SENT)
    return ErpResponse(DeliveryStatus.FAILED, error=f"{result.fate}: {result.detail}")


def _header(key: str) -> str:
    # What no header can carry is percent-encoded, the same way at every attempt.
    return key if key.isascii() and key.isprintable() and key == key.strip() else quote(key, safe="/")


def _answer(response: httpx.Response) -> ErpResponse:
    code = response.status_code
    if code in _ACCEPTED:
        number = _number(response)
        if number is not None:
            return ErpResponse(DeliveryStatus.INTERNALIZED, erp_number=number)
        return ErpResponse(DeliveryStatus.FAILED, error=f"HTTP {code} without an erp_number")
    if code == httpx.codes.ACCEPTED:
        return ErpResponse(DeliveryStatus.SENT)
    error = f"HTTP {code}: {_shown(response)}".removesuffix(": ")
    if response.is_client_error and code not in _AGAIN:
        return ErpResponse(DeliveryStatus.REJECTED, error=error)
    return ErpResponse(DeliveryStatus.FAILED, error=error, retry_after=_retry_after(response))


def _number(response: httpx.Response) -> str | None:
    try:
        number = response.json().get("erp_number")
    except (ValueError, AttributeError):
        return None
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    fits = isinstance(number, str) and 0 < len(number) <= _LONGEST_NUMBER and "\0" not in number
    return number if fits else None


def _shown(response: httpx.Response) -> str:
    return printable(response.text[:200], replacement=" ").strip()


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, section 10.2.3)."""
    said = response.headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return min(float(said), 86_400.0)
    try:
        moment = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), 86_400.0)
