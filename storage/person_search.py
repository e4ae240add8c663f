"""Search for one person in every table that keeps personal data; each page is a read of its own, so nothing waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, Text, cast, exists, func, literal, select, true, tuple_

from rules.orders import CancelState, OrderState
from rules.person import Person, Stay, order_stays
from storage.body_batches import fitting
from storage.entities import key_text
from storage.entity_tables import ENTITY_TABLES
from storage.fence import Fence
from storage.job_tables import quarantine_jobs, quarantine_notes
from storage.message_text import message_fields, message_texts
from storage.missed_index import is_narrow, key_place, place_of
from storage.order_rows import OrderKey
from storage.reminder_tables import reminder_deliveries
from storage.tables import audit, erp_faults, missed, order_events, orders, quarantine, repairs, switches

__all__ = ["ORDER_COLUMNS", "TEXTS", "FoundPerson", "PersonSearch", "message_fate", "of_order", "stay_of"]

_PAGE = 500
_MOST_NAMED = 100
_CUSTOMERS = ENTITY_TABLES["customers"]
# Texts that operators have written, or the ERP has answered.
TEXTS: Mapping[Table, tuple[str, ...]] = {
    audit: ("reason", "subject", "error"),
    switches: ("reason", "plan_reason"),
    repairs: ("reason",),
    erp_faults: ("error",),
    quarantine_notes: ("note", "ticket"),
    quarantine_jobs: ("title", "filter", "reason", "error"),
    reminder_deliveries: ("document", "error"),
}
_has_news = exists(1).where(order_events.c.shop == orders.c.shop, order_events.c.order_id == orders.c.order_id)
ORDER_COLUMNS = (
    *(orders.c[name] for name in ("shop", "order_id", "state", "cancellation", "erp_number", "payload")),
    _has_news.label("has_news"),
)


@dataclass
class FoundPerson:
    """The rows of a person by their keys: those to erase, and those that stay with the reason."""

    customers: list[tuple[str, str]] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    orders: list[OrderKey] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    texts: dict[Table, list[tuple[Any, ...]]] = field(default_factory=dict)
    staying: Counter[tuple[str, Stay]] = field(default_factory=Counter)
    staying_orders: list[OrderKey] = field(default_factory=list)

    def rows(self) -> dict[str, int]:
        """Return the number of rows to erase by table, without tables that have none."""
        numbers = {
            "customers": len(self.customers),
            "missed": len(self.missed),
            "orders": len(self.orders),
            "quarantine": len(self.messages),
            **{table.name: len(keys) for table, keys in self.texts.items()},
        }
        return {table: number for table, number in numbers.items() if number}


class MessageFate(NamedTuple):
    """Fate of a refused message: it is the person's own and goes, or it only mentions them, and the mention goes."""

    own: bool
    mentioned: bool


