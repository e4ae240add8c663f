"""Resync requests over HTTP, for an ERP that reads no queue: it answers with the events, or publishes them later."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from uuid_utils import uuid7

from producers.erp import ErpAccess, ErpAddress, shown
from producers.http_client import HttpAnswer
from producers.messages import Fate, OutgoingMessage, Publish, PublishResult
from rules.orders import DeliveryStatus, ErpResponse
from schemas.partitions import KEY_HEADER, partition_key
from schemas.topology import EVENTS, RESYNC

__all__ = ["BY_HTTP", "MOST_ANSWERED", "ResyncByHttp"]

BY_HTTP = "the ERP at COMPORTA_ERP_RESYNC_URL"
# The entities of 500 keys, with long descriptions.
MOST_ANSWERED = 16 * 1024 * 1024
_LATER = frozenset({HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT})


class ResyncByHttp:
    """Publish that POSTs resync requests to the ERP, and hands everything else, answers included, to the broker.

    The answer is an array of events as the ERP would publish them, or nothing: then they come later, by the broker.
    """

    def __init__(
        self,
        url: str,
        publish: Publish,
        timeout: float = 10.0,
        connect_timeout: float = 5.0,
        access: ErpAccess | None = None,
    ) -> None:
        self._publish = publish
        self._address = ErpAddress(url, 1, timeout, connect_timeout, access, MOST_ANSWERED)

    def __call__(self, messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        """Publish all messages, requests one after the other; return their fates in the same order."""
        others = iter(self._publish([message for message in messages if message.exchange != RESYNC]))
        return [self._ask(message) if message.exchange == RESYNC else next(others) for message in messages]

    def close(self) -> None:
        """Close the connections."""
        self._address.close()

    def _ask(self, message: OutgoingMessage) -> PublishResult:
        found: list[Any] = []

        def parse(answer: HttpAnswer) -> ErpResponse:
            events, error = _events(answer)
            found.extend(events)
            return ErpResponse(DeliveryStatus.FAILED if error else DeliveryStatus.SENT, error=error)

        shop, _, domain = message.routing_key.partition(".")
        data = orjson.dumps(orjson.loads(message.body)["data"])
        error = self._address.post(f"{shop}/{domain}/resync/{message.message_id}", data, parse).error
        if error is not None:
            return PublishResult(message, Fate.NACKED, f"{BY_HTTP} failed: {error}")
        results = self._publish([_outgoing(message.routing_key, event) for event in found]) if found else []
        lost = next((result for result in results if result.fate is not Fate.CONFIRMED), None)
        if lost is None:
            return PublishResult(message, Fate.CONFIRMED)
        why = f"{lost.fate} {lost.detail}".strip()
        return PublishResult(message, Fate.NACKED, f"{BY_HTTP} answered, but the broker did not take its events: {why}")


def _events(answer: HttpAnswer) -> tuple[list[Any], str | None]:
    """Return the events of an answer, or what is wrong with it."""
    if len(answer.body) >= MOST_ANSWERED:
        return [], f"it answers more than {MOST_ANSWERED >> 20} MiB: let it answer 202, and publish the events"
    if answer.status in _LATER or (answer.status in (HTTPStatus.OK, HTTPStatus.CREATED) and not answer.body.strip()):
        return [], None
    if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
        return [], shown(answer)
    try:
        events = orjson.loads(answer.body)
    except ValueError:
        return [], f"HTTP {answer.status} without JSON: it must answer an array of events, or 202"
    if not isinstance(events, list):
        return [], f"HTTP {answer.status} without an array: it must answer an array of events, or 202"
    return events, None


def _outgoing(routing_key: str, event: Any) -> OutgoingMessage:
    identity = event.get("id") if isinstance(event, dict) else None
    message_id = identity if isinstance(identity, str) and 0 < len(identity.encode(errors="replace")) <= 255 else None
    # An event that is none is quarantined by the worker, as any other that the ERP publishes.
    named = (event.get("subject") or identity) if isinstance(event, dict) else None
    headers = {KEY_HEADER: partition_key(routing_key.partition(".")[0], (named or "",))}
    return OutgoingMessage(EVENTS, routing_key, orjson.dumps(event), message_id or str(uuid7()), headers=headers)
