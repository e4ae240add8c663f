"""Things break while a publisher has a window on its way: what it calls confirmed is there, the rest is named."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Self

import pytest

from broker.connection import open_connection, release
from broker.declare import declare
from producers.messages import Fate, OutgoingMessage, PublishResult
from producers.publisher import Publisher
from schemas.topology import EVENTS, event_queue
from tests.support.services.broker import Broker, open_channel
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

STOCK = event_queue("stock")


def outgoing(number: int) -> OutgoingMessage:
    return OutgoingMessage(EVENTS, "main.stock", b'{"n":%d}' % number, f"e{number}")


class BackgroundPublisher:
    """A publisher that publishes in a thread of its own until its block or `end` ends it, results as they come."""

    def __init__(self, url: str, *, deadline: float = 60.0) -> None:
        self.publisher = Publisher(url, window=200, deadline=deadline)
        self.results: list[PublishResult] = []
        self._sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A test that fails leaves no publisher behind to fill the next one's queue.
        self._stop.set()
        self.publisher.close()
        self._thread.join()

    def wait_confirmed(self, number: int) -> None:
        wait_until(lambda: len(self.results) >= number, what=f"{number} results")

    def wait_sent(self) -> None:
        """Wait until a message has been sent after this call."""
        before = self._sent
        wait_until(lambda: self._sent > before + 1, what="another message to be sent")

    def reach_state(self, word: str) -> None:
        wait_until(lambda: word in self.publisher.state, what=f"the publisher to say {word}")

    def end(self) -> list[PublishResult]:
        """The results of all that was sent, in order; nothing hangs."""
        self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive()
        assert [result.message.message_id for result in self.results] == [f"e{n}" for n in range(self._sent)]
        self.publisher.close()
        return self.results

    def _run(self) -> None:
        for result in self.publisher.publish_all(self._source()):
            self.results.append(result)

    def _source(self) -> Iterator[OutgoingMessage]:
        while not self._stop.is_set():
            # Not as fast as it could: all of it is read again in the end.
            if self._sent % 10 == 0:
                self._stop.wait(0.01)
            yield outgoing(self._sent)
            self._sent += 1


def identities(results: list[PublishResult], *fates: Fate) -> set[str]:
    return {result.message.message_id for result in results if result.fate in fates}


def in_the_broker(url: str, confirmed: set[str]) -> list[str]:
    """The ids of all that lies in the queue of stock, when all that was confirmed has come out of it.

    A quorum queue that has just started counts, until its leader has committed again, less than it holds.
    """
    found: list[str] = []
    with open_channel(url) as channel:
        channel.basic_qos(prefetch_count=1000)

        def receive(_channel: Any, _method: Any, properties: Any, _body: bytes) -> None:
            found.append(properties.message_id)

        channel.basic_consume(STOCK, receive, auto_ack=True)

        def is_empty() -> bool:
            channel.connection.process_data_events(time_limit=0.2)
            return confirmed <= set(found) and not channel.queue_declare(STOCK, passive=True).method.message_count

        wait_until(is_empty, what="all that was confirmed to come out of the queue")
    return found


def check_nothing_lost(url: str, results: list[PublishResult]) -> None:
    in_the_broker(url, identities(results, Fate.CONFIRMED))


@pytest.fixture
def url(rabbitmq: Broker) -> Iterator[str]:
    """A virtual host with the topology on it; the broker is alive in the end."""
    vhost = rabbitmq.new_vhost()
    connection = open_connection(vhost, name="test")
    declare(connection)
    release(connection)
    yield vhost
    rabbitmq.start()


@pytest.fixture
def proxy(rabbitmq: Broker) -> Iterator[Proxy]:
    """The way to the broker."""
    with Proxy(rabbitmq.port) as proxy:
        yield proxy


def test_a_broker_that_is_killed_mid_window_and_comes_back_has_everything(rabbitmq: Broker, url: str) -> None:
    with BackgroundPublisher(url) as sending:
        sending.wait_confirmed(500)
        rabbitmq.kill()
        sending.reach_state("connecting")
        rabbitmq.start()
        sending.wait_confirmed(len(sending.results) + 500)
        results = sending.end()
        assert {result.fate for result in results} == {Fate.CONFIRMED}
        check_nothing_lost(url, results)


def test_a_broker_that_stays_away_is_named_for_every_message(rabbitmq: Broker, url: str) -> None:
    with BackgroundPublisher(url, deadline=2.0) as sending:
        sending.wait_confirmed(100)
        rabbitmq.kill()
        wait_until(lambda: sending.results[-1].fate is Fate.UNKNOWN, what="the first to be given up")
        results = sending.end()
        lost = [result for result in results if result.fate is Fate.UNKNOWN]
        assert lost
        assert all("not confirmed within 2 s" in result.detail and "refused" in result.detail for result in lost)
        rabbitmq.start()
        check_nothing_lost(url, results)


def test_a_deleted_exchange_is_named_and_its_return_is_noticed(url: str) -> None:
    with BackgroundPublisher(url, deadline=2.0) as sending:
        sending.wait_confirmed(500)
        with open_channel(url) as channel:
            channel.exchange_delete(EVENTS)
        sending.reach_state("no exchange 'erp.events'")
        wait_until(lambda: sending.results[-1].fate is Fate.UNKNOWN, what="the first to be given up")
        connection = open_connection(url, name="test")
        declare(connection)
        release(connection)
        wait_until(lambda: sending.results[-1].fate is Fate.CONFIRMED, what="the new exchange to confirm")
        results = sending.end()
        assert "404 NOT_FOUND - no exchange 'erp.events'" in str([result.detail for result in results])
        check_nothing_lost(url, results)


def test_an_unbound_queue_returns_by_name_what_it_would_have_taken(url: str) -> None:
    with BackgroundPublisher(url) as sending:
        sending.wait_confirmed(500)
        with open_channel(url) as channel:
            channel.queue_unbind(STOCK, EVENTS, "*.stock")
        wait_until(lambda: sending.results[-1].fate is Fate.RETURNED, what="a message to be returned")
        with open_channel(url) as channel:
            channel.queue_bind(STOCK, EVENTS, "*.stock")
        wait_until(lambda: sending.results[-1].fate is Fate.CONFIRMED, what="a message to be confirmed again")
        results = sending.end()
        assert {result.fate for result in results} == {Fate.CONFIRMED, Fate.RETURNED}
        confirmed = identities(results, Fate.CONFIRMED)
        assert sorted(in_the_broker(url, confirmed)) == sorted(confirmed)


def test_a_memory_alarm_is_a_state_that_passes_or_fails_by_name(rabbitmq: Broker, url: str) -> None:
    with BackgroundPublisher(url) as patient, BackgroundPublisher(url, deadline=1.0) as hasty:
        try:
            rabbitmq.ctl("set_vm_memory_high_watermark", "0")
            patient.reach_state("blocked by the broker: low on memory")
            wait_until(lambda: hasty.results[-1].fate is Fate.UNKNOWN, what="the hasty one to give up")
            assert "blocked by the broker: low on memory" in hasty.results[-1].detail
        finally:
            rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
        patient.reach_state("open")
        results, others = patient.end(), hasty.end()
        assert {result.fate for result in results} == {Fate.CONFIRMED}
        check_nothing_lost(url, [*results, *others])


def test_lost_confirms_are_asked_for_again_under_the_same_id(url: str, proxy: Proxy) -> None:
    with BackgroundPublisher(proxy.through(url), deadline=15.0) as sending:
        sending.wait_confirmed(100)
        proxy.drop_server_to_client()
        sending.reach_state("silent")
        proxy.resume()
        sending.reach_state("open")
        results = sending.end()
        assert {result.fate for result in results} == {Fate.CONFIRMED}
        confirmed = identities(results, Fate.CONFIRMED)
        found = in_the_broker(url, confirmed)
        assert set(found) == confirmed
        # What had arrived, only without its confirm, is there twice: one event id, one outcome.
        assert len(found) > len(results)


def test_confirms_that_stay_lost_end_at_the_deadline_by_name(url: str, proxy: Proxy) -> None:
    with BackgroundPublisher(proxy.through(url), deadline=2.0) as sending:
        sending.wait_confirmed(100)
        proxy.drop_server_to_client()
        wait_until(lambda: sending.results[-1].fate is Fate.UNKNOWN, what="the first to be given up")
        results = sending.end()
        assert "not confirmed within 2 s" in results[-1].detail
        check_nothing_lost(url, results)


def test_cuts_of_the_way_only_cost_repetitions(url: str, proxy: Proxy) -> None:
    with BackgroundPublisher(proxy.through(url)) as sending:
        for number in (500, 1500, 2500):
            sending.wait_confirmed(number)
            proxy.cut()
        results = sending.end()
        assert {result.fate for result in results} == {Fate.CONFIRMED}
        check_nothing_lost(url, results)


def test_a_silent_way_holds_neither_a_result_nor_the_closing(url: str, proxy: Proxy) -> None:
    with BackgroundPublisher(proxy.through(url), deadline=2.0) as sending:
        sending.wait_confirmed(100)
        proxy.freeze()
        sending.wait_sent()
        assert sending.end()[-1].fate is Fate.UNKNOWN
        assert sending.publisher.state == "closed"
