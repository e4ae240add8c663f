"""ERP gateways for orders: a queue that the ERP reads, or an HTTP address (contract, section 6)."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from producers.events import message_id_of
from producers.http_client import MOST_BYTES, HttpAnswer, HttpClient, HttpFailure
from producers.messages import Fate, OutgoingMessage, PublishResult
from producers.order_queues import OrderQueues
from producers.publisher import Publisher
from producers.signature import SigningKey, sign
from rules.order_routes import SHARED, OrderRoutes
from rules.orders import DeliveryStatus, ErpResponse
from schemas.orders import order_event
from schemas.text import printable

__all__ = [
    "AmqpErpGateway",
    "ErpAccess",
    "ErpAddress",
    "ErpGateway",
    "HttpErpGateway",
    "Order",
    "response_of",
    "shown",
    "wait_of",
]

# The shop, the order's id and the order's data as the shop sent it, a JSON text.
Order = tuple[str, str, str]

_ACCEPTED = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.CONFLICT})
# Only these are about the order itself; every other one is about the way to the ERP, or about the ERP.
_REJECTED = frozenset({400, 409, 410, 413, 415, 422})
_LONGEST_NUMBER = 255
# A shorter value of a header, such as 1, is no secret and may stand in any text.
_SHORTEST_SECRET = 8


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
    """Gateway that publishes each order to `erp.orders` or its shop's queue; the number comes later, as a receipt.

    The ERP limits its own load by how much it reads. A batch of orders costs one wait for the broker's disk,
    whatever its size.
    """

    concurrency_factor = 4

    def __init__(self, url: str, deadline: float = 30.0, routes: OrderRoutes = SHARED) -> None:
        self._publisher = Publisher(url, name="orders", deadline=deadline)
        self._queues = OrderQueues(url, routes)

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Publish all orders and return finished futures: a thread for each would cost more than the publishing."""
        now = datetime.now(UTC)

        def message(index: int, exchange: str, routing_key: str) -> OutgoingMessage:
            shop, order_id, payload = orders[index]
            body = order_event(shop, order_id, payload, now)
            return OutgoingMessage(exchange, routing_key, body, message_id_of(order_id))

        results = self._queues.publish(self._publisher.publish_all, [shop for shop, _, _ in orders], message)
        return [_finished(response_of(result)) for result in results]

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


@dataclass(frozen=True, slots=True, repr=False)
class ErpAccess:
    """Access to an ERP's address: headers that every request has, secrets among them, and keys that sign it."""

    headers: Mapping[str, str] = field(default_factory=dict)
    signing_keys: Sequence[SigningKey] = ()

    def redact(self, text: str) -> str:
        """Return a text of the ERP without the secrets that it may repeat."""
        for value in self.headers.values():
            for secret in (value, value.removeprefix("Bearer ")):
                if len(secret) >= _SHORTEST_SECRET:
                    text = text.replace(secret, "***")
        return text


