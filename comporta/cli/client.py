"""Client of a running Comporta: over the broker, or over HTTP where the broker is embedded."""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from comporta.cli.client_http import HttpClient
from comporta.cli.commands import uncollected
from comporta.cli.output import warn
from comporta.runtime.settings import Settings
from producers.errors import NoReply
from schemas.control import Action, Reply, StatusDocument

if TYPE_CHECKING:
    from comporta.cli.client_actions import Actions
    from comporta.cli.client_quarantine import QuarantineChanges
    from producers.messages import OutgoingMessage, Publish, PublishResult
    from storage.database import Database
    from storage.views import Listing, Views

__all__ = ["Remote", "remote_for"]

Rows = list[dict[str, Any]]
# Shorter than the 30 s for which a replay has claimed a quarantined message.
_DEADLINE = 10.0
# An operator has an answer within 5 s, one way or the other.
_BEFORE_HTTP = 4.0
_SWITCH_SECONDS = 0.0005
_OTHER_WAY = (
    "the page and POST /api/{action} of a running `comporta admin` set the switch without the broker; with "
    "COMPORTA_PUBLIC_URL and COMPORTA_TOKEN this command asks there by itself"
)


class Remote(Protocol):
    """Requests that a command can make of a running Comporta."""

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        """Send a control message and return the reply; raises `NoReply`."""

    def begin_status(self) -> None:
        """Begin to read the status in the background; the next `status` waits for it, and raises what it has raised."""

    def status(self) -> StatusDocument:
        """Return the status document."""

    def rows(self, listing: str, filters: Mapping[str, Any]) -> Rows:
        """Return the rows of `missed`, `quarantine`, `audit`, `orders` or `loads` that pass the filters."""

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        """Return one refused message in full, None if there is none."""

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        """Return one order in full, None if there is none."""

    def load(self, shop: str, domain: str, load_id: str) -> dict[str, Any] | None:
        """Return one full load with its chunks, None if there is none."""

    def pauses(self, limit: int) -> Rows:
        """Return the newest pauses with what each has cost."""

    def pause(self, epoch: int) -> dict[str, Any] | None:
        """Return the pause that began with an epoch, None if none did."""

    def item(self, kind: str, query: Mapping[str, str]) -> Rows:
        """Return the `history` of a key, or the `events` of an id."""

    def actions(self) -> AbstractContextManager[Actions]:
        """Open the actions beside pause and resume, for the duration of the block."""

    def quarantine(self) -> AbstractContextManager[QuarantineChanges]:
        """Open the background jobs, notes and corrections of the quarantine, for the duration of the block."""


def remote_for(settings: Settings) -> Remote:
    """Return the client for these settings: over HTTP if the broker is embedded, else over the broker."""
    return HttpClient(settings) if settings.embedded else _Broker(settings)


