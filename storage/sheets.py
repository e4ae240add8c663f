"""Begins the repair sheets: inside the fence a snapshot is taken, after it is counted what was missed in it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

import structlog
from sqlalchemy import Connection, and_, func, or_, select, true, update

from rules.switches import Scope, Switch, Switches
from schemas.control import ANY, Command
from schemas.domains import DOMAINS
from storage.audit import EXPIRED_BY, EXPIRED_REASON
from storage.errors import StorageError, translated
from storage.fence import Fence
from storage.tables import missed, repair_lines, repairs

__all__ = ["Begun", "SheetStart", "after_expiry", "after_resume", "within"]

log = structlog.get_logger(__name__)


class Begun(NamedTuple):
    """A sheet before anything is counted: the epoch and the moment, and what was switched on, by whom and why."""

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str


def after_resume(command: Command, changes: Sequence[Switch], after: Switches) -> list[Begun]:
    """The sheet that a command begins, if it has switched on anything that can have missed keys."""
    scopes = _fed(changes)
    said = (command.by, command.message.reason)
    return [Begun(after.epoch, after.now, "resume", scopes, *said)] if scopes else []


def after_expiry(ended: Sequence[Switch], after: Switches) -> list[Begun]:
    """The sheet that begins when pauses have ended by themselves."""
    scopes = _fed(ended)
    return [Begun(after.epoch, after.now, "expire", scopes, EXPIRED_BY, EXPIRED_REASON)] if scopes else []


def within(scopes: Iterable[Scope], shop: str, domain: str) -> bool:
    """Whether a shop and domain belong to any of the scopes."""
    return any(named in (ANY, shop) and kind in (ANY, domain) for named, kind in scopes)


class SheetStart:
    """Surrounds one change of the switches; counts in a thread of its own, so that no reply waits for it.

    Where a sheet is `likely`, it connects before the fence is taken: inside it, only a read is left to do.
    """

    def __init__(self, fence: Fence, *, likely: bool) -> None:
        self._fence = fence
        self._likely = likely
        self._stack = ExitStack()
        self._snapshot: Connection | None = None
        self._begun: list[Begun] = []
        self._after: Switches | None = None

    def __enter__(self) -> Self:
        if self._likely:
            self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._after is None or error is not None:
            self._stack.close()
        else:
            threading.Thread(target=self._count, name="repair-sheet", daemon=True).start()

    def begin(self, connection: Connection, begun: list[Begun], after: Switches) -> None:
        """Writes the sheets, and freezes what is missed now; the caller holds the fence alone."""
        if not begun:
            return
        connection.execute(repairs.insert(), [{**each._asdict(), "scopes": list(each.scopes)} for each in begun])
        snapshot = self._snapshot or self._connect()
        if snapshot is None:
            return
        try:
            with translated():
                snapshot.execute(select(missed.c.key).limit(1))
        except StorageError as error:
            _report(error)
        else:
            self._begun, self._after = begun, after

    def _connect(self) -> Connection | None:
        try:
            self._snapshot = self._stack.enter_context(self._fence.snapshot())
        except StorageError as error:
            _report(error)
        return self._snapshot

    def _count(self) -> None:
        assert self._snapshot is not None
        try:
            with self._stack:
                scopes = [scope for each in self._begun for scope in each.scopes]
                counts = _missed_by_scope(self._snapshot, scopes)
            self._write(counts)
        except StorageError as error:
            _report(error)

    def _write(self, counts: dict[Scope, int]) -> None:
        assert self._after is not None
        flowing = {scope: count for scope, count in counts.items() if not self._after.stops(*scope)}
        with self._fence.shared() as connection:
            for each in self._begun:
                lines = {scope: count for scope, count in flowing.items() if within(each.scopes, *scope)}
                total = {"missed": sum(lines.values())}
                connection.execute(update(repairs).where(repairs.c.epoch == each.epoch).values(total))
                rows = [
                    {"epoch": each.epoch, "shop": shop, "domain": domain, "missed": count}
                    for (shop, domain), count in lines.items()
                ]
                if rows:
                    connection.execute(repair_lines.insert(), rows)


def _report(error: StorageError) -> None:
    # The change is what counts: it goes on, and the sheet stays without its starting numbers.
    log.warning("what was missed could not be counted", error=str(error))


def _fed(changes: Iterable[Switch]) -> tuple[Scope, ...]:
    # An order waits: it is never missed.
    return tuple(switch.scope for switch in changes if not switch.off and switch.domain in (ANY, *DOMAINS))


def _missed_by_scope(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, int]:
    wanted = (
        and_(
            true() if shop == ANY else missed.c.shop == shop,
            true() if domain == ANY else missed.c.domain == domain,
        )
        for shop, domain in scopes
    )
    query = select(missed.c.shop, missed.c.domain, func.count()).where(or_(*wanted))
    rows = connection.execute(query.group_by(missed.c.shop, missed.c.domain))
    return {(shop, domain): count for shop, domain, count in rows}
