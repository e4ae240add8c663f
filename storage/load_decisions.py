"""Operators' decisions on full loads: confirming what a held one would delete, and cancelling one; both audited."""

from __future__ import annotations

from dataclasses import replace

from rules.actions import Conflict, NotFound, check_expected
from rules.full_load import LoadState
from rules.switches import Scope
from storage.audit import AuditEntry, record_action
from storage.fence import Connection, Fence
from storage.load_settlement import pending_deletes
from storage.loads import StoredLoad, end_load, lock_load, write_load
from storage.switches import read_switches

__all__ = ["LoadDecisions"]


class LoadDecisions:
    """Decisions on loads that have not ended."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def confirm(self, entry: AuditEntry, scope: Scope, load_id: str, expected: int) -> int:
        """Let a held load delete as many keys as it has counted, and return their number.

        Raises `NotFound`, `Conflict` if it is not held or its scope is off, and `CountChanged`.
        """
        with self._fence.shared() as connection:
            stored = _locked(connection, scope, load_id)
            load = stored.load
            if load.state is not LoadState.HELD:
                raise Conflict(f"the load {load_id} of {load.shop}/{load.domain} is {load.state}, not held")
            if read_switches(connection).stops(*scope):
                raise Conflict(f"{load.shop}/{load.domain} is off: resume it, then confirm what the load would delete")
            pending = pending_deletes(connection, stored.number)
            check_expected("keys to delete", expected, pending)
            write_load(connection, replace(load, state=LoadState.RUNNING, allowed=load.deleted + pending))
            record_action(connection, entry, pending)
        return pending

    def cancel(self, entry: AuditEntry, scope: Scope, load_id: str) -> None:
        """End a load: it deletes nothing more. Raises `NotFound`, or `Conflict` if it has ended."""
        with self._fence.shared() as connection:
            stored = _locked(connection, scope, load_id)
            load = stored.load
            if not load.is_active:
                raise Conflict(f"the load {load_id} of {load.shop}/{load.domain} is {load.state} already")
            end_load(connection, load, LoadState.CANCELLED, read_switches(connection).now)
            record_action(connection, entry, load.deleted)


def _locked(connection: Connection, scope: Scope, load_id: str) -> StoredLoad:
    stored = lock_load(connection, scope, load_id)
    if stored is None:
        raise NotFound(f"no load with the id {load_id} of {scope[0]}/{scope[1]} is known")
    return stored
