"""Database: one opened database with its fence, views, gauges and outcome tail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from rules.shops import OPEN, ShopRules
from rules.versions import DEFAULT_CLOCK_AHEAD
from storage import migrate
from storage.app_grants import grant_app
from storage.diagnostics import Checkup, check_up
from storage.disk import DiskWatch
from storage.dry_run import DryRun
from storage.engine import Login, open_engine
from storage.fence import Fence, fence_for
from storage.gauges import Gauges
from storage.grants import Granted, grant_reader
from storage.migration_plan import MigrationPlan, new_database_plan, plan_migration
from storage.queues import QueueReadings
from storage.tail import OutcomeTail
from storage.views import Views

__all__ = ["Database", "open_database"]


@dataclass(frozen=True, slots=True)
class Database:
    """A database that connects when first used."""

    url: str
    fence: Fence
    views: Views
    dry_run: DryRun
    receipt_timeout: timedelta
    _engine: Engine

    @property
    def is_sqlite(self) -> bool:
        """Return whether the database is a file of this machine."""
        return self._engine.dialect.name == "sqlite"

    @property
    def is_there(self) -> bool:
        """Return whether the SQLite file exists; True for a server, which may or may not be reachable."""
        return not self.is_sqlite or Path(self._engine.url.database or "").exists()

    @property
    def gauges(self) -> Gauges:
        """Return the reader of the gauges for monitoring."""
        return Gauges(self._engine)

    @property
    def queues(self) -> QueueReadings:
        """Return the writer of the queues' readings."""
        return QueueReadings(self.fence)

    def watch_disk(self, minimum: int) -> DiskWatch:
        """Return a watch over the database's disk, of which `minimum` bytes are to stay free."""
        return DiskWatch(self._engine, minimum)

    def check_up(self) -> Checkup:
        """Diagnose the database for the operator; raises `Unavailable` if it can't be reached."""
        return check_up(self._engine)

    def watch(self) -> OutcomeTail:
        """Return a tail of every outcome that is committed while its block lasts."""
        return OutcomeTail(self._engine)

    def plan_migration(self) -> MigrationPlan:
        """Return what an upgrade would do, without a change of the database."""
        return plan_migration(self._engine) if self.is_there else new_database_plan()

    def migrate(self) -> tuple[str | None, str | None]:
        """Upgrade to the newest revision; return the revisions before and after."""
        return migrate.migrate(self._engine)

    def require_current(self) -> None:
        """Check the revision; raises `SchemaOutdated` unless it is this program's."""
        migrate.require_current(self._engine)

    def grant_reader(self, role: str, *, dry_run: bool = False) -> Granted:
        """Let a role of the database read the shop's tables and views, and nothing else; raises `ReaderRefused`."""
        return grant_reader(self._engine, role, dry_run=dry_run)

    def grant_app(self, role: str, *, dry_run: bool = False) -> list[str]:
        """Let a role of the database do all that Comporta does but migrate; raises `ReaderRefused`."""
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
    views, dry_run = Views(engine, receipt_timeout), DryRun(engine, clock_ahead, shop_rules)
    return Database(url, fence_for(engine), views, dry_run, receipt_timeout, engine)
