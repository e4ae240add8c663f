"""Routes of a domain's change events: to its one queue, or over a consistent-hash exchange to its partitions.

A change of the route first adds the new one and then removes the others: for a moment an event may reach two queues,
where its version decides, and never none. One process at a time does it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import kombu
import structlog
from amqp.exceptions import AccessRefused, InvalidCommand, NotAllowed, ResourceLocked

from broker.actions import (
    Action,
    DeclareFault,
    bind_actions,
    declare_queues,
    exchange_action,
    run_actions,
    unbound,
)
from broker.connection import BrokerLost, release, translated
from schemas.partitions import PLUGIN, HashExchange, Partitions, hash_exchanges
from schemas.topology import EVENTS, QUEUES, Queue, event_queue

__all__ = ["MISSING_PLUGIN", "declare_routes", "probe_plugin"]

log = structlog.get_logger(__name__)

MISSING_PLUGIN = (
    f"RabbitMQ's plugin {PLUGIN} is not enabled: run `rabbitmq-plugins enable {PLUGIN}` on every node "
    "(it is part of RabbitMQ)"
)
# Exclusive to the connection that changes routes: it goes with it, whatever becomes of the process.
_LOCK = "comporta.routes"
_LOCK_SECONDS, _NEXT_TRY = 5.0, 0.1
_UNKNOWN_TYPE = "unknown exchange type"


def declare_routes(
    connection: kombu.Connection, partitions: Partitions, former: Collection[str]
) -> dict[str, DeclareFault]:
    """Route the events of the domains with partitions to these, and those of the `former` ones to their one queue.

    Returns the refusals by name. Where the exchanges can't be had, the one queue gets the events. Raises `BrokerLost`.
    """
    faults: dict[str, DeclareFault] = {}
    for domain in partitions.domains:
        exchange = partitions.exchange(domain)
        queues = partitions.queues(domain)
        refused = _declare(connection, exchange, queues)
        faults |= refused
        if exchange.name in refused and refused[exchange.name].mismatch:
            former = {*former, domain}
    present = [domain for domain in partitions.domains if domain not in former]
    changes = [change for domain in present for change in _to_partitions(domain, partitions)]
    changes += [change for domain in former for change in _to_queue(domain)]
    with _alone(connection) as own:
        if own is not None:
            faults |= run_actions(own, changes)
    return faults


def probe_plugin(connection: kombu.Connection, name: str) -> bool | None:
    """Return whether the plugin is enabled, by an exchange of this name that is deleted at once; None if unknown."""
    action = exchange_action(*_declaration(HashExchange(name, {})))
    try:
        refused = _on_own_connection(connection, action)
        with translated(), connection.channel() as channel:
            channel.exchange_delete(name)
    except BrokerLost as error:
        if isinstance(error.__cause__, AccessRefused):
            return None
        raise
    if refused is None:
        return True
    return False if refused.mismatch else None


def _declare(connection: kombu.Connection, exchange: HashExchange, queues: list[Queue]) -> dict[str, DeclareFault]:
    refused = _on_own_connection(connection, exchange_action(*_declaration(exchange)))
    faults = declare_queues(connection, [*map(unbound, queues)])
    return faults if refused is None else faults | {exchange.name: refused}


def _declaration(exchange: HashExchange) -> tuple[str, str, dict[str, object]]:
    return exchange.name, exchange.kind, exchange.arguments


def _on_own_connection(connection: kombu.Connection, action: Action) -> DeclareFault | None:
    """Run an action on a connection of its own: RabbitMQ 3 closes it over a type of exchange that it doesn't know."""
    try:
        with _cloned(connection) as own:
            fault = next(iter(run_actions(own, [action]).values()), None)
    except BrokerLost as error:
        if not isinstance(error.__cause__, InvalidCommand):
            raise
        fault = DeclareFault(_UNKNOWN_TYPE, True)
    if fault is not None and _UNKNOWN_TYPE in fault.text:
        return DeclareFault(MISSING_PLUGIN, True)
    return fault


def _to_partitions(domain: str, partitions: Partitions) -> Iterator[Action]:
    exchange = partitions.exchange(domain)
    for queue in partitions.queues(domain):
        yield from bind_actions(queue)
    yield exchange.name, partial(_bind_exchange, exchange.name, _keys(domain))
    yield event_queue(domain), partial(_unbind_queue, QUEUES[event_queue(domain)])
    for other in hash_exchanges(domain).values():
        if other.name != exchange.name:
            yield other.name, partial(_unbind_exchange, other.name, _keys(domain))
    for queue in partitions.surplus(domain):
        yield queue.name, partial(_unbind_queue, queue)


def _to_queue(domain: str) -> Iterator[Action]:
    yield from bind_actions(QUEUES[event_queue(domain)])
    for exchange in hash_exchanges(domain).values():
        yield exchange.name, partial(_unbind_exchange, exchange.name, _keys(domain))


def _keys(domain: str) -> tuple[str, ...]:
    return QUEUES[event_queue(domain)].routing_keys


def _bind_exchange(name: str, keys: tuple[str, ...], channel: Any) -> None:
    for key in keys:
        channel.exchange_bind(name, EVENTS, key)


def _unbind_exchange(name: str, keys: tuple[str, ...], channel: Any) -> None:
    # The broker takes it as done if there is no such binding or exchange; so with a queue.
    for key in keys:
        channel.exchange_unbind(name, EVENTS, key)


def _unbind_queue(queue: Queue, channel: Any) -> None:
    for key in queue.routing_keys:
        channel.queue_unbind(queue.name, queue.exchange, key)


@contextmanager
def _cloned(connection: kombu.Connection) -> Iterator[kombu.Connection]:
    """Open another connection to the same node."""
    own = connection.clone()
    try:
        with translated():
            own.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        yield own
    except BrokerLost:
        release(own, broken=True)
        raise
    release(own)


@contextmanager
def _alone(connection: kombu.Connection) -> Iterator[kombu.Connection | None]:
    """Open a connection that alone may change routes; None if this user may not, or another holds on to it."""
    with _cloned(connection) as own:
        yield own if _lock(own) else None


def _lock(connection: kombu.Connection) -> bool:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with translated():
                connection.channel().queue_declare(_LOCK, exclusive=True, auto_delete=True)
            return True
        except BrokerLost as error:
            if isinstance(error.__cause__, AccessRefused | NotAllowed):
                return False
            if not isinstance(error.__cause__, ResourceLocked):
                raise
            if time.monotonic() >= end:
                log.warning("routes of partitions are left as they are: another process is about to change them")
                return False
        time.sleep(_NEXT_TRY)
