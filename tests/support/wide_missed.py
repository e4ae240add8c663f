"""Database of an upgrade from revision 0036, whose missed keys still have the primary key of workers of before."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Engine

from storage.migrate import alembic_config, migrate

__all__ = ["widen_missed"]


def widen_missed(engine: Engine) -> None:
    """Make a new database one that was upgraded from revision 0036."""
    with engine.connect() as connection, connection.begin():
        command.downgrade(alembic_config(connection), "0036")
    migrate(engine)
