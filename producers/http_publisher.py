"""HTTP publisher for the embedded broker of another process, through its `POST /events`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import httpx

from producers.messages import Fate, OutgoingMessage, PublishResult

__all__ = ["HttpPublisher"]

_BATCH_TYPE = "application/cloudevents-batch+json"
_BATCH_EVENTS = 500
_BATCH_BYTES = 4 * 1024 * 1024


class HttpPublisher:
    """Publisher for one shop that sends many events in one request.

    `headers` carry the credentials. `explain` returns the remedy for a status that rejects them, and None for any
    other status.
    """

    def __init__(self, url: str, shop: str, headers: Mapping[str, str], explain: Callable[[int], str | None]) -> None:
        self._url = f"{url}/events"
        self._shop = shop
        self._explain = explain
        self._client = httpx.Client(timeout=30, trust_env=False, headers=headers)

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publish messages as they come; yield their results in the same order."""
        source = iter(messages)
        while batch := list(_take_batch(source)):
            yield from self._publish(batch)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _publish(self, batch: Sequence[OutgoingMessage]) -> list[PublishResult]:
        body = b"[" + b",".join(message.body for message in batch) + b"]"
        try:
            response = self._client.post(
                self._url, params={"shop": self._shop}, content=body, headers={"content-type": _BATCH_TYPE}
            )
        except httpx.HTTPError as error:
            detail = f"{self._url} can't be reached ({type(error).__name__}): is `comporta run` running?"
            return [PublishResult(message, Fate.UNKNOWN, detail) for message in batch]
        if response.status_code == httpx.codes.ACCEPTED:
            return [PublishResult(message, Fate.CONFIRMED) for message in batch]
        if (remedy := self._explain(response.status_code)) is not None:
            return [PublishResult(message, Fate.UNKNOWN, f"{self._url}: {remedy}") for message in batch]
        return _refused(batch, response)


def _take_batch(source: Iterator[OutgoingMessage]) -> Iterator[OutgoingMessage]:
    size = 0
    for message in islice(source, _BATCH_EVENTS):
        size += len(message.body)
        yield message
        if size >= _BATCH_BYTES:
            return


def _refused(batch: Sequence[OutgoingMessage], response: httpx.Response) -> list[PublishResult]:
    problem: dict[str, Any] = response.json() if "json" in response.headers.get("content-type", "") else {}
    detail = f"HTTP {response.status_code}: {problem.get('detail', 'no Comporta answers there')}"
    by_index = {error["index"]: error for error in problem.get("errors", ()) if "index" in error}
    fate = Fate.NACKED if response.is_client_error else Fate.UNKNOWN
    return [
        PublishResult(message, fate, f"{detail} ({by_index[index]['sentence']})" if index in by_index else detail)
        for index, message in enumerate(batch)
    ]
