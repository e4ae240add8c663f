"""Queues as a command reads them where no process of Comporta does."""

from __future__ import annotations

from broker.connection import BrokerLost
from broker.queues import QueueProbe
from storage.database import Database
from storage.errors import StorageError

__all__ = ["read_queues"]


def read_queues(url: str, database: Database) -> None:
    """Keep a reading of the broker's queues, so that the status says how much waits; else they stay unknown."""
    probe = QueueProbe(url)
    try:
        database.queues.record(probe.read())
    except (BrokerLost, StorageError):
        return
    finally:
        probe.close()
