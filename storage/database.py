"""Database: one opened database with its fence, views, gauges and outcome tail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from rules.shops import OPEN, ShopRules
from rules.versions import DEFAULT_CLOCK_AHEAD
from storage import migrate
from storage.engine import Login, open_engine
from storage.fence import Fence, fence_for
from storage.views.reader import Views

# Loaded where they are used: each command uses one or two of them.
if TYPE_CHECKING:
    from storage.diagnostics import Checkup
    from storage.disk import DiskWatch
    from storage.dry_run import DryRun
    from storage.gauges import Gauges
    from storage.grants import Granted
    from storage.migration_plan import MigrationPlan
    from storage.narrow_index import Narrowing
    from storage.queues import QueueReadings
    from storage.tail import OutcomeTail

__all__ = ["Database", "open_database"]


@dataclass(frozen=True)
class Database:
    """A database that connects when first used."""

    url: str
    fence: Fence
    views: Views
    receipt_timeout: timedelta
    _engine: Engine
    _clock_ahead: timedelta
    _shop_rules: ShopRules

    @property
    def is_sqlite(self) -> bool:
        """Return whether the database is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @property
    def is_there(self) -> bool:
        """Return whether the SQLite file exists; True for a server, which may or may not be reachable."""
        return not self.is_sqlite or Path(self._engine.url.database or "").exists()

    @cached_property
    def dry_run(self) -> DryRun:
        """Return the dry run of events and orders."""
        from storage.dry_run import DryRun

        return DryRun(self._engine, self._clock_ahead, self._shop_rules)

    @property
    def gauges(self) -> Gauges:
        """Return the reader of the gauges for monitoring."""
        from storage.gauges import Gauges

        return Gauges(self._engine)

    @property
    def queues(self) -> QueueReadings:
        """Return the writer of the queues' readings."""
        from storage.queues import QueueReadings

        return QueueReadings(self.fence)

    def watch_disk(self, minimum: int) -> DiskWatch:
        """Return a watch over the database's disk, of which `minimum` bytes are to stay free."""
        from storage.disk import DiskWatch

        return DiskWatch(self._engine, minimum)

    def check_up(self) -> Checkup:
        """Diagnose the database for the operator; raises `Unavailable` if it can't be reached."""
        from storage.diagnostics import check_up

        return check_up(self._engine)

    def watch(self) -> OutcomeTail:
        """Return a tail of every outcome that is committed while its block lasts."""
        from storage.tail import OutcomeTail

        return OutcomeTail(self._engine)

    def plan_migration(self) -> MigrationPlan:
        """Return what an upgrade would do, without a change of the database."""
        from storage.migration_plan import new_database_plan, plan_migration

        return plan_migration(self._engine) if self.is_there else new_database_plan()

    def migrate(self) -> tuple[str | None, str | None]:
        """Upgrade to the newest revision; return the revisions before and after."""
        return migrate.migrate(self._engine)

    def narrow_missed(self) -> Narrowing:
        """Take the place of the missed keys' primary key by the narrow index, if no worker needs it any more."""
        from storage.narrow_index import narrow_missed

        return narrow_missed(self.fence, patient=True)

    def require_current(self) -> None:
        """Check the revision; raises `SchemaOutdated` unless it is this program's."""
        migrate.require_current(self._engine)

    def grant_reader(self, role: str, *, dry_run: bool = False) -> Granted:
        """Let a role of the database read the shop's tables and views, and nothing else; raises `ReaderRefused`."""
        from storage.grants import grant_reader

        return grant_reader(self._engine, role, dry_run=dry_run)

    def grant_app(self, role: str, *, dry_run: bool = False) -> list[str]:
        """Let a role of the database do all that Comporta does but migrate; raises `ReaderRefused`."""
        from storage.app_grants import grant_app

        return grant_app(self._engine, role, dry_run=dry_run)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def open_database(
    url: str,
    receipt_timeout: timedelta = timedelta(minutes=15),
    clock_ahead: timedelta = DEFAULT_CLOCK_AHEAD,
    shop_rules: ShopRules = OPEN,
    login: Login | None = None,
) -> Database:
    """Open the database of a URL.

    An order without a receipt for longer than `receipt_timeout` is overdue; a time that serves as version may lie
    `clock_ahead` ahead of the database's clock. A dry run asks `shop_rules` about shops that are not known. `login` is
    asked for user and password at each connection.
    """
    engine = open_engine(url, login)
    views = Views(engine, receipt_timeout)
    return Database(url, fence_for(engine), views, receipt_timeout, engine, clock_ahead, shop_rules)
