"""Comporta with one fault built in, at the n-th batch of its life: FAULT N COMMAND…"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from comporta.cli import main
from consumers.source import KombuSource
from producers.erp import HttpErpGateway
from schemas.topology import CONTROL
from storage.event_store import EventStore
from storage.order_queue import OrderQueue
from storage.outbox import Outbox
from storage.relay_sources import ChangeSource

__all__: list[str] = []

_turns = 0


def _signal_at_turn(how: signal.Signals, number: int) -> None:
    """Send this process a signal at the n-th call."""
    global _turns
    _turns += 1
    if _turns == number:
        # To this very thread: another one might take it up, and this one run on for a while and commit.
        signal.pthread_kill(threading.get_ident(), how)


def _in_transaction(how: signal.Signals, number: int) -> None:
    write = EventStore._write_counts

    def faulty(self: EventStore, *arguments: Any) -> None:
        write(self, *arguments)
        _signal_at_turn(how, number)

    EventStore._write_counts = faulty  # type: ignore[method-assign]


def _around_settling(number: int, *, before: bool) -> None:
    settle = KombuSource.settle

    def faulty(self: KombuSource, batch: Any) -> None:
        of_events = bool(batch) and batch[0].queue != CONTROL
        if of_events and before:
            _signal_at_turn(signal.SIGKILL, number)
        settle(self, batch)
        if of_events and not before:
            for queue in {delivery.queue for delivery in batch}:
                # The broker's answer comes behind the acknowledgement: what is only on its way is lost with a process.
                self._channels[queue].queue_declare(queue, passive=True)
            _signal_at_turn(signal.SIGKILL, number)

    KombuSource.settle = faulty  # type: ignore[method-assign]


def _around_an_order(number: int, step: str) -> None:
    # The worker that takes over should not have to wait for a minute.
    start = OrderQueue.__init__

    def with_short_lease(self: OrderQueue, fence: Any, switchboard: Any) -> None:
        start(self, fence, switchboard, timedelta(seconds=1))

    OrderQueue.__init__ = with_short_lease  # type: ignore[assignment]
    if step == "before sending":
        deliver = HttpErpGateway.deliver

        def faulty_delivery(self: HttpErpGateway, *order: Any) -> Any:
            _signal_at_turn(signal.SIGKILL, number)
            return deliver(self, *order)

        HttpErpGateway.deliver = faulty_delivery  # type: ignore[method-assign]
        return
    claim = OrderQueue.claim

    def faulty_recording(self: OrderQueue, share: Any, results: Any = ()) -> Any:
        if results and step == "before recording":
            _signal_at_turn(signal.SIGKILL, number)
        claimed = claim(self, share, results)
        if results and step == "after recording":
            _signal_at_turn(signal.SIGKILL, number)
        return claimed

    OrderQueue.claim = faulty_recording  # type: ignore[method-assign]


def _before_removing_notices(number: int) -> None:
    exchange = Outbox.exchange

    def faulty(self: Outbox, published: Any, *arguments: Any) -> Any:
        if published:
            _signal_at_turn(signal.SIGKILL, number)
        return exchange(self, published, *arguments)

    Outbox.exchange = faulty  # type: ignore[method-assign]


def _before_noting_changes(number: int) -> None:
    exchange = ChangeSource.exchange

    def faulty(self: ChangeSource, confirmed: Any, *arguments: Any) -> Any:
        if confirmed:
            _signal_at_turn(signal.SIGKILL, number)
        return exchange(self, confirmed, *arguments)

    ChangeSource.exchange = faulty  # type: ignore[method-assign]


_FAULTS: dict[str, Callable[[int], None]] = {
    "hangs with the batch written and not committed": lambda number: _in_transaction(signal.SIGSTOP, number),
    "dies before the commit": lambda number: _in_transaction(signal.SIGKILL, number),
    "dies between commit and acknowledgement": lambda number: _around_settling(number, before=True),
    "dies after the acknowledgement": lambda number: _around_settling(number, before=False),
    "dies before sending an order": lambda number: _around_an_order(number, "before sending"),
    "dies between sending and recording": lambda number: _around_an_order(number, "before recording"),
    "dies between publishing and removing notices": _before_removing_notices,
    "dies between publishing and noting changes": _before_noting_changes,
    "dies after recording": lambda number: _around_an_order(number, "after recording"),
}

if __name__ == "__main__":
    _FAULTS[sys.argv[1]](int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    main()
