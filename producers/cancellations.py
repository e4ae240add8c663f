"""ERP gateways for cancellations, and the loop that tells the ERP of them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import orjson
import structlog

from broker.retry import retry_until
from producers.erp import ErpAccess, ErpAddress, response_of, shown, wait_of
from producers.http_client import HttpAnswer
from producers.messages import OutgoingMessage
from producers.order_queues import OrderQueues
from producers.publisher import Publisher
from rules.cancellations import after_cancel_attempt
from rules.order_routes import SHARED, OrderRoutes
from rules.orders import CancelState, DeliveryStatus, ErpResponse
from schemas.orders import cancel_event
from storage.cancellation_queue import CancellationQueue, CancelRecord, ClaimedCancellation
from storage.errors import RowRefused, Unavailable

__all__ = ["AmqpCancelGateway", "CancelGateway", "Canceller", "HttpCancelGateway", "NoCancelGateway"]

log = structlog.get_logger(__name__)

_POLL_SECONDS = 2.0
# These answer this cancellation; everything else says nothing of it.
_REFUSALS = frozenset({400, 409, 410, 413, 415, 422})


class CancelGateway(Protocol):
    """Transport of cancellations to the ERP."""

    def tell(self, cancellations: Sequence[ClaimedCancellation]) -> list[ErpResponse | None]:
        """Tell the ERP of each; None if it can't be told. Never raises for a failure of the ERP or the network."""

    def close(self) -> None:
        """Close the connections."""


class AmqpCancelGateway:
    """Gateway that publishes each cancellation to where the shop's orders go."""

    def __init__(self, url: str, deadline: float = 30.0, routes: OrderRoutes = SHARED) -> None:
        self._publisher = Publisher(url, name="cancellations", deadline=deadline)
        self._queues = OrderQueues(url, routes)

    def tell(self, cancellations: Sequence[ClaimedCancellation]) -> list[ErpResponse | None]:
        """Publish all of them, and wait for the confirms."""
        now = datetime.now(UTC)

        def message(index: int, exchange: str, routing_key: str) -> OutgoingMessage:
            each = cancellations[index]
            body = cancel_event(each.shop, each.order_id, _data(each), now)
            return OutgoingMessage(exchange, routing_key, body, message_id(each))

        results = self._queues.publish(self._publisher.publish_all, [each.shop for each in cancellations], message)
        return [response_of(result) for result in results]

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()


class HttpCancelGateway:
    """Gateway that POSTs each cancellation as JSON, with the same idempotency key at every attempt."""

    def __init__(
        self, url: str, timeout: float = 10.0, connect_timeout: float = 5.0, access: ErpAccess | None = None
    ) -> None:
        self._address = ErpAddress(url, 1, timeout, connect_timeout, access)

    def tell(self, cancellations: Sequence[ClaimedCancellation]) -> list[ErpResponse | None]:
        """Send one after the other."""
        return [
            self._address.post(message_id(each), orjson.dumps({"shop": each.shop, **_data(each)}), _parse_answer)
            for each in cancellations
        ]

    def close(self) -> None:
        """Close the connections."""
        self._address.close()


class NoCancelGateway:
    """Gateway of an ERP that takes no cancellations: operators have to tell it."""

    def tell(self, cancellations: Sequence[ClaimedCancellation]) -> list[ErpResponse | None]:
        """Return that none can be told."""
        return [None for _ in cancellations]

    def close(self) -> None:
        """Do nothing."""


@dataclass
class Canceller:
    """Loop that tells the ERP of cancellations until `stop` is set."""

    queue: CancellationQueue
    erp: CancelGateway
    stop: threading.Event
    wake: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Run until `stop` is set; a cancellation that was not recorded is told again, under the same key."""
        while not self.stop.is_set():
            if not self.step():
                self.wake.wait(_POLL_SECONDS)
                self.wake.clear()
        self.erp.close()

    def step(self) -> int:
        """Tell the ERP of the due cancellations and record its responses; return their number."""
        claimed: list[ClaimedCancellation] = self._retry_while_away(self.queue.claim) or []
        if claimed:
            results: list[CancelRecord] = [
                (each, partial(_outcome, response, each.attempts, random.random()))
                for each, response in zip(claimed, self.erp.tell(claimed), strict=True)
            ]
            self._retry_while_away(partial(self.queue.record, results))
        return len(claimed)

    def _retry_while_away(self, action: Callable[[], Any]) -> Any:
        retrying = retry_until(self.stop, Unavailable, first=0.2, longest=5)
        try:
            return retrying(action)
        except (Unavailable, RowRefused) as error:
            log.warning("cancellations stay as they are", error=str(error))
            return None


def message_id(cancellation: ClaimedCancellation) -> str:
    """Return the key of a cancellation, the same at every attempt."""
    return f"{cancellation.shop}/{cancellation.order_id}/cancel"


def _parse_answer(answer: HttpAnswer) -> ErpResponse:
    if 200 <= answer.status < 300:
        return ErpResponse(DeliveryStatus.SENT)
    status = DeliveryStatus.REJECTED if answer.status in _REFUSALS else DeliveryStatus.FAILED
    return ErpResponse(status, error=shown(answer), retry_after=wait_of(answer))


def _data(cancellation: ClaimedCancellation) -> dict[str, Any]:
    at = cancellation.cancelled_at
    return {
        "order_id": cancellation.order_id,
        "reason": cancellation.reason,
        "cancelled_at": at and at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "erp_number": cancellation.erp_number,
    }


def _outcome(
    response: ErpResponse | None, attempts: int, chance: float, now: datetime
) -> tuple[CancelState, datetime | None, str | None]:
    return after_cancel_attempt(response, attempts, now, chance)
