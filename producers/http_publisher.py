"""Publishes to the process that holds the embedded broker, through its `POST /events`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import httpx

from producers.messages import Fate, OutgoingMessage, PublishResult

__all__ = ["HttpPublisher"]

_BATCH = "application/cloudevents-batch+json"
_AT_ONCE = 500
_AT_ONCE_BYTES = 4 * 1024 * 1024


class HttpPublisher:
    """Has the results of a publisher, a request of many events at a time; for one shop.

    `headers` say who asks, and `explain` what to do about a status that says no to them, None for any other.
    """

    def __init__(self, url: str, shop: str, headers: Mapping[str, str], explain: Callable[[int], str | None]) -> None:
        self._url = f"{url}/events"
        self._shop = shop
        self._explain = explain
        self._client = httpx.Client(timeout=30, trust_env=False, headers=headers)

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publishes messages as they come; gives their results in the same order."""
        source = iter(messages)
        while batch := list(_some(source)):
            yield from self._publish(batch)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _publish(self, batch: Sequence[OutgoingMessage]) -> list[PublishResult]:
        body = b"[" + b",".join(message.body for message in batch) + b"]"
        try:
            answer = self._client.post(
                self._url, params={"shop": self._shop}, content=body, headers={"content-type": _BATCH}
            )
        except httpx.HTTPError as error:
            why = f"{self._url} can't be reached ({type(error).__name__}): is `comporta run` running?"
            return [PublishResult(message, Fate.UNKNOWN, why) for message in batch]
        if answer.status_code == httpx.codes.ACCEPTED:
            return [PublishResult(message, Fate.CONFIRMED) for message in batch]
        if (why_not := self._explain(answer.status_code)) is not None:
            return [PublishResult(message, Fate.UNKNOWN, f"{self._url}: {why_not}") for message in batch]
        return _refused(batch, answer)


def _some(source: Iterator[OutgoingMessage]) -> Iterator[OutgoingMessage]:
    size = 0
    for message in islice(source, _AT_ONCE):
        size += len(message.body)
        yield message
        if size >= _AT_ONCE_BYTES:
            return


def _refused(batch: Sequence[OutgoingMessage], answer: httpx.Response) -> list[PublishResult]:
    problem: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    why = f"HTTP {answer.status_code}: {problem.get('detail', 'no Comporta answers there')}"
    single = {error["index"]: error for error in problem.get("errors", ()) if "index" in error}
    fate = Fate.NACKED if answer.is_client_error else Fate.UNKNOWN
    return [
        PublishResult(message, fate, f"{why} ({single[index]['sentence']})" if index in single else why)
        for index, message in enumerate(batch)
    ]
