"""ERP gateways for orders: a queue that the ERP reads, or an HTTP address (contract, section 6)."""

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

__all__ = [
    "AmqpErpGateway",
    "ErpGateway",
    "HttpErpGateway",
    "Order",
    "http_client",
    "idempotency_key",
    "response_of",
    "shown",
    "wait_of",
]

# The shop, the order's id and the order's data as the shop sent it.
Order = tuple[str, str, Mapping[str, Any]]

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_ACCEPTED = frozenset({httpx.codes.OK, httpx.codes.CREATED, httpx.codes.CONFLICT})
# These mean "not now", unlike the other 4xx.
_RETRYABLE = frozenset({408, 425, 429})
_LONGEST_NUMBER = 255


class ErpGateway(Protocol):
    """Transport of orders to the ERP.

    `concurrency_factor` times the limit of orders in flight may be sent at once.
    """

    concurrency_factor: int

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Start sending orders; the futures never raise for a failure of the ERP or the network."""

    def close(self) -> None:
        """Close the connections."""


class AmqpErpGateway:
    """Gateway that publishes each order to `erp.orders`; the ERP's number comes later, as a receipt.

    The ERP limits its own load by how much it reads. A batch of orders costs one wait for the broker's disk,
    whatever its size.
    """

    concurrency_factor = 4

    def __init__(self, url: str, deadline: float = 30.0) -> None:
        self._publisher = Publisher(url, name="orders", deadline=deadline)

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Publish all orders and return finished futures: a thread for each would cost more than the publishing."""
        now = datetime.now(UTC)
        messages = (
            OutgoingMessage(ORDERS_OUT, shop, order_event(shop, order_id, payload, now), message_id_of(order_id))
            for shop, order_id, payload in orders
        )
        return [_finished(response_of(result)) for result in self._publisher.publish_all(messages)]

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


class HttpErpGateway:
    """Gateway that POSTs each order as JSON, with the same idempotency key at every attempt."""

    concurrency_factor = 1

    def __init__(self, url: str, max_parallel: int, timeout: httpx.Timeout = _TIMEOUT) -> None:
        self._url = url
        self._pool = ThreadPoolExecutor(max_parallel, thread_name_prefix="order")
        self._client = http_client(max_parallel, timeout)

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Send each order in a thread of the pool, at most `max_parallel` at once."""
        return [self._pool.submit(self.deliver, *order) for order in orders]

    def deliver(self, shop: str, order_id: str, payload: Mapping[str, Any]) -> ErpResponse:
        """Send one order and map the HTTP status of the response."""
        headers = {"Idempotency-Key": idempotency_key(f"{shop}/{order_id}")}
        try:
            response = self._client.post(self._url, json=payload, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return ErpResponse(DeliveryStatus.FAILED, error=f"{type(error).__name__}: {error}")
        return _parse_response(response)

    def close(self) -> None:
        """Close the connections: a hanging request ends with an error, and then its thread ends."""
        self._client.close()
        self._pool.shutdown()


def http_client(max_parallel: int, timeout: httpx.Timeout = _TIMEOUT) -> httpx.Client:
    """Return a client that follows no redirect and reads no setting of the environment."""
    limits = httpx.Limits(max_connections=max_parallel, max_keepalive_connections=max_parallel)
    return httpx.Client(timeout=timeout, limits=limits, follow_redirects=False, trust_env=False)


def _finished(response: ErpResponse) -> Future[ErpResponse]:
    future: Future[ErpResponse] = Future()
    future.set_result(response)
    return future


def response_of(result: PublishResult) -> ErpResponse:
    """Return `SENT` only for a confirm without a return."""
    if result.fate is Fate.CONFIRMED:
        return ErpResponse(DeliveryStatus.SENT)
    return ErpResponse(DeliveryStatus.FAILED, error=f"{result.fate}: {result.detail}")


def idempotency_key(key: str) -> str:
    """Return the key as a header's value."""
    # A key that no header can carry is percent-encoded, the same way at every attempt.
    return key if key.isascii() and key.isprintable() and key == key.strip() else quote(key, safe="/")


def _parse_response(response: httpx.Response) -> ErpResponse:
    code = response.status_code
    if code in _ACCEPTED:
        number = _erp_number(response)
        if number is not None:
            return ErpResponse(DeliveryStatus.INTERNALIZED, erp_number=number)
        return ErpResponse(DeliveryStatus.FAILED, error=f"HTTP {code} without an erp_number")
    if code == httpx.codes.ACCEPTED:
        return ErpResponse(DeliveryStatus.SENT)
    error = shown(response)
    if response.is_client_error and code not in _RETRYABLE:
        return ErpResponse(DeliveryStatus.REJECTED, error=error)
    return ErpResponse(DeliveryStatus.FAILED, error=error, retry_after=wait_of(response))


def _erp_number(response: httpx.Response) -> str | None:
    try:
        number = response.json().get("erp_number")
    except (ValueError, AttributeError):
        return None
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    fits = isinstance(number, str) and 0 < len(number) <= _LONGEST_NUMBER and "\0" not in number
    return number if fits else None


def shown(response: httpx.Response) -> str:
    """Return the status of a response and the beginning of its text, for operators."""
    excerpt = printable(response.text[:200], replacement=" ").strip()
    return f"HTTP {response.status_code}: {excerpt}".removesuffix(": ")


def wait_of(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return min(float(value), 86_400.0)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), 86_400.0)
