"""Health of the consumption, as the status document shows it beside the switches."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.fields import Message

__all__ = ["DomainHealth", "Health", "HealthState", "StopCause"]

HealthState = Literal["ok", "stopped", "delayed", "unknown"]
StopCause = Literal["no_consumer", "broker_away", "backlog"]


class DomainHealth(Message):
    """Consumption of a domain's messages from its queues; `lag` is the mean of the last minute, in seconds.

    `ready` and `consumers` are null where the queue could not be read within 15 s; `last_change` is the last commit of
    any outcome.
    """

    state: HealthState
    cause: StopCause | None
    since: datetime | None
    ready: int | None
    consumers: int | None
    last_change: datetime | None
    lag: float | None


class Health(Message):
    """Consumption of the messages from the queues: of all together, and by domain.

    `since` and `ready` are those of the domains in this state.
    """

    state: HealthState
    cause: StopCause | None
    since: datetime | None
    ready: int | None
    domains: dict[str, DomainHealth]
