"""Operator of a pipeline: actions on missed keys, quarantined messages and waiting orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from control.actions import OperatorActions
from producers.messages import OutgoingMessage, PublishResult
from producers.publisher import Publisher
from rules.actions import AuditContext
from storage.engine import open_engine
from storage.tables import audit
from tests.support.pipeline import Pipeline

__all__ = ["ANA", "Operator"]

ANA = AuditContext("ana", "http", "the cause is gone", "ana")


class Operator:
    """Actions as the API takes them, with a publisher that is closed in the end; a test may replace `publish`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.publisher = Publisher(pipeline.url, name="operator", deadline=10)
        self.published: list[OutgoingMessage] = []
        self.actions = OperatorActions(pipeline.database, self.publish)

    def publish(self, messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        self.published += messages
        return list(self.publisher.publish_all(messages))

    def audit(self) -> list[dict[str, Any]]:
        """Return the operator's audit entries, oldest first."""
        engine = open_engine(self.pipeline.database_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(select(audit).where(audit.c.source == ANA.source).order_by(audit.c.id))
                return [dict(row) for row in rows.mappings()]
        finally:
            engine.dispose()

    def close(self) -> None:
        self.publisher.close()
