"""Runs `comporta` with a worker that hangs at its second batch, and is found to do so after 3 s."""

from __future__ import annotations

import threading
from typing import Any

from comporta.cli import main
from comporta.runtime.threads import ThreadGroup
from storage.event_store import EventStore

__all__: list[str] = []

HUNG_SECONDS = 3.0


def _hang_at_second() -> None:
    commit, seen = EventStore.commit, []

    def faulty(self: EventStore, batch: Any) -> Any:
        seen.append(batch)
        if len(seen) > 1:
            threading.Event().wait()
        return commit(self, batch)

    EventStore.commit = faulty  # type: ignore[method-assign]


if __name__ == "__main__":
    ThreadGroup.__init__.__defaults__ = (HUNG_SECONDS,)  # type: ignore[misc]
    _hang_at_second()
    main()
