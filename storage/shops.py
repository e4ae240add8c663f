"""Known shops in the database: admission of those that a batch names, and their rows."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, func, select

from rules.shops import Admission, ShopRules, admit
from storage.dialect import dump_rows, insert_into, rowset
from storage.tables import generations, shops, switches
from storage.types import EXACT_TEXT

__all__ = ["ShopMemory", "ShopRow", "add_shops", "admit_shops", "known_shops", "shop_rows"]

_LOCK = "shops"
# A listed shop is admitted, however many there are.
_EVERY = ShopRules(most=sys.maxsize)


class ShopRow(NamedTuple):
    """A known shop, and the time of its first event or order or of its addition."""

    shop: str
    first_seen: datetime | None


class ShopMemory:
    """The shops that one worker knows: of these an ordinary batch asks nothing.

    A shop list of the installation is asked for every batch, since a shop may be taken off it.
    """

    def __init__(self, rules: ShopRules) -> None:
        self._rules = rules
        self._known: frozenset[str] = frozenset()

    def admit(self, connection: Connection, names: set[str], *, dry_run: bool = False) -> Admission:
        """Decide about the shops of a batch."""
        listed = self._rules.listed() if self._rules.listed is not None else None
        refused = frozenset(names) - listed if listed is not None else frozenset[str]()
        unknown = names - self._known - refused
        if not unknown:
            return Admission(frozenset(), frozenset(), refused)
        admission = admit_shops(connection, unknown, self._rules if listed is None else _EVERY, dry_run=dry_run)
        return admission._replace(refused=admission.refused | refused)

    def learn(self, names: Iterable[str]) -> None:
        """Remember shops that are known, once the transaction that said so has committed."""
        self._known |= frozenset(names)

    def forget(self) -> None:
        """Forget every shop: one may have been removed."""
        self._known = frozenset()


def admit_shops(
    connection: Connection, names: Collection[str], rules: ShopRules, *, dry_run: bool = False
) -> Admission:
    """Decide about shops by the table; the number of shops stays exact however many workers admit at once."""
    known = _present(connection, names)
    if len(known) == len(set(names)) or not rules.open:
        return admit(names, known, 0, rules)
    if not dry_run:
        _lock(connection)
    known, count = _present(connection, names), connection.scalar(select(func.count()).select_from(shops)) or 0
    return admit(names, known, count, rules)


def add_shops(connection: Connection, names: Collection[str], now: datetime) -> None:
    """Insert the shops that are not known yet."""
    if names:
        statement = insert_into(connection.dialect.name, shops).on_conflict_do_nothing()
        connection.execute(statement, [{"shop": shop, "first_seen": now} for shop in sorted(names)])


def known_shops(connection: Connection) -> frozenset[str]:
    """Return every shop that a message, an operator or a switch has named."""
    named = select(shops.c.shop).union(select(switches.c.shop).where(switches.c.shop != "*"))
    return frozenset(connection.scalars(named))


def shop_rows(connection: Connection) -> list[ShopRow]:
    """Return the known shops in the order of their names."""
    return [ShopRow(*row) for row in connection.execute(select(shops).order_by(shops.c.shop))]


def _lock(connection: Connection) -> None:
    """Let no other transaction admit a shop until this one ends; taken before every other row lock of a batch."""
    insert: Any = insert_into(connection.dialect.name, generations).values(name=_LOCK, number=0)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"number": generations.c.number + 1}))


def _present(connection: Connection, names: Collection[str]) -> frozenset[str]:
    dialect = connection.dialect.name
    rows = dump_rows(dialect, ({"shop": name} for name in sorted(names)))
    return frozenset(connection.scalars(_present_query(dialect), {"rows": rows}))


@cache
def _present_query(dialect: str) -> Executable:
    rows = rowset(dialect, {"shop": EXACT_TEXT})
    return select(shops.c.shop).select_from(shops.join(rows.source, shops.c.shop == rows.columns["shop"]))
