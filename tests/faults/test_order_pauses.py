"""A pause that lands amid a fault: what is in flight is said and settles, nothing follows, and after it one number."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from producers.erp import AmqpErpGateway, ErpGateway, HttpErpGateway, Order
from rules.orders import ErpResponse
from storage.tables import orders
from tests.support.dispatch_harness import DispatchHarness
from tests.support.order_events import decoded_receipt, internalized
from tests.support.pipeline import Pipeline
from tests.support.services.broker import Broker
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

_PAST = datetime(2026, 1, 1, tzinfo=UTC)
_LOOKS = 3


class PauseHarness(DispatchHarness):
    """Dispatcher that can be paused, and whose looks at the database are counted."""

    looks = 0

    def __init__(self, pipeline: Pipeline, way: ErpGateway) -> None:
        super().__init__(pipeline, way)
        claim = self.dispatcher.order_queue.claim

        def counted(*arguments: Any) -> Any:
            self.looks += 1
            return claim(*arguments)

        self.dispatcher.order_queue.claim = counted  # type: ignore[method-assign]

    @property
    def in_flight(self) -> int:
        return self.pipeline.database.views.status().in_flight_orders

    def pause(self) -> int:
        """Switches orders off; returns how many are said to be in flight."""
        reply = self.pipeline.change("pause", domains=["orders"])
        assert reply.result == "off"
        assert reply.in_flight_orders is not None
        return reply.in_flight_orders

    def resume(self) -> None:
        assert self.pipeline.change("resume", domains=["orders"]).result == "on"
        self.dispatcher.wake.set()

    def settle(self) -> None:
        """Waits until nothing is in flight; then whatever waits for another attempt is due, and is looked at."""
        wait_until(lambda: self.in_flight == 0, what="what was in flight to settle")
        with self.pipeline.database.fence.shared() as connection:
            waits = orders.c.next_attempt_at.is_not(None)
            connection.execute(update(orders).where(waits).values(next_attempt_at=_PAST))
        seen = self.looks
        wait_until(lambda: self.looks >= seen + _LOOKS, what="the dispatcher to look around")


class Latch:
    """Latch that holds callers until `open`."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def pass_by(self) -> None:
        self.reached.set()
        assert self._open.wait(60)

    def open(self) -> None:
        self._open.set()

    def wait_reached(self) -> None:
        assert self.reached.wait(30)


class LatchedErp:
    """An ERP that holds every request it has read until the gate opens, and only then does as the script says."""

    def __init__(self, erp: HttpErp) -> None:
        self.gate = Latch()
        plain = erp.next_answer

        def held(key: str) -> str:
            way = plain(key)
            self.gate.pass_by()
            return way

        erp.next_answer = held  # type: ignore[method-assign]


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    """An ERP that answers at an address."""
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def open_harness(any_database_url: str) -> Iterator[Callable[[str, ErpGateway], PauseHarness]]:
    """Opens harnesses on each database, which are closed in the end."""
    harnesses: list[PauseHarness] = []

    def opened(broker_url: str, way: ErpGateway) -> PauseHarness:
        pipeline = Pipeline(broker_url, any_database_url)
        pipeline.purge()
        harnesses.append(PauseHarness(pipeline, way))
        return harnesses[-1]

    yield opened
    for harness in harnesses:
        harness.close()
        harness.pipeline.close()


@pytest.mark.parametrize(
    ("fault", "settles_as"),
    [
        ("500", "waiting"),
        ("409", "internalized"),
        ("429", "waiting"),
        ("hang", "waiting"),
        ("reset", "waiting"),
        ("garbage", "waiting"),
        ("redirect", "waiting"),
        ("take and reset", "waiting"),
        ("accept", "sent"),
        ("400", "rejected"),
    ],
)
def test_a_pause_that_lands_before_the_answer(
    open_harness: Callable[[str, ErpGateway], PauseHarness], erp: HttpErp, fault: str, settles_as: str
) -> None:
    if fault == "409":
        erp.take("main/O1", {})
    erp.script = ["take" if fault in {"409", "hang"} else fault]
    gate = LatchedErp(erp).gate
    harness = open_harness("memory://", HttpErpGateway(erp.url, 32, 1.0 if fault == "hang" else 30.0))
    harness.place("O1")
    gate.wait_reached()
    assert harness.pause() == 1
    harness.place("O2")
    assert harness.in_flight == 1
    if fault == "hang":
        # The ERP takes the order after we have given up waiting.
        harness.wait_state("waiting", "O1")
    gate.open()
    harness.settle()
    assert harness.wait_state(settles_as)["attempts"] == 1
    assert harness.wait_state("waiting", "O2")["attempts"] == 0
    assert erp.requests == {"main/O1": 1}
    harness.resume()
    if settles_as == "sent":
        harness.orders.commit([decoded_receipt(internalized("O1", erp.take("main/O1", {})[0]))])
    if settles_as == "rejected":
        assert harness.pipeline.retry("main", "O1")
    numbers = {f"main/{name}": harness.wait_state("internalized", name)["erp_number"] for name in ("O1", "O2")}
    assert numbers == erp.numbers
    assert len(set(numbers.values())) == 2
    assert erp.requests == {"main/O1": 1 if settles_as in {"internalized", "sent"} else 2, "main/O2": 1}


