"""The status on a terminal: processes that no longer beat are marked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rich.console import Console

from comporta.cli.status_view import status_view
from schemas.control import SwitchState, WorkerState
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


def test_a_thousand_shops_fit_on_a_screen_and_those_that_need_somebody_are_named(sqlite_url: str) -> None:
    harness = StorageHarness(sqlite_url)
    document = harness.views.status()
    harness.engine.dispose()
    shops = [f"shop-{number:03}" for number in range(1000)]
    orders = {shop: {"internalized": 2} for shop in shops} | {"shop-777": {"rejected": 1}}
    off = SwitchState(shop="x", domain="*", off=True, reason="r", by="ana", since=datetime.now(UTC), until=None)
    switches = [off.model_copy(update={"shop": shop}) for shop in shops] + [off.model_copy(update={"shop": "*"})]
    console = Console(width=80, record=True)
    console.print(status_view(document.model_copy(update={"orders": orders, "switches": switches})))
    text = console.export_text()
    assert len(text.splitlines()) < 60
    assert "orders of shop-777: 1 rejected" in text
    assert "orders of 990 other shops: 1,980 internalized" in text
    assert "shop *" in text
    assert "and 991 more" in text
