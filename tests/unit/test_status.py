"""The status on a terminal: processes that no longer beat are marked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rich.console import Console

from comporta.cli.status import status_view
from schemas.control import WorkerState
from tests.support.storage_harness import StorageHarness


def test_a_process_that_no_longer_beats_is_marked(sqlite_url: str) -> None:
    now = datetime.now(UTC)
    seen = {"alive": now, "dead": now - timedelta(minutes=3)}
    workers = [
        WorkerState(id=name, host="h", pid=1, domains=["stock"], last_seen=at, epoch_seen=1)
        for name, at in seen.items()
    ]
    harness = StorageHarness(sqlite_url)
    document = harness.views.status().model_copy(update={"workers": workers})
    harness.engine.dispose()
    console = Console(width=80, record=True)
    console.print(status_view(document))
    lines = {line.split()[0]: line for line in console.export_text().splitlines() if line.split()}
    assert "gone" not in lines["alive"]
    assert "gone for 3 min" in lines["dead"]
