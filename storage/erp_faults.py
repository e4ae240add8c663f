"""ERP faults: per shop the last failure of the way to the ERP, kept until an order gets through."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from rules.orders import OrderState, OrderUpdate
from storage.dialect import insert_into
from storage.tables import erp_faults, orders

__all__ = ["ErpFaults", "read_faults"]

# Another process may have recorded a fault: a success deletes it, looking no more often than this.
_LOOK_EVERY = timedelta(seconds=5)
_UNDELIVERED = (OrderState.WAITING.value, OrderState.SENDING.value)


class ErpFaults:
    """The faults that one worker records and deletes; on the ordinary path one statement in five seconds."""

    def __init__(self) -> None:
        self._looked_at: dict[str, datetime] = {}

    def record(self, connection: Connection, updates: Iterable[tuple[str, OrderUpdate]], now: datetime) -> None:
        """Record the fault of each shop whose orders have all failed, and delete that of the others.

        An order that is stuck deletes it as well: the fault was the order's.
        """
        failed: dict[str, list[OrderUpdate]] = {}
        passed: set[str] = set()
        for shop, update in updates:
            if update.state is OrderState.WAITING:
                failed.setdefault(shop, []).append(update)
            else:
                passed.add(shop)
        passing = sorted(shop for shop in passed if self._looks(shop, now))
        if passing:
            connection.execute(erp_faults.delete().where(erp_faults.c.shop.in_(passing)))
        rows = [_row(shop, failures, now) for shop, failures in sorted(failed.items()) if shop not in passed]
        for row in rows:
            self._looked_at.pop(row["shop"], None)
        if rows:
            connection.execute(_upsert(connection.dialect.name), rows)

    def _looks(self, shop: str, now: datetime) -> bool:
        last = self._looked_at.get(shop)
        if last is not None and last <= now < last + _LOOK_EVERY:
            return False
        self._looked_at[shop] = now
        return True


def _row(shop: str, failures: list[OrderUpdate], now: datetime) -> dict[str, Any]:
    error = failures[-1].last_error or "no answer"
    answer = error.partition(": ")[0][:60]
    return {
        "shop": shop,
        "answer": answer,
        "error": error,
        "since": now,
        "failed_at": now,
        "failures": len(failures),
    }


def _upsert(dialect: str) -> Any:
    insert = insert_into(dialect, erp_faults)
    values = {name: insert.excluded[name] for name in ("answer", "error", "failed_at")}
    return insert.on_conflict_do_update(
        index_elements=["shop"], set_=values | {"failures": erp_faults.c.failures + insert.excluded.failures}
    )


def read_faults(connection: Connection) -> list[Row[Any]]:
    """Read the faults of the shops that have orders for the ERP; without such orders a fault is history."""
    return list(connection.execute(_READ))


def _reading() -> Select[Any]:
    undelivered = exists(1).where(orders.c.shop == erp_faults.c.shop, orders.c.state.in_(_UNDELIVERED))
    return select(erp_faults).where(undelivered).order_by(erp_faults.c.shop)


_READ = _reading()
