"""Context of the application: the parts that its routes call."""

from __future__ import annotations

from dataclasses import dataclass

from comporta.runtime.health import Monitor
from comporta.web.api.events import PredictOutcomes, StoredVersions
from comporta.web.api.order_intake import PlaceOrders
from comporta.web.api.tail import Watch
from comporta.web.live import LiveFeed
from comporta.web.off_history import OffHistory
from control.actions import OperatorActions
from control.quarantine_edit import QuarantineEdits
from control.quarantine_jobs import QuarantineJobs
from control.switchboard import Switchboard
from producers.messages import Publish
from storage.quarantine_notes import QuarantineNotes
from storage.repairs import Repairs
from storage.views import Views

__all__ = ["AppContext"]


@dataclass(frozen=True, slots=True)
class AppContext:
    """Parts that the routes call.

    `publish` returns once the broker has answered for every message. `label` names the environment.
    """

    views: Views
    live: LiveFeed
    off_history: OffHistory
    switchboard: Switchboard
    monitor: Monitor
    publish: Publish
    predict_outcomes: PredictOutcomes
    stored_versions: StoredVersions
    place_orders: PlaceOrders
    actions: OperatorActions
    repairs: Repairs
    jobs: QuarantineJobs
    notes: QuarantineNotes
    edits: QuarantineEdits
    watch: Watch
    label: str | None = None