class PersonSearch:
    """A search for one person, in one shop or in all."""

    def __init__(self, fence: Fence, person: Person, shop: str | None) -> None:
        self._fence = fence
        self._person = person
        self._shop = shop

    def find(self) -> FoundPerson:
        """Find the person's rows as they are now."""
        found = FoundPerson()
        self._find_customers(found)
        self._find_orders(found)
        keys = {(shop, key_text("customers", (code,))) for shop, code in (*found.customers, *found.missed)}
        found.messages = list(self._messages(keys))
        if self._person.everywhere:
            found.texts = {table: rows for table in TEXTS if (rows := list(self._texts(table)))}
        return found

    def _find_customers(self, found: FoundPerson) -> None:
        named = [_CUSTOMERS.c.document, _CUSTOMERS.c.code]
        for row in self._rows(_CUSTOMERS, named, [_CUSTOMERS.c.document, _CUSTOMERS.c.deleted]):
            is_key = self._person.everywhere and self._person.is_named(row.code)
            if is_key:
                found.staying["customers", Stay.KEY] += 1
            if not row.deleted and (is_key or self._person.is_named(row.document)):
                found.customers.append((row.shop, row.code))
        known = set(found.customers)
        found.missed = [each for each in sorted(known) if self._is_missed(each)]
        if not self._person.everywhere:
            return
        for row in self._rows(missed, [missed.c.key], [missed.c.key], missed.c.domain == "customers"):
            code = self._code(row.key)
            if code is not None and (row.shop, code) not in known:
                found.missed.append((row.shop, code))

    def _code(self, key: str) -> str | None:
        """Return the code in a missed key if it is the document."""
        documents = message_fields(key.encode(), {})
        code = documents[1].get("code") if isinstance(documents[1], dict) else None
        return code if self._person.is_named(code) else None

    def _is_missed(self, customer: tuple[str, str]) -> bool:
        shop, code = customer
        key = key_text("customers", (code,))
        with self._fence.snapshot() as connection:
            narrow = is_narrow(connection)
            same = key_place(narrow=narrow) == place_of("customers", key, narrow=narrow)
            query = select(exists(1).where(missed.c.domain == "customers", missed.c.shop == shop, same))
            return bool(connection.scalar(query))

    def _find_orders(self, found: FoundPerson) -> None:
        for row in self._rows(orders, [orders.c.payload], list(ORDER_COLUMNS[2:])):
            if not of_order(self._person, row.payload):
                continue
            stay = stay_of(row)
            if stay is None:
                found.orders.append((row.shop, row.order_id))
                continue
            found.staying["orders", stay] += 1
            if len(found.staying_orders) < _MOST_NAMED:
                found.staying_orders.append((row.shop, row.order_id))

    def _messages(self, keys: set[tuple[str, str]]) -> Iterator[str]:
        after = ""
        while True:
            where = [quarantine.c.id > after, *self._of_shop(quarantine)]
            query = select(quarantine.c.id, func.length(quarantine.c.body)).where(*where)
            with self._fence.snapshot() as connection:
                sizes = connection.execute(query.order_by(quarantine.c.id).limit(_PAGE))
                ids = fitting((identity, size) for identity, size in sizes)
                names = ("id", "shop", "domain", "key", "body", "headers")
                bodies = select(*(quarantine.c[name] for name in names)).where(quarantine.c.id.in_(ids))
                rows = connection.execute(bodies).all()
            if not ids:
                return
            after = ids[-1]
            for row in rows:
                fate = message_fate(self._person, row.body, row.headers)
                if fate.own or fate.mentioned or (row.domain == "customers" and (row.shop, row.key) in keys):
                    yield row.id

    def _texts(self, table: Table) -> Iterator[tuple[Any, ...]]:
        columns = [table.c[name] for name in TEXTS[table]]
        for row in self._rows(table, columns, columns):
            if any(_mentions(self._person, row._mapping[column]) for column in columns):
                yield tuple(row[: len(table.primary_key)])

    def _rows(
        self,
        table: Table,
        searched: Sequence[ColumnElement[Any]],
        columns: Sequence[ColumnElement[Any]],
        *where: ColumnElement[bool],
    ) -> Iterator[Any]:
        """Yield the rows that may hold the document in one of the searched columns: their keys, then the columns."""
        keys = list(table.primary_key)
        query = select(*keys, *(each for each in columns if each not in keys)).where(*self._of_shop(table), *where)
        after: tuple[Any, ...] = ()
        while True:
            with self._fence.snapshot() as connection:
                page = query.where(_may_hold(connection.dialect.name, searched, self._person.needle))
                rows = connection.execute(_after(page, keys, after).limit(_PAGE)).all()
            yield from rows
            if len(rows) < _PAGE:
                return
            after = tuple(rows[-1][: len(keys)])

    def _of_shop(self, table: Table) -> list[ColumnElement[bool]]:
        return [] if self._shop is None or "shop" not in table.c else [table.c.shop == self._shop]


def stay_of(row: Any) -> Stay | None:
    """Return why an order stays, from a row of `ORDER_COLUMNS`."""
    cancellation = row.cancellation and CancelState(row.cancellation)
    return order_stays(OrderState(row.state), cancellation, erp_number=row.erp_number, has_news=bool(row.has_news))


def of_order(person: Person, payload: Any) -> bool:
    """Return whether an order is the person's, or mentions them."""
    return person.is_in(payload) or _mentions(person, payload)


def message_fate(person: Person, body: bytes, headers: Mapping[str, Any]) -> MessageFate:
    """Return what becomes of a refused message; one that can't be read as JSON goes even for a mention."""
    fields = message_fields(body, headers)
    mentioned = any(map(person.is_mentioned, message_texts(body, headers)))
    readable = isinstance(fields[1], dict) and person.is_mentioned(body.decode(errors="replace"))
    own = any(map(person.is_in, fields)) or (mentioned and not readable)
    return MessageFate(own, mentioned)


def _mentions(person: Person, value: Any) -> bool:
    if isinstance(value, str):
        return person.is_mentioned(value)
    if isinstance(value, dict):
        return any(_mentions(person, each) for each in value.values())
    return isinstance(value, list) and any(_mentions(person, each) for each in value)


def _may_hold(dialect: str, columns: Sequence[ColumnElement[Any]], needle: str) -> ColumnElement[bool]:
    """Return a condition that every row with the document passes; on SQLite, for trying, every row does."""
    if dialect != "postgresql" or not (needle.isascii() and needle.isalnum()):
        return true()
    text = func.upper(func.concat_ws(" ", *(cast(column, Text) for column in columns)))
    return func.strpos(func.regexp_replace(text, "[^0-9A-Z]", "", "g"), literal(needle)) > 0


def _after(query: Select[Any], keys: Sequence[ColumnElement[Any]], after: tuple[Any, ...]) -> Select[Any]:
    if after:
        values = (literal(value, key.type) for value, key in zip(after, keys, strict=True))
        query = query.where(tuple_(*keys) > tuple_(*values))
    return query.order_by(*keys)
