"""An order that always fails holds up no other, and an ERP that lets nobody in rejects no order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from producers.erp import HttpErpGateway
from tests.support.dispatch_harness import DispatchHarness
from tests.support.order_events import decoded_receipt, internalized
from tests.support.pipeline import Pipeline
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.wait import wait_until

Open = Callable[..., DispatchHarness]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An order that fails is tried again sooner, so that the breaker opens sooner; what it does then is the same."""
    monkeypatch.setattr("rules.orders._FIRST_WAIT", 0.1)


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def open_office(any_database_url: str, erp: HttpErp) -> Iterator[Open]:
    offices: list[DispatchHarness] = []

    def opened(attempts: int = 20) -> DispatchHarness:
        line = Pipeline("memory://", any_database_url)
        offices.append(DispatchHarness(line, HttpErpGateway(erp.url, 32, 2.0), attempts))
        return offices[-1]

    yield opened
    erp.released.set()
    for office in offices:
        office.close()
        office.pipeline.close()


def states(office: DispatchHarness) -> dict[str, int]:
    return office.pipeline.database.views.status().orders["main"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (1, "500"),
        (3, "500"),
        (8, "500"),
        (50, "500"),
        (3, "garbage"),
        (3, "true"),
        (3, "reset"),
        (3, "401"),
        (8, "hang"),
    ],
)
def test_orders_that_always_fail_hold_up_no_other(open_office: Open, erp: HttpErp, number: int, fault: str) -> None:
    bad = [f"bad{index}" for index in range(number)]
    good = [f"good{index}" for index in range(20)]
    erp.always = {f"main/{order_id}": fault for order_id in bad}
    office = open_office()
    office.place(*bad)
    # Each has been tried, and the breaker is open.
    tried = max(6, number)
    wait_until(lambda: len(erp.requests) == number and erp.requests.total() >= tried, what="the breaker to be open")
    office.place(*good)
    wait_until(lambda: states(office).get("internalized") == 20, what="all good ones to be at the ERP")
    assert {erp.requests[f"main/{order_id}"] for order_id in good} == {1}
    assert "rejected" not in states(office)


@pytest.mark.slow
def test_what_fails_while_others_succeed_is_stuck_and_no_longer_tried_until_an_operator_retries(
    open_office: Open, erp: HttpErp
) -> None:
    erp.always = {"main/bad1": "500", "main/bad2": "empty"}
    office = open_office(attempts=3)
    office.place("bad1", "bad2")
    # Only what succeeds after an order's first failure counts against it.
    wait_until(lambda: all(row["failing_since"] for row in office.pipeline.orders().values()), what="both to fail")
    office.place("good1")
    office.wait_state("internalized", "good1")
    stuck = {order_id: office.wait_state("stuck", order_id) for order_id in ("bad1", "bad2")}
    assert stuck["bad1"]["last_error"] == 'HTTP 500: {"detail": "down"}'
    assert stuck["bad2"]["last_error"] == "HTTP 200 without an erp_number: {}"
    assert {(row["failures"], row["next_attempt_at"]) for row in stuck.values()} == {(3, None)}
    asked = erp.requests.copy()
    office.place("good2")
    office.wait_state("internalized", "good2")
    assert erp.requests - asked == {"main/good2": 1}
    # A fault of single orders is none of the way.
    assert office.pipeline.database.views.status().erp_faults == {}
    erp.always = {}
    assert office.pipeline.retry("main", "bad1")
    assert office.wait_state("internalized", "bad1")["failures"] == 0
    office.orders.commit([decoded_receipt(internalized("bad2", "77"))])
    assert office.wait_state("internalized", "bad2")["erp_number"] == "77"


@pytest.mark.slow
def test_an_erp_that_lets_nobody_in_rejects_no_order_and_is_named_until_one_gets_through(
    open_office: Open, erp: HttpErp
) -> None:
    erp.default = "401"
    office = open_office(attempts=1)
    office.place(*(f"O{number}" for number in range(8)))
    wait_until(lambda: erp.requests.total() >= 9, what="each to be tried, and one of them again")
    fault = wait_until(lambda: office.pipeline.database.views.status().erp_faults.get("main"), what="the fault")
    assert (fault.answer, fault.error) == ("HTTP 401", 'HTTP 401: {"detail": "no"}')
    assert fault.since <= fault.failed_at
    assert fault.failures >= 5
    assert states(office).keys() <= {"waiting", "sending"}
    assert office.pipeline.database.gauges.read().erp_failing["main"][1] == "HTTP 401"
    erp.default = "take"
    wait_until(lambda: states(office) == {"internalized": 8}, what="all to go through")
    wait_until(lambda: office.pipeline.database.views.status().erp_faults == {}, what="the fault to be over")
    assert office.pipeline.database.gauges.read().erp_failing == {"main": (0.0, "")}