class _Broker:
    """Client over the broker: changes are sent as control messages, reads come from the database."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = settings.broker_url
        self._page = HttpClient(settings, settings.public_url) if settings.public_url else None
        self._log_format = settings.log_format
        self._database_url = settings.database_url
        self._shop_rules = settings.shop_rules
        self._resync_after = timedelta(seconds=settings.resync_after)
        self._receipt_timeout = timedelta(seconds=settings.receipt_timeout)
        self._begun: Future[StatusDocument] | None = None

    @cached_property
    def _database(self) -> Database:
        with uncollected():
            from storage.database import open_database

            database = open_database(self._database_url, self._receipt_timeout)
        # As said to a server: a connection that only breaks off would be in its log.
        atexit.register(database.close)
        return database

    @property
    def _views(self) -> Views:
        return self._database.views

    def change(self, action: Action, body: bytes, message_id: str, timeout: float) -> Reply:
        # Loaded here: each client's library is loaded only where it is used, so that a command starts at once.
        from control.client import request

        began = time.monotonic()
        patience = timeout if self._page is None else min(timeout, _BEFORE_HTTP)
        try:
            return Reply.model_validate_json(request(self._url, action, body, timeout=patience, message_id=message_id))
        except NoReply as silence:
            if self._page is None:
                raise NoReply(f"{silence}; {_OTHER_WAY.format(action=action)}") from None
            warn(f"{silence}; asking {self._page.url} over HTTP instead")
        # Under the same message id: if a worker obeys the message all the same, the switch is set once.
        return self._page.change(action, body, message_id, max(1.0, timeout - (time.monotonic() - began)))

    def begin_status(self) -> None:
        # Two threads wait for the server, and take each answer at once from the one that loads modules.
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._views.count_ahead()
        thread = ThreadPoolExecutor(1, "status")
        self._begun = thread.submit(self._views.status)
        thread.shutdown(wait=False)

    def status(self) -> StatusDocument:
        begun, self._begun = self._begun, None
        document = self._views.status() if begun is None else begun.result()
        if all(domain.ready is None and domain.cause != "broker_away" for domain in document.health.domains.values()):
            from comporta.cli.client_queues import read_queues  # No process reads them: this one does, to say how many.

            read_queues(self._url, self._database)
            document = self._views.status()
        return document

    def rows(self, listing: str, filters: Mapping[str, Any]) -> Rows:
        from storage.views import AuditFilter, LoadFilter, MissedFilter, OrderFilter, QuarantineFilter

        kinds: dict[str, Callable[..., Listing[Any]]]
        kinds = {
            "missed": MissedFilter,
            "quarantine": QuarantineFilter,
            "audit": AuditFilter,
            "orders": OrderFilter,
            "loads": LoadFilter,
        }
        values = {name: value for name, value in filters.items() if value is not None}
        limit = values.pop("limit", 100)
        if "older_than" in values:
            values["older_than"] = timedelta(seconds=values["older_than"])
        return self._views.rows(kinds[listing](**values), limit)

    def quarantined(self, identity: str) -> dict[str, Any] | None:
        message = self._views.quarantined_message(identity)
        return message and {**message, "body": message["body"].decode(errors="backslashreplace")}

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        return self._views.order(shop, order_id)

    def load(self, shop: str, domain: str, load_id: str) -> dict[str, Any] | None:
        found = self._views.load(shop, domain, load_id)
        return None if found is None else dict(found)

    def pauses(self, limit: int) -> Rows:
        return [report.document() for report in self._views.pauses.newest(limit)]

    def pause(self, epoch: int) -> dict[str, Any] | None:
        report = self._views.pauses.one(epoch)
        return None if report is None else report.document()

    def item(self, kind: str, query: Mapping[str, str]) -> Rows:
        from comporta.cli.client_parts import read_item

        return read_item(self._views.history, kind, query)

    @contextmanager
    def actions(self) -> Iterator[Actions]:
        from comporta.runtime.resync_publish import resync_publish
        from control.actions import OperatorActions

        with self._publish() as publish, resync_publish(self._settings, publish) as asking:
            yield OperatorActions(self._database, asking, shop_rules=self._shop_rules, resync_after=self._resync_after)

    @contextmanager
    def quarantine(self) -> Iterator[QuarantineChanges]:
        from comporta.cli.client_quarantine import StoredChanges

        with self._publish() as publish:
            yield StoredChanges(self._database.fence, publish, allow_edit=self._settings.allow_edit)

    @contextmanager
    def _publish(self) -> Iterator[Publish]:
        from comporta.runtime.logs import configure_logs
        from producers.publisher import Publisher

        # Standard output is for the command's result, which includes its errors; logs go to standard error.
        configure_logs("ERROR", self._log_format)
        with ExitStack() as stack:
            publisher: Publisher | None = None

            def publish(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
                # Connected at the first use: most actions publish nothing.
                nonlocal publisher
                publisher = publisher or stack.enter_context(Publisher(self._url, name="cli", deadline=_DEADLINE))
                return list(publisher.publish_all(messages))

            yield publish
