"""Comparison of a shop's domain with the ERP's file, and the filing of what differs as missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.actions import AuditContext
from rules.comparison import Difference, compare_entity
from storage.audit import AuditEntry, AuditLog
from storage.database import Database
from storage.entity_rows import EntityRows
from storage.missed_differences import AT_ONCE, Filed, MissedFiling
from storage.spool import Spool

__all__ = ["Comparison", "file_differences"]


@dataclass
class Comparison:
    """The comparison of every row with the spooled file; `equal` and `compared` are the numbers so far."""

    rows: EntityRows
    spool: Spool
    equal: int = 0
    compared: int = field(default=0)

    def differences(self) -> Iterator[Difference | None]:
        """Yield the difference of each key that exists on either side, None for one that is equal."""
        horizon = self.spool.horizon
        for page in self.rows.pages():
            there = self.spool.take([entity.key for entity in page])
            for entity in page:
                yours = there.get(entity.key)
                if entity.here.content is None and (yours is None or yours.content is None):
                    continue
                yield self._counted(compare_entity(entity.key, entity.here, yours, horizon))
        for key, yours in self.spool.rest():
            if yours.content is not None:
                yield self._counted(compare_entity(key, None, yours, horizon))

    def _counted(self, difference: Difference | None) -> Difference | None:
        self.compared += 1
        self.equal += difference is None
        return difference


def file_differences(
    database: Database, shop: str, domain: str, spool: Spool, context: AuditContext, source: str
) -> Filed:
    """File the remembered keys as missed, step by step, with one entry in the audit; to repeat it is harmless."""
    filed = changed = 0
    filing = MissedFiling(database.fence, shop, domain)
    with AuditLog(database.fence).open(AuditEntry("compare", context, shop, domain, source)) as entry:
        for batch in spool.to_file(AT_ONCE):
            done = filing.file(batch, entry.id)
            filed, changed = filed + done.filed, changed + done.changed
    return Filed(filed, changed)
