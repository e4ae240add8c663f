"""How the command line reaches a running Comporta: by the broker, or by HTTP where the broker is embedded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from comporta.cli.credentials import client_credentials
from comporta.runtime.settings import Settings
from producers.errors import NoReply
from schemas.control import Action, Reply, StatusDocument

if TYPE_CHECKING:
    import httpx

    from comporta.cli.client_actions import Actions
    from producers.messages import OutgoingMessage, PublishResult
    from storage.database import Database
    from storage.views import Views

__all__ = ["Remote", "remote_for"]

Rows = list[dict[str, Any]]
Document = TypeVar("Document")
_ROWS: TypeAdapter[Rows] = TypeAdapter(Rows)
_ROW: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
# Within the half minute that a quarantined message is a replayer's.
_DEADLINE = 10.0
_REPLY, _STATUS = TypeAdapter(Reply), TypeAdapter(StatusDocument)


class Remote(Protocol):
    """What a command may ask."""

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        """Sends a control message and waits for the reply; raises `NoReply`."""

    def status(self) -> StatusDocument:
        """The status document."""

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        """The rows of `missed`, `quarantine`, `audit` or `orders`."""

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        """One refused message, whole."""

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        """One order, whole."""

    def acting(self) -> AbstractContextManager[Actions]:
        """What may be done beside switching, while the block lasts."""


def remote_for(settings: Settings) -> Remote:
    """The way that these settings leave."""
    return _Http(settings) if settings.embedded else _Broker(settings)


class _Broker:
    """Changes go through the broker; what is looked at comes from the database, broker or not."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.broker_url
        self._log_format = settings.log_format
        self._database_url = settings.database_url
        self._receipt_timeout = timedelta(seconds=settings.receipt_timeout)

    @cached_property
    def _database(self) -> Database:
        from storage.database import open_database

        return open_database(self._database_url, self._receipt_timeout)

    @property
    def _views(self) -> Views:
        return self._database.views

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        # Each way's library is loaded only where it is used: a command should answer at once.
        from control.client import request

        return Reply.model_validate_json(request(self._url, action, body, timeout=timeout, message_id=message_id))

    def status(self) -> StatusDocument:
        return self._views.status()

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        views = self._views
        ways: dict[str, Callable[..., Rows]]
        ways = {
            "missed": views.missed,
            "quarantine": views.quarantined,
            "audit": views.audit,
            "orders": views.orders,
        }
        return ways[what](**filters)

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        found = self._views.quarantined_message(identity)
        return found and {**found, "body": found["body"].decode(errors="backslashreplace")}

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        return self._views.order(shop, order_id)

    @contextmanager
    def acting(self) -> Iterator[Actions]:
        from comporta.runtime.logging import configure_logs
        from control.actions import OperatorActions
        from producers.publisher import Publisher

        # Standard output is for what the command says; what goes wrong is in its result.
        configure_logs("ERROR", self._log_format)
        with ExitStack() as stack:
            publisher: Publisher | None = None

            def publish(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
                # Connected when first used: most acts publish nothing.
                nonlocal publisher
                publisher = publisher or stack.enter_context(Publisher(self._url, name="cli", deadline=_DEADLINE))
                return list(publisher.publish_all(messages))

            yield OperatorActions(self._database, publish)


class _Http:
    """Everything goes to the one process that holds the embedded broker."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.admin_url
        self._shown = client_credentials(settings)

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        headers = {"content-type": "application/json", "idempotency-key": message_id}
        answer = self._ask("POST", f"/api/{action}", timeout=timeout, content=body, headers=headers)
        return self._read(_REPLY, answer)

    def status(self) -> StatusDocument:
        return self._read(_STATUS, self._ask("GET", "/api/status"))

    def rows(self, what: str, filters: Mapping[str, Any]) -> Rows:
        wanted = {name: value for name, value in filters.items() if value is not None}
        return self._read(_ROWS, self._ask("GET", f"/api/{what}", params=wanted))

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        answer = self._ask("GET", f"/api/quarantine/{identity}")
        return None if answer.status_code == 404 else self._read(_ROW, answer)

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        answer = self._ask("GET", _order_path(shop, order_id))
        return None if answer.status_code == 404 else self._read(_ROW, answer)

    @contextmanager
    def acting(self) -> Iterator[Actions]:
        from comporta.cli.client_actions import HttpActions

        yield HttpActions(self._ask)

    @staticmethod
    def _read(wanted: TypeAdapter[Document], answer: httpx.Response) -> Document:
        # A refused control message has the status of an error, and is a reply all the same.
        try:
            return wanted.validate_json(answer.content)
        except ValidationError:
            raise NoReply(f"{answer.url} answered {answer.status_code}: {answer.text[:200]}") from None

    def _ask(
        self, method: str, path: str, *, timeout: float = 10.0, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        import httpx

        named = {**self._shown.headers, **(headers or {})}
        try:
            answer = httpx.request(method, self._url + path, timeout=timeout, trust_env=False, headers=named, **options)
        except httpx.HTTPError as error:
            raise NoReply(
                f"no running Comporta at {self._url} ({type(error).__name__}): with memory:// this command talks to "
                "the process of `comporta run` or `comporta demo`; COMPORTA_ADMIN_PORT names its port"
            ) from None
        if (why_not := self._shown.refused(answer.status_code)) is not None:
            raise NoReply(f"{self._url}: {why_not}")
        return answer


def _order_path(shop: str, order_id: str) -> str:
    return f"/api/orders/{quote(shop, safe='')}/{quote(order_id, safe='')}"
