"""Views of one database for the API, the page and the command line, without writes and outside the fence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Select, bindparam, func, select

from rules.cost import Cost, estimate_cost
from schemas.control import ANY, StatusDocument
from schemas.health import Health
from storage.dialect import database_now
from storage.errors import translated
from storage.tables import order_events, orders, quarantine
from storage.views.health import read_health
from storage.views.ledger import LedgerView
from storage.views.pagination import Listing, Page, Row, every_row, read_page
from storage.views.rows import plain_row
from storage.views.status import StatusView

# Loaded where they are used: most commands show one view.
if TYPE_CHECKING:
    from storage.views.asked import AskedKeys
    from storage.views.biography import Biography
    from storage.views.bodies import StoredBody
    from storage.views.feeds import FeedRow, Recent
    from storage.views.history import HistoryView
    from storage.views.loads import WholeLoad
    from storage.views.pauses import PauseView
    from storage.views.quarantine_groups import QuarantineGroup
    from storage.views.suggestions import Suggestion

__all__ = ["Views"]

Rows = list[dict[str, Any]]
_DETAIL_NAMES = (
    "failures",
    "failing_since",
    "payload",
    "lease_until",
    "cancel_reason",
    "cancel_error",
    "accepted_as_is",
)
_DETAILS = [orders.c[name] for name in _DETAIL_NAMES]
_NEWS = (
    select(*(order_events.c[name] for name in ("event", "data", "occurred_at", "received_at")))
    .where(order_events.c.shop == bindparam("of_shop"), order_events.c.order_id == bindparam("of_order"))
    .order_by(func.coalesce(order_events.c.occurred_at, order_events.c.received_at), order_events.c.event_id)
)


class Views:
    """A reader of one database, for several threads at once."""

    def __init__(self, engine: Engine, receipt_timeout: timedelta) -> None:
        # Autocommit: a read needs no BEGIN and no ROLLBACK, and leaves no transaction open.
        self._engine = engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._receipt_timeout = receipt_timeout
        self._status = StatusView(engine, receipt_timeout)
        self._ledger = LedgerView(engine)
        # Each `Views` has its own cache of the ledger's sums.
        self.ledger, self.balance, self.totals = self._ledger.rows, self._ledger.balance, self._ledger.totals

    @cached_property
    def feeds(self) -> Callable[[], list[FeedRow]]:
        """Return the reader of the feeds."""
        from storage.views.feeds import FeedsView

        return FeedsView(self._engine).rows

    @cached_property
    def pauses(self) -> PauseView:
        """Return the reader of the pauses."""
        from storage.views.pauses import PauseView

        return PauseView(self._engine)

    @cached_property
    def quarantine_groups(self) -> Callable[[], list[QuarantineGroup]]:
        """Return the reader of the refused messages by shop and reason."""
        from storage.views.quarantine_groups import QuarantineGroups

        return QuarantineGroups(self._engine).read

    @cached_property
    def asked(self) -> Callable[[], AskedKeys]:
        """Return the reader of the requests for keys."""
        from storage.views.asked import AskedView

        return AskedView(self._engine).read

    @cached_property
    def history(self) -> HistoryView:
        """Return the reader of the history of keys and events."""
        from storage.views.history import HistoryView

        return HistoryView(self._engine)

    @cached_property
    def suggestions(self) -> Callable[[str], list[Suggestion]]:
        """Return the reader of what the search suggests."""
        from storage.views.suggestions import SuggestionView

        return SuggestionView(self._engine).read

    def count_ahead(self) -> None:
        """Begin to count for the next status document, in a thread and on a connection of its own."""
        self._status.count_ahead()

    def status(self) -> StatusDocument:
        """Return the status document, by the database's clock; counts over 20,000 may be a moment old."""
        return self._status.read()

    def health(self) -> Health:
        """Return whether messages are taken from the queues, by the database's clock."""
        with translated(), self._engine.connect() as connection:
            return read_health(connection, database_now(connection))

    def recent_deliveries(self) -> Recent:
        """Count the deliveries of the last quarter of an hour by shop and domain, and by outcome."""
        from storage.views.feeds import read_recent

        with translated(), self._engine.connect() as connection:
            return read_recent(connection, database_now(connection))

    def page(
        self, listing: Listing[Row], limit: int = 100, cursor: str | None = None, *, counted: bool = True
    ) -> Page[Row]:
        """Read a page of a list, the first without a cursor; raises `BadCursor`."""
        return read_page(self._engine, listing, self._receipt_timeout, limit, cursor, counted=counted)

    def every(self, listing: Listing[Row]) -> Iterator[Row]:
        """Yield all rows of a list, in the order in which they are read fastest."""
        return every_row(self._engine, listing, self._receipt_timeout)

    def rows(self, listing: Listing[Row], limit: int = 100) -> list[Row]:
        """Return the first rows of a list."""
        return list(self.page(listing, limit, counted=False).rows)

    def quarantined_message(self, identity: str, most: int | None = None) -> dict[str, Any] | None:
        """Return one refused message with up to `most` bytes of its body, and its size; None if none has this id."""
        from storage.views.bodies import read_body
        from storage.views.lists import with_doc

        columns = [column for column in quarantine.columns if column.name not in {"lease_until", "body", "search_text"}]
        size = func.length(quarantine.c.body).label("size")
        row = self._one(select(*columns, size).where(quarantine.c.id == identity))
        if row is None:
            return None
        body = read_body(self._engine, identity, 0, row["size"] if most is None else most)
        return None if body is None else {**with_doc(row), "body": body}

    def quarantined_body(self, identity: str) -> StoredBody | None:
        """Return a refused message's body in pieces; None if no message has this id."""
        from storage.views.bodies import StoredBody, body_pieces

        size = func.length(quarantine.c.body).label("size")
        row = self._one(select(quarantine.c.shop, quarantine.c.domain, size).where(quarantine.c.id == identity))
        return None if row is None else StoredBody(**row, pieces=body_pieces(self._engine, identity, row["size"]))

    def order(self, shop: str, order_id: str) -> dict[str, Any] | None:
        """Return one order, whole; None if no order has this id."""
        from storage.views.lists import ORDER_COLUMNS

        query = select(*ORDER_COLUMNS, *_DETAILS).where(orders.c.shop == shop, orders.c.order_id == order_id)
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            news = connection.execute(_NEWS, {"of_shop": shop, "of_order": order_id})
            return {**plain_row(row), "events": [plain_row(each) for each in news]}

    def load(self, shop: str, domain: str, load_id: str) -> WholeLoad | None:
        """Return one full load with its chunks; None if no load has this id."""
        from storage.views.loads import read_whole_load

        with translated(), self._engine.connect() as connection:
            return read_whole_load(connection, shop, domain, load_id)

    def cost(self, shop: str = ANY, domains: Sequence[str] = (ANY,), minutes: float = 30.0) -> Cost:
        """Estimate the cost of a pause of a scope from its deliveries in the last hour."""
        return estimate_cost(self._ledger.basis(shop, frozenset(domains)), minutes)

    def biography(self, text: str, shop: str | None = None) -> Biography:
        """Search all tables for a product, a customer, a document, a price table or an order."""
        from storage.views.biography import read_biography

        return read_biography(self._engine, text, shop)

    def _one(self, query: Select[Any]) -> dict[str, Any] | None:
        with translated(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else plain_row(row)