def test_a_breaker_that_opens_does_not_probe_while_off(
    open_harness: Callable[[str, ErpGateway], PauseHarness], erp: HttpErp, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is over long before the pause is.
    monkeypatch.setattr("rules.throttle._BREAK_SECONDS", 0.01)
    erp.script = ["500"] * 6
    gate = LatchedErp(erp).gate
    harness = open_harness("memory://", HttpErpGateway(erp.url, 32, 30.0))
    harness.place(*(f"O{number}" for number in range(6)))
    wait_until(lambda: erp.requests.total() == 6, what="all to be in flight")
    assert harness.pause() == 6
    gate.open()
    harness.settle()
    assert erp.requests.total() == 6
    harness.resume()
    for number in range(6):
        harness.wait_state("internalized", f"O{number}")
    assert set(erp.requests.values()) == {2}
    assert len(set(erp.numbers.values())) == 6


class LatchedGateway:
    """A way to the ERP's queue with a gate before or behind the publishing."""

    concurrency_factor = 1

    def __init__(self, url: str, gate: Latch, where: str) -> None:
        self._plain = AmqpErpGateway(url)
        self._gate = gate
        self._where = where

    def send(self, orders: Sequence[Order]) -> list[Future[ErpResponse]]:
        if orders and self._where == "before":
            self._gate.pass_by()
        sent = self._plain.send(orders)
        if orders and self._where == "behind":
            self._gate.pass_by()
        return sent

    def close(self) -> None:
        self._plain.close()


def heard(harness: PauseHarness) -> list[str]:
    """The ids of the orders in the ERP's queue, taken out of it."""
    found = []
    with harness.pipeline.channel() as channel:
        while message := channel.basic_get("erp.orders", no_ack=True):
            found.append(message.properties["message_id"])
    return found


def check_goes_on(harness: PauseHarness, at_the_erp: list[str]) -> None:
    """After the pause: the first order stays as it is, the second one leaves, and both get their numbers."""
    assert at_the_erp == ["O1"]
    assert harness.wait_state("sent")["attempts"] == 1
    harness.resume()
    harness.wait_state("sent", "O2")
    assert heard(harness) == ["O2"]
    harness.orders.commit([decoded_receipt(internalized(name, f"number of {name}")) for name in ("O1", "O2")])
    for name in ("O1", "O2"):
        assert harness.wait_state("internalized", name)["erp_number"] == f"number of {name}"


@pytest.mark.parametrize("where", ["before", "behind"])
def test_a_pause_that_lands_beside_the_publishing(
    open_harness: Callable[[str, ErpGateway], PauseHarness], broker_url: str, where: str
) -> None:
    gate = Latch()
    harness = open_harness(broker_url, LatchedGateway(broker_url, gate, where))
    harness.place("O1")
    gate.wait_reached()
    assert harness.pause() == 1
    harness.place("O2")
    gate.open()
    harness.settle()
    check_goes_on(harness, heard(harness))


@pytest.mark.parametrize("lost", [False, True], ids=["which comes later", "which is lost"])
def test_a_pause_that_lands_before_the_confirm(
    open_harness: Callable[[str, ErpGateway], PauseHarness], rabbitmq: Broker, broker_url: str, lost: bool
) -> None:
    with Proxy(rabbitmq.port) as proxy:
        way = AmqpErpGateway(proxy.through(broker_url))
        harness = open_harness(broker_url, way)
        wait_until(lambda: way._publisher.state == "open", what="the publisher to be connected")
        (proxy.drop_server_to_client if lost else proxy.freeze)()
        harness.place("O1")
        wait_until(lambda: harness.in_flight == 1, what="the order to be in flight")
        if lost:
            with harness.pipeline.channel() as channel:
                wait_until(lambda: channel.queue_declare("erp.orders", passive=True).message_count, what="the order")
        assert harness.pause() == 1
        harness.place("O2")
        if lost:
            proxy.cut()
        proxy.resume()
        harness.settle()
        at_the_erp = heard(harness)
        # Sent twice, it is the same order all the same: the ERP knows it by its id.
        assert len(at_the_erp) == (2 if lost else 1)
        check_goes_on(harness, sorted(set(at_the_erp)))
        harness.close()


def test_a_pause_that_lands_before_the_receipt(
    open_harness: Callable[[str, ErpGateway], PauseHarness], broker_url: str
) -> None:
    harness = open_harness(broker_url, AmqpErpGateway(broker_url))
    harness.place("O1")
    harness.wait_state("sent")
    assert harness.pause() == 0
    harness.place("O2")
    # Receipts are processed whatever is off.
    harness.orders.commit([decoded_receipt(internalized("O1", "7"))])
    assert harness.wait_state("internalized")["erp_number"] == "7"
    harness.settle()
    assert heard(harness) == ["O1"]
    harness.resume()
    harness.wait_state("sent", "O2")
    assert heard(harness) == ["O2"]
