"""Stock events that the database refuses for a while, and dead letters, to be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from tests.support.pipeline import Pipeline, stock_event

__all__ = ["died", "keep", "refusing", "take", "take_dead"]

_REFUSAL = {
    "postgresql": (
        "ALTER TABLE stock ADD CONSTRAINT refusal CHECK (unit <> 'BAD')",
        "ALTER TABLE stock DROP CONSTRAINT refusal",
    ),
    "sqlite": (
        "CREATE TRIGGER refusal BEFORE INSERT ON stock WHEN NEW.unit = 'BAD' BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER refusal",
    ),
}


def _run(connection: Connection, which: int) -> None:
    connection.execute(text(_REFUSAL[connection.dialect.name][which]))


@contextmanager
def refusing(pipeline: Pipeline) -> Iterator[None]:
    """While it lasts, the database refuses a stock whose unit is BAD."""
    with pipeline.database.fence.shared() as connection:
        _run(connection, 0)
    yield
    with pipeline.database.fence.shared() as connection:
        _run(connection, 1)


def keep(pipeline: Pipeline, *versions: int, **properties: object) -> list[str]:
    """Quarantined stocks of products P<version>, good but for a cause that is gone by now; their ids."""
    with refusing(pipeline), pipeline.stepped_worker("stock") as worker:
        pipeline.publish(*(stock_event(version, f"P{version}", unit="BAD") for version in versions), **properties)
        worker.drain(len(versions))
    return [row["id"] for row in pipeline.quarantined()][-len(versions) :]


def take(pipeline: Pipeline, number: int) -> None:
    with pipeline.stepped_worker() as worker:
        worker.drain(number)


def take_dead(pipeline: Pipeline, number: int) -> None:
    with pipeline.stepped_dead_letters_worker() as worker:
        worker.drain(number)


def died(queue: str, key: str, reason: str = "expired") -> dict[str, object]:
    """Headers of a message that the broker has dead-lettered."""
    return {"x-death": [{"queue": queue, "reason": reason, "exchange": "erp.events", "routing-keys": [key]}]}
