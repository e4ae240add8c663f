"""Erasure of one person's rows, in steps inside the fence: deleted where nothing needs them, else without the person.

A customer becomes a tombstone in its own version that beats every event of that version: an older event, or the same
one sent again, does not bring the customer back. A newer one does, since it is a new statement of the ERP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, and_, delete, select, tuple_, update

from rules.person import ERASED_ID, Person, impersonal_order
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from storage.audit import add_count
from storage.changes import record_if_on
from storage.dialect import database_now
from storage.entities import apply_and_return, key_text
from storage.entity_tables import ENTITY_TABLES
from storage.fence import Fence
from storage.missed_index import is_narrow, key_place, place_of
from storage.missed_rows import clear_missed
from storage.order_rows import OrderKey
from storage.person_search import (
    ORDER_COLUMNS,
    TEXTS,
    FoundPerson,
    PersonSearch,
    message_fate,
    of_order,
    stay_of,
)
from storage.search_texts import search_text
from storage.tables import missed, orders, quarantine

__all__ = ["PersonStore"]

# So few that a pause, which waits for the running step, waits for milliseconds.
_AT_ONCE = 100
_CUSTOMERS = ENTITY_TABLES["customers"]
Key = TypeVar("Key")
Counts = tuple[str, int]


class PersonStore:
    """The rows of one person, in one shop or in all."""

    def __init__(self, fence: Fence, person: Person, shop: str | None) -> None:
        self._fence = fence
        self._person = person
        self._search = PersonSearch(fence, person, shop)

    def find(self) -> FoundPerson:
        """Find the person's rows as they are now."""
        return self._search.find()

    def erase(self, found: FoundPerson, audit_id: str) -> Iterator[Counts]:
        """Erase the rows that were found; yield the table and the number of rows of each step.

        Refused messages go first: their replay would bring the customer back.
        """
        customers = sorted({*found.customers, *found.missed})
        keys = {(shop, key_text("customers", (code,))) for shop, code in customers}
        yield from self._steps(audit_id, found.messages, partial(self._messages, keys=keys))
        yield from self._steps(audit_id, customers, self._customers)
        yield from self._steps(audit_id, sorted(found.orders), self._orders)
        for table, rows in found.texts.items():
            yield from self._steps(audit_id, sorted(rows), partial(self._texts, table=table))

    def _steps(
        self, audit_id: str, keys: Sequence[Key], run: Callable[[Connection, Sequence[Key]], dict[str, int]]
    ) -> Iterator[Counts]:
        for start in range(0, len(keys), _AT_ONCE):
            with self._fence.shared() as connection:
                counts = run(connection, keys[start : start + _AT_ONCE])
                add_count(connection, audit_id, sum(counts.values()))
            yield from counts.items()

    def _customers(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[str, int]:
        now = database_now(connection)
        key = tuple_(_CUSTOMERS.c.shop, _CUSTOMERS.c.code)
        query = select(_CUSTOMERS.c.shop, _CUSTOMERS.c.code, _CUSTOMERS.c.version, _CUSTOMERS.c.deleted)
        # In the order in which batches write: two transactions that lock rows in two orders would deadlock.
        locked = query.where(key.in_(keys)).order_by(_CUSTOMERS.c.shop, _CUSTOMERS.c.code).with_for_update()
        rows = {(row.shop, row.code): row for row in connection.execute(locked)}
        texts = {(shop, key_text("customers", (code,))): (shop, code) for shop, code in keys}
        narrow = is_narrow(connection)
        places = [(shop, place_of("customers", key, narrow=narrow)) for shop, key in texts]
        discarded = select(missed.c.shop, missed.c.key, missed.c.version).where(
            missed.c.domain == "customers", tuple_(missed.c.shop, key_place(narrow=narrow)).in_(places)
        )
        versions = {texts[row.shop, row.key]: row.version for row in connection.execute(discarded)}
        events = []
        for shop, code in sorted(rows.keys() | versions.keys()):
            row, version = rows.get((shop, code)), versions.get((shop, code))
            if version is None and row is not None and row.deleted:
                continue
            newest = max(each for each in (version, row and row.version) if each is not None)
            events.append(_tombstone(shop, code, newest))
        if not events:
            return {}
        written = apply_and_return(connection, "customers", events, now)
        clear_missed(connection, "customers", events, narrow=narrow)
        record_if_on(connection, written, now)
        erased = sum(1 for row in rows.values() if not row.deleted)
        return {table: number for table, number in (("customers", erased), ("missed", len(versions))) if number}

    def _orders(self, connection: Connection, keys: Sequence[OrderKey]) -> dict[str, int]:
        key = tuple_(orders.c.shop, orders.c.order_id)
        texts = (orders.c.last_error, orders.c.cancel_reason, orders.c.cancel_error)
        query = select(*ORDER_COLUMNS, *texts).where(key.in_(keys)).order_by(orders.c.shop, orders.c.order_id)
        number = 0
        # Read again under a lock: an order that has changed meanwhile is judged by what it is now.
        for row in connection.execute(query.with_for_update(of=orders)).all():
            if stay_of(row) is not None or not of_order(self._person, row.payload):
                continue
            own = self._person.is_in(row.payload)
            values = {column.name: self._person.erased(getattr(row, column.name)) for column in texts}
            values["payload"] = impersonal_order(row.payload) if own else self._person.erased(row.payload)
            same = and_(orders.c.shop == row.shop, orders.c.order_id == row.order_id)
            number += connection.execute(update(orders).where(same).values(values)).rowcount
        return {"orders": number} if number else {}

    def _messages(self, connection: Connection, ids: Sequence[str], keys: set[tuple[str, str]]) -> dict[str, int]:
        number = 0
        for identity in ids:
            query = select(quarantine).where(quarantine.c.id == identity).with_for_update()
            row = connection.execute(query).first()
            if row is None:
                continue
            fate = message_fate(self._person, row.body, row.headers)
            if fate.own or (row.domain == "customers" and (row.shop, row.key) in keys):
                statement: Any = delete(quarantine)
            elif fate.mentioned:
                text = self._person.erased(row.body.decode(errors="surrogateescape"))
                body = text.encode(errors="surrogateescape")
                values = {name: self._person.erased(row._mapping[name]) for name in ("headers", "key", "subject")}
                if row.search_text is None:
                    # Never left to the upkeep, which may have read the message before.
                    made = search_text(body, values["headers"])
                else:
                    made = self._person.erased(row.search_text)
                statement = update(quarantine).values(body=body, search_text=made, **values)
            else:
                continue
            number += connection.execute(statement.where(quarantine.c.id == identity)).rowcount
        return {"quarantine": number} if number else {}

    def _texts(self, connection: Connection, keys: Sequence[tuple[Any, ...]], table: Table) -> dict[str, int]:
        names, primary = TEXTS[table], list(table.primary_key)
        number = 0
        for key in keys:
            same = and_(*(column == value for column, value in zip(primary, key, strict=True)))
            row = connection.execute(select(*(table.c[name] for name in names)).where(same).with_for_update()).first()
            if row is not None:
                values = {name: self._person.erased(text) for name, text in zip(names, row, strict=True)}
                number += connection.execute(update(table).where(same).values(values)).rowcount
        return {table.name: number} if number else {}


def _tombstone(shop: str, code: str, version: int) -> ChangeEvent:
    return ChangeEvent(
        domain="customers",
        shop=shop,
        key=(code,),
        version=version,
        event_id=ERASED_ID,
        occurred_at=None,
        deleted=True,
        data=DOMAINS["customers"].key.model_construct(code=code),
        unknown=(),
    )
