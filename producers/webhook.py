"""Webhook for reminders: a POST of JSON, signed as Standard Webhooks describes (standardwebhooks.com)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from producers.errors import DeliveryFailed
from producers.http_client import HttpClient, HttpFailure
from producers.signature import SigningKey, sign

__all__ = ["Webhook"]

_TIMEOUT, _CONNECT_TIMEOUT = 10.0, 5.0
_HEADERS = {"Content-Type": "application/json"}
# Of the answer only the status counts.
_MOST_BYTES = 64 * 1024


class Webhook:
    """Address that takes reminders; its id is that of the reminder, the same at every attempt."""

    name = "webhook"

    def __init__(self, url: str, keys: Sequence[SigningKey] = ()) -> None:
        self._client = HttpClient(url, 1, _TIMEOUT, _CONNECT_TIMEOUT, _HEADERS, _MOST_BYTES)
        self._keys = keys

    def send(self, delivery_id: str, document: str) -> None:
        """POST a reminder; raises `DeliveryFailed` unless the answer is a success."""
        body = document.encode()
        try:
            answer = self._client.post(body, sign(self._keys, delivery_id, datetime.now(UTC), body))
        except HttpFailure as error:
            raise DeliveryFailed(str(error)) from error
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise DeliveryFailed(f"HTTP {answer.status}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
