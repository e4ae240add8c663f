"""An operator beside a line: what may be done with what is missed, in quarantine or waiting."""

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
    """Acts as the API does, with a publisher that is closed in the end; `publish` may be exchanged by a test."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.publisher = Publisher(pipeline.url, name="operator", deadline=10)
        self.published: list[OutgoingMessage] = []
        self.actions = OperatorActions(pipeline.database, self.publish)

    def publish(self, messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        self.published += messages
        return list(self.publisher.publish_all(messages))

    def audit(self) -> list[dict[str, Any]]:
        """The acts of the audit, oldest first."""
        engine = open_engine(self.pipeline.database_url)
        try:
            with engine.connect() as connection:
                rows = connection.execute(select(audit).where(audit.c.source == ANA.source).order_by(audit.c.id))
                return [dict(row) for row in rows.mappings()]
        finally:
            engine.dispose()

    def close(self) -> None:
        self.publisher.close()
