"""Oracle of a failover: what must hold afterwards, and how long it took until it flowed again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import NamedTuple, TypeVar

import psycopg

from broker.connection import BrokerLost
from broker.sync_publisher import SyncPublisher
from control.client import request
from schemas.control import Reply
from schemas.topology import ORDERS_IN
from tests.support.cluster_deployment import HostDeployment
from tests.support.event_generator import Event, EventGenerator, EventPublisher
from tests.support.order_events import placed
from tests.support.pipeline import CLOUDEVENT
from tests.support.services.broker import open_channel
from tests.support.services.host_rabbitmq import HostRabbitMQ
from tests.support.wait import wait_until

__all__ = ["Oracle", "Recovery"]

_PROBED = "probe"
_PATIENCE = 120.0
Answer = TypeVar("Answer")


class Recovery(NamedTuple):
    """Seconds from a fault until an event published after it was applied, and until a pause was answered."""

    events: float
    pause: float


class Oracle:
    """Asks the deployment from a host of its own; `lost` is the node that the test itself has taken away."""

    def __init__(self, deployment: HostDeployment) -> None:
        self.deployment = deployment
        self._versions = count(1)
        self._orders = count(1)
        self.placed: list[str] = []

    def recovery(self, began: float, lost: HostRabbitMQ | None = None) -> Recovery:
        """Measure how long it takes from `began`: both at once, as an ERP and an operator would see it."""
        with ThreadPoolExecutor(2) as pool:
            events: Future[float] = pool.submit(self._until_applied, began, lost)
            pause: Future[float] = pool.submit(self._until_paused, began)
            return Recovery(events.result(), pause.result())

    def ask(self, action: str, shop: str, *, timeout: float = 60.0) -> Reply:
        """Send a control message to whatever node answers; return the reply."""
        message = {"reason": "a test", "by": "tests", "shop": shop, "domains": ["*"], "new_shop": True}
        body = json.dumps(message).encode()
        return Reply.model_validate_json(request(self.deployment.url(), action, body, timeout=timeout))

    def pause(self, shop: str, *, timeout: float = 60.0) -> None:
        """Switch a shop off; of a request that was repeated the answer may be that it is off already."""
        assert self.ask("pause", shop, timeout=timeout).result in {"off", "unchanged"}

    def place(self, number: int, lost: HostRabbitMQ | None = None) -> None:
        """Place orders; a good shop repeats what was not confirmed."""
        for order_id in (f"O{next(self._orders)}" for _ in range(number)):
            wait_until(lambda order_id=order_id: self._placed(order_id, lost), timeout=_PATIENCE, what="a confirm")
            self.placed.append(order_id)

    def check(self, generator: EventGenerator) -> None:
        """Wait for the end of it all: each key newest or exactly missed, the ledger balanced, each order once."""
        shops = [shop for _, shop in generator.domain_shops]

        def differs() -> dict[tuple[str, str, str], tuple[int | None, int | None, int]]:
            rows = self.deployment.queries.newest(*generator.domain_shops)
            missed = self.deployment.queries.missed(*shops)
            return {
                key: (rows.get(key), missed.get(key), version)
                for key, version in generator.newest.items()
                if version not in (rows.get(key), missed.get(key)) or rows.get(key) == missed.get(key)
            }

        self._eventually(lambda: not differs(), "every key to be at its newest version, or missed")
        self._eventually(self._balanced, "the ledger to be balanced")
        self._eventually(lambda: {*self._states()} == {*self.placed}, "every order to be accepted")
        self._eventually(lambda: {*self._states().values()} <= {"sent"}, "every order to be sent")
        arrived = self._arrived()
        # At least once on the way, under one id and with one content: once for the ERP.
        assert {order_id for order_id, _ in arrived} == {*self.placed}
        assert len({order_id for order_id, _ in arrived}) == len({*arrived})

    def applied(self, generator: EventGenerator) -> object:
        """Return a state of the tables that any write would change."""
        return self.deployment.queries.table_states(generator.domain_shops)

    def _until_applied(self, began: float, lost: HostRabbitMQ | None) -> float:
        first = next(self._versions)
        url = self.deployment.url(without=lost)

        def applied() -> bool:
            with EventPublisher(url) as publisher:
                publisher.publish([Event("stock", _PROBED, "p", next(self._versions))])
            found = self._ask_database(lambda: self.deployment.queries.newest(("stock", _PROBED)))
            return found is not None and found.get(("stock", _PROBED, "p"), 0) > first

        wait_until(lambda: self._steady(applied), timeout=_PATIENCE, what="an event to be applied")
        return time.monotonic() - began

    def _until_paused(self, began: float) -> float:
        self.pause(f"paused-{next(self._versions)}", timeout=_PATIENCE)
        return time.monotonic() - began

    def _placed(self, order_id: str, lost: HostRabbitMQ | None) -> bool:
        publisher = SyncPublisher(self.deployment.url(without=lost), "test shop")
        try:
            publisher.publish(placed(order_id), exchange=ORDERS_IN, routing_key="main", content_type=CLOUDEVENT)
        except (BrokerLost, OSError):
            return False
        finally:
            publisher.close()
        return True

    def _balanced(self) -> bool:
        query = "SELECT (SELECT sum(count) FROM received) = (SELECT sum(count) FROM ledger)"
        return self.deployment.queries.rows(query) == [(True,)]

    def _states(self) -> dict[str, str]:
        return dict(self.deployment.queries.rows("SELECT order_id, state FROM orders"))

    def _arrived(self) -> list[tuple[str, str]]:
        """Take what lies in the ERP's queue, and put it back with the end of the channel."""
        found = []
        with open_channel(self.deployment.url().split(",")[0] + self.deployment.vhost_path) as channel:
            while (got := channel.basic_get("erp.orders"))[0] is not None:
                data = json.loads(got[2])["data"]
                found.append((data["order_id"], json.dumps(data, sort_keys=True)))
        return found

    def _eventually(self, holds: Callable[[], bool], what: str) -> None:
        wait_until(lambda: bool(self._ask_database(holds)), timeout=_PATIENCE, what=what)

    @staticmethod
    def _ask_database(question: Callable[[], Answer]) -> Answer | None:
        try:
            return question()
        except psycopg.OperationalError:
            return None

    @staticmethod
    def _steady(question: Callable[[], bool]) -> bool:
        try:
            return question()
        except (BrokerLost, OSError):
            return False
