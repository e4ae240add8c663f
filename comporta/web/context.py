"""Context of the application: the parts that its routes call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from comporta.runtime.health import Monitor
from comporta.web.api.events import Foresee
from comporta.web.live import LiveFeed
from control.actions import OperatorActions
from control.switchboard import Switchboard
from producers.messages import Publish
from storage.repairs import Repairs
from storage.views import Views

__all__ = ["AppContext"]


@dataclass(frozen=True, slots=True)
class AppContext:
    """What the API leads to: `monitor` says whether the process is well, `publish` asks the broker.

    `label` names the environment, `lags` says how many seconds events take just now, where this process knows it.
    """

    views: Views
    live: LiveFeed
    switchboard: Switchboard
    monitor: Monitor
    publish: Publish
    foresee: Foresee
    acting: OperatorActions
    repairs: Repairs
    label: str | None = None
    lags: Callable[[], Mapping[str, float]] = dict