class ErpAddress:
    """Address of an ERP over HTTP: each message is signed, and has the same idempotency key at every attempt."""

    def __init__(
        self,
        url: str,
        connections: int,
        timeout: float,
        connect_timeout: float,
        access: ErpAccess | None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._access = access or ErpAccess()
        headers = {"Content-Type": "application/json", **self._access.headers}
        self._client = HttpClient(url, connections, timeout, connect_timeout, headers, most_bytes)

    def post(self, key: str, body: bytes, parse: Callable[[HttpAnswer], ErpResponse]) -> ErpResponse:
        """POST a JSON text and return its parsed answer, without the secrets that it may repeat."""
        key = _header(key)
        signature = sign(self._access.signing_keys, key, datetime.now(UTC), body)
        try:
            answer = self._client.post(body, {"Idempotency-Key": key, **signature})
        except HttpFailure as failure:
            response = ErpResponse(DeliveryStatus.FAILED, error=printable(str(failure), replacement=" "))
        else:
            response = parse(answer)
        if response.error is None:
            return response
        return response._replace(error=self._access.redact(response.error))

    def close(self) -> None:
        """Close the connections: a hanging request ends with an error."""
        self._client.close()


class HttpErpGateway:
    """Gateway that POSTs each order as JSON, with the same idempotency key at every attempt."""

    concurrency_factor = 1

    def __init__(
        self,
        url: str,
        max_parallel: int,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        access: ErpAccess | None = None,
    ) -> None:
        self._address = ErpAddress(url, max_parallel, timeout, connect_timeout, access)
        self._pool = ThreadPoolExecutor(max_parallel, thread_name_prefix="order")

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        """Send each order in a thread of the pool, at most `max_parallel` at once."""
        return [self._pool.submit(self.deliver, *order) for order in orders]

    def deliver(self, shop: str, order_id: str, payload: str) -> ErpResponse:
        """Send one order and map the HTTP status of the response."""
        return self._address.post(f"{shop}/{order_id}", payload.encode(), _parse_answer)

    def close(self) -> None:
        """Close the connections: a hanging request ends with an error, and then its thread ends."""
        self._address.close()
        self._pool.shutdown()


def _finished(response: ErpResponse) -> Future[ErpResponse]:
    future: Future[ErpResponse] = Future()
    future.set_result(response)
    return future


def response_of(result: PublishResult) -> ErpResponse:
    """Return `SENT` only for a confirm without a return."""
    if result.fate is Fate.CONFIRMED:
        return ErpResponse(DeliveryStatus.SENT)
    return ErpResponse(DeliveryStatus.FAILED, error=f"{result.fate}: {result.detail}")


def _header(key: str) -> str:
    # A key that no header can carry is percent-encoded, the same way at every attempt.
    return key if key.isascii() and key.isprintable() and key == key.strip() else quote(key, safe="/")


def _parse_answer(answer: HttpAnswer) -> ErpResponse:
    code = answer.status
    if code in _ACCEPTED:
        number = _erp_number(answer)
        if number is not None:
            return ErpResponse(DeliveryStatus.INTERNALIZED, erp_number=number)
    if code == HTTPStatus.ACCEPTED:
        return ErpResponse(DeliveryStatus.SENT)
    error = shown(answer, _missing_number(code))
    if code in _REJECTED:
        return ErpResponse(DeliveryStatus.REJECTED, error=error)
    return ErpResponse(DeliveryStatus.FAILED, error=error, retry_after=wait_of(answer))


def _missing_number(code: int) -> str:
    return " without an erp_number" if code in _ACCEPTED else ""


def _erp_number(answer: HttpAnswer) -> str | None:
    try:
        number = json.loads(answer.text).get("erp_number")
    except (ValueError, AttributeError, RecursionError):
        return None
    if isinstance(number, int) and not isinstance(number, bool):
        number = str(number)
    if not isinstance(number, str) or not number.strip() or len(number) > _LONGEST_NUMBER:
        return None
    return number if _can_be_stored(number) else None


def _can_be_stored(text: str) -> bool:
    # No database takes half a surrogate pair, and the results of other orders would be refused together with it.
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _excerpt(answer: HttpAnswer) -> str:
    if 300 <= answer.status < 400 and "location" in answer.headers:
        return f"redirects to {_without_query(answer.headers['location'])}"
    return printable(answer.text[:200], replacement=" ").strip()


def shown(answer: HttpAnswer, comment: str = "") -> str:
    """Return the status of an answer and the beginning of its text, for operators."""
    return f"HTTP {answer.status}{comment}: {_excerpt(answer)}".removesuffix(": ")


def _without_query(url: str) -> str:
    return printable(url.partition("?")[0].rpartition("@")[2][:200], replacement=" ")


def wait_of(answer: HttpAnswer) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date (RFC 9110, section 10.2.3)."""
    value = answer.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return min(float(value), 86_400.0)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    seconds = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), 86_400.0)
