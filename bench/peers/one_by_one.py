"""FastStream and asyncpg peer: one upsert and one acknowledgement for each event.

Built as their documentation shows, or tuned as far as we could with the argument `tuned`.
"""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue

from bench.peers.upsert import pass_fence, statement, values
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from schemas.topology import event_queue

__all__ = ["main"]

# More of either gained nothing on two cores, fewer lost.
_CONNECTIONS, _PREFETCH = 10, 50


async def main(*, tuned: bool) -> None:
    """Consume until terminated; print the count of applied events."""
    applied = 0
    broker = RabbitBroker(
        os.environ["COMPORTA_BROKER_URL"],
        logger=None,
        default_channel=Channel(prefetch_count=_PREFETCH),
        # FastStream's dependency injection takes every event through a thread pool.
        apply_types=not tuned,
        decoder=_decode if tuned else None,
    )
    pool = await asyncpg.create_pool(
        os.environ["COMPORTA_DATABASE_URL"],
        min_size=_CONNECTIONS,
        max_size=_CONNECTIONS,
        # Resetting a connection on which nothing was set is a second round trip an event.
        reset=_no_reset if tuned else None,
    )
    # The fence is passed once: it is the start of every measurement.
    started = asyncio.create_task(asyncio.to_thread(pass_fence))

    async def apply(event: ChangeEvent) -> None:
        nonlocal applied
        await started
        await pool.execute(statement(event.domain), *values(event))
        applied += 1
        if applied % 20 == 0:
            print(applied, flush=True)

    async def receive(message: RabbitMessage) -> None:
        await apply(await _decode(message))

    for domain in DOMAINS:
        queue = RabbitQueue(event_queue(domain), declare=False)
        subscriber = broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR, no_reply=True)
        subscriber(apply if tuned else receive)
    await broker.start()
    await asyncio.Event().wait()


async def _decode(message: RabbitMessage) -> ChangeEvent:
    shop, _, domain = (message.raw_message.routing_key or "").partition(".")
    return parse_event(domain, shop, message.body)


async def _no_reset(_connection: object) -> None:
    # Nothing is ever set on a connection: resetting it would be a second round trip an event.
    return


if __name__ == "__main__":
    asyncio.run(main(tuned="tuned" in sys.argv))
