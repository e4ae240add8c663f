"""Worker process that hangs at its second batch, and is found to do so after three seconds."""

from __future__ import annotations

import threading
from typing import Any

from comporta.runtime.process import run_process
from comporta.runtime.settings import load_settings
from schemas.domains import DOMAIN_NAMES
from storage.event_store import EventStore

__all__: list[str] = []

STALL_SECONDS = 3.0


def _hang_at_second() -> None:
    commit, seen = EventStore.commit, []

    def faulty(self: EventStore, batch: Any, *rest: Any) -> Any:
        seen.append(batch)
        if len(seen) > 1:
            threading.Event().wait()
        return commit(self, batch, *rest)

    EventStore.commit = faulty  # type: ignore[method-assign]


if __name__ == "__main__":
    _hang_at_second()
    raise SystemExit(run_process(load_settings(), DOMAIN_NAMES, stall_seconds=STALL_SECONDS))
