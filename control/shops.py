"""Known shops: listed, added and removed by operators, each change audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from rules.actions import AuditContext, Conflict, NotFound
from rules.shops import OPEN, ShopRules, unknown_shop
from storage.audit import AuditEntry, AuditLog
from storage.fence import Fence
from storage.shop_rows import ShopStore

__all__ = ["KnownShop", "ShopActions", "ShopRemoval"]


class KnownShop(NamedTuple):
    """A known shop; `admitted` says whether its events and orders are taken, `first_seen` is None before the first."""

    shop: str
    first_seen: datetime | None
    admitted: bool


@dataclass(frozen=True, slots=True)
class ShopRemoval:
    """The removal of a shop: its rows by table before, how many were deleted, and what speaks against it."""

    shop: str
    rows: dict[str, int]
    removed: int
    obstacles: list[str]


class ShopActions:
    """The operators' actions on shops. Those that can't be done raise an `ActionError`."""

    def __init__(self, fence: Fence, rules: ShopRules = OPEN) -> None:
        self._store = ShopStore(fence)
        self._audit = AuditLog(fence)
        self._rules = rules

    def known(self) -> list[KnownShop]:
        """Return the known shops in the order of their names, those of the installation's list included."""
        listed = self._listed()
        seen = {row.shop: row.first_seen for row in self._store.rows()}
        names = seen.keys() | (listed or frozenset())
        return [KnownShop(name, seen.get(name), listed is None or name in listed) for name in sorted(names)]

    def add(self, shop: str, context: AuditContext) -> bool:
        """Make a shop known; return whether it was not known before."""
        listed = self._listed()
        if listed is not None and shop not in listed:
            raise Conflict(f"COMPORTA_SHOPS names a file: add the shop {shop} to it, a line for each shop")
        return self._store.add(AuditEntry("shop-add", context, shop), shop)

    def remove(self, shop: str, context: AuditContext, *, dry_run: bool = False, force: bool = False) -> ShopRemoval:
        """Erase a shop: delete its rows from every table but the audit; with `dry_run` only count them.

        Raises `NotFound` if the shop is not known and has no rows, and `Conflict` if part of it is on or the ERP does
        not have all of its orders; `force` erases it all the same.
        """
        rows = self._store.count(shop)
        if not rows:
            raise NotFound(unknown_shop(shop, self._store.known() | (self._listed() or frozenset())))
        obstacles = self._obstacles(shop)
        if dry_run:
            return ShopRemoval(shop, rows, 0, obstacles)
        if obstacles and not force:
            raise Conflict(f"the shop {shop} is not removed: {'; '.join(obstacles)}; or force the removal")
        with self._audit.open(AuditEntry("shop-remove", context, shop, subject=_summary(rows))) as entry:
            removed = sum(self._store.erase(shop, entry.id))
        return ShopRemoval(shop, rows, removed, obstacles)

    def _obstacles(self, shop: str) -> list[str]:
        on, waiting = self._store.domains_on(shop), self._store.open_orders(shop)
        obstacles = []
        if on:
            obstacles.append(f"{', '.join(on)} {'is' if len(on) == 1 else 'are'} on: pause the shop first")
        if waiting:
            obstacles.append(f"the ERP does not have {waiting} of its orders: wait for them, or cancel them")
        return obstacles

    def _listed(self) -> frozenset[str] | None:
        return None if self._rules.listed is None else self._rules.listed()


def _summary(rows: dict[str, int]) -> str:
    return ", ".join(f"{table} {number}" for table, number in rows.items())
