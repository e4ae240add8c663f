"""Rows of one shop in every table: counted, and deleted in small steps.

The audit stays: it is the record of what operators have done, the removal itself included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, literal_column, select

from schemas.domains import DOMAIN_NAMES
from storage.audit import AuditEntry, add_count, record_action
from storage.feeds import end_memories
from storage.fence import Fence
from storage.load_tables import load_chunks, load_keys, loads
from storage.shops import ShopRow, add_shops, known_shops, shop_rows
from storage.switches import read_switches
from storage.tables import audit, metadata, orders, shops, switches

__all__ = ["ShopStore", "shop_tables"]

# So few that a pause, which waits for the running step, waits for milliseconds.
_AT_ONCE = 1_000
_OF_LOADS = (load_keys, load_chunks)
# The ERP has these orders, has refused them, or will never get them.
_SETTLED = ("internalized", "rejected", "cancelled")


def shop_tables() -> list[Table]:
    """Return the tables that hold rows of a shop, but for those that say whether it is known and on, and the audit."""
    named = [
        table for table in metadata.sorted_tables if "shop" in table.columns and table not in (audit, shops, switches)
    ]
    # Before the loads that they belong to.
    return [*_OF_LOADS, *named]


def of_shop(table: Table, shop: str) -> ColumnElement[bool]:
    """Return the condition of a shop's rows."""
    if table in _OF_LOADS:
        return table.c.load.in_(select(loads.c.number).where(loads.c.shop == shop))
    return table.c.shop == shop


class ShopStore:
    """The known shops and their rows."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def rows(self) -> list[ShopRow]:
        """Return the known shops in the order of their names."""
        with self._fence.snapshot() as connection:
            return shop_rows(connection)

    def known(self) -> frozenset[str]:
        """Return the name of every known shop."""
        with self._fence.snapshot() as connection:
            return known_shops(connection)

    def add(self, entry: AuditEntry, shop: str) -> bool:
        """Make a shop known, with its entry in the audit; return whether it was not known before."""
        with self._fence.shared() as connection:
            new = connection.scalar(select(shops.c.shop).where(shops.c.shop == shop)) is None
            add_shops(connection, {shop}, read_switches(connection).now)
            record_action(connection, entry, int(new))
        return new

    def count(self, shop: str) -> dict[str, int]:
        """Return the number of a shop's rows by table, without those that have none."""
        with self._fence.snapshot() as connection:
            return _counts(connection, shop)

    def domains_on(self, shop: str) -> list[str]:
        """Return the domains of a shop that no switch holds off."""
        with self._fence.snapshot() as connection:
            state = read_switches(connection)
        return [domain for domain in DOMAIN_NAMES if not state.stops(shop, domain)]

    def open_orders(self, shop: str) -> int:
        """Return the number of a shop's orders that the ERP neither has nor has refused."""
        query = select(func.count()).where(orders.c.shop == shop, orders.c.state.not_in(_SETTLED))
        with self._fence.snapshot() as connection:
            return connection.scalar(query) or 0

    def erase(self, shop: str, audit_id: str) -> Iterator[int]:
        """Delete every row of a shop, step by step; yield the number of rows of each step.

        The switches go alone behind the fence, and from then on every worker asks anew whether the shop is known. What
        was written in the meantime goes after them; events that arrive later may or may not be included.
        """
        yield from self._erase_rows(shop, audit_id)
        with self._fence.exclusive() as connection:
            deleted = sum(_delete(connection, table, shop) for table in (switches, shops))
            end_memories(connection)
            add_count(connection, audit_id, deleted)
        yield deleted
        yield from self._erase_rows(shop, audit_id)

    def _erase_rows(self, shop: str, audit_id: str) -> Iterator[int]:
        counts = self.count(shop)
        for table in shop_tables():
            # No more steps than the rows need: while events arrive, a table may never be empty.
            for _ in range(0, counts.get(table.name, 0), _AT_ONCE):
                yield self._step(table, shop, audit_id)

    def _step(self, table: Table, shop: str, audit_id: str) -> int:
        with self._fence.shared() as connection:
            place = _place(connection, table)
            some = select(place).where(of_shop(table, shop)).limit(_AT_ONCE)
            deleted = connection.execute(delete(table).where(place.in_(some))).rowcount
            add_count(connection, audit_id, deleted)
        return deleted


def _counts(connection: Connection, shop: str) -> dict[str, int]:
    numbers = {
        table.name: connection.scalar(select(func.count()).select_from(table).where(of_shop(table, shop))) or 0
        for table in (*shop_tables(), shops, switches)
    }
    return {name: number for name, number in numbers.items() if number}


def _delete(connection: Connection, table: Table, shop: str) -> int:
    return connection.execute(delete(table).where(of_shop(table, shop))).rowcount


def _place(connection: Connection, table: Table) -> ColumnElement[Any]:
    """Return the place of a row, which finds it again without a look at its key."""
    return literal_column(f"{table.name}.{'ctid' if connection.dialect.name == 'postgresql' else 'rowid'}")
