"""Erasure of a person's data by document, audited without the document."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rules.actions import AuditContext
from rules.person import Person, Stay
from storage.audit import AuditEntry, AuditLog
from storage.fence import Fence
from storage.person_rows import PersonStore
from storage.person_search import FoundPerson

__all__ = ["PersonActions", "PersonErasure", "StayingRows"]

# Rows that are written while the erasure runs are found by another pass.
_PASSES = 3
_WHY = {
    Stay.TAX_LAW: (
        "the ERP has these orders: they are or become invoices, which tax law obliges the shop to keep (LGPD, articles "
        "7 II and 16 I); COMPORTA_KEEP_ORDERS deletes them in time"
    ),
    Stay.OPEN_ORDER: (
        "these orders may still go to the ERP, to fulfil a purchase (LGPD, article 7 V): wait for the ERP's number, or "
        "cancel them with `comporta orders cancel`; then erase again"
    ),
    Stay.KEY: (
        "the ERP uses the document as the customer's code: the tombstone keeps the key, so that no older event brings "
        "the customer back; COMPORTA_KEEP_TOMBSTONES deletes it in time"
    ),
}


@dataclass(frozen=True, slots=True)
class StayingRows:
    """Rows of a person that stay: their table and number, the reason by its name and as a sentence."""

    table: str
    rows: int
    reason: Stay
    sentence: str


@dataclass(frozen=True, slots=True)
class PersonErasure:
    """The rows of a person by table before, how many were erased, what stays, and the ids of orders among that.

    At most 100 orders are named, as `shop/order_id`.
    """

    rows: dict[str, int]
    erased: int
    stays: list[StayingRows]
    orders: list[str]


class PersonActions:
    """The erasure of persons by their documents."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._audit = AuditLog(fence)

    def erase(
        self, document: str, context: AuditContext, *, shop: str | None = None, dry_run: bool = False
    ) -> PersonErasure:
        """Erase a person's data, in one shop or in all; with `dry_run` only count the rows.

        Customers become tombstones, orders that need no buyer lose it, refused messages and missed keys go, and texts
        lose the document. Raises nothing if there is no such person: that too is an answer, and audited.
        """
        person = Person(document)
        store = PersonStore(self._fence, person, shop)
        found = store.find()
        rows = found.rows()
        if dry_run:
            return _erasure(rows, 0, found)
        # The reason may name the person, too.
        context = context._replace(reason=person.erased(context.reason) if context.reason else context.reason)
        erased: Counter[str] = Counter()
        with self._audit.open(AuditEntry("person-erase", context, shop, subject=_summary(rows))) as entry:
            for _ in range(_PASSES):
                for table, number in store.erase(found, entry.id):
                    erased[table] += number
                found = store.find()
                if not found.rows():
                    break
        return _erasure(rows, erased.total(), found)


def _erasure(rows: dict[str, int], erased: int, found: FoundPerson) -> PersonErasure:
    stays = [
        StayingRows(table, number, reason, _WHY[reason]) for (table, reason), number in sorted(found.staying.items())
    ]
    return PersonErasure(rows, erased, stays, [f"{shop}/{order_id}" for shop, order_id in found.staying_orders])


def _summary(rows: dict[str, int]) -> str:
    return ", ".join(f"{table} {number}" for table, number in rows.items()) or "nothing found"
