"""Control consumer stepped by hand, and a client of it."""

from __future__ import annotations

import json
from typing import Any

from broker.connection import open_connection
from consumers.source import BatchLimits
from control.consumer import ControlConsumer
from schemas.topology import CONTROL
from storage.views import AuditFilter
from tests.support.pipeline import BufferedSource, Pipeline
from tests.support.wait import wait_until

__all__ = ["ControlHarness", "audit"]


class ControlHarness:
    """Control consumer stepped by hand, and a client of it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.connection = open_connection(pipeline.url, name="test control")
        controller = ControlConsumer(
            pipeline.url, pipeline.switchboard, pipeline.database.views.status, pipeline.publisher, pipeline.stop
        )
        self.controller = controller
        self.source = BufferedSource(self.connection, [CONTROL], BatchLimits(1, 0, 1))
        self.channel = self.connection.channel()
        self.replies = f"replies-{id(self)}"
        self.channel.queue_declare(self.replies, durable=False, exclusive=True)

    def send(self, action: str, body: Any, exchange: str = CONTROL, **properties: Any) -> None:
        """Sends a control message: JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {"reply_to": self.replies, "correlation_id": "c1", "content_type": "application/json", **properties}
        said = {name: value for name, value in said.items() if value is not None}
        self.pipeline.publish(raw, key=action, exchange=exchange, **said)

    def step(self) -> None:
        """Obeys one message."""
        wait_until(lambda: self.controller.step(self.source), what="a control message to be settled")

    def reply(self) -> dict[str, Any]:
        """The next reply."""

        def look() -> Any:
            return self.channel.basic_get(self.replies, no_ack=True)

        message = wait_until(look, what="a reply")
        assert message.properties["correlation_id"] == "c1"
        return dict(json.loads(message.body))

    def ask(self, action: str, body: Any, **properties: Any) -> dict[str, Any]:
        """Sends, obeys, and returns the reply."""
        self.send(action, body, **properties)
        self.step()
        return self.reply()

    def close(self) -> None:
        """Goes home."""
        self.connection.release()


def audit(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The audit, oldest first."""
    return [dict(row) for row in reversed(pipeline.database.views.rows(AuditFilter()))]
