"""The usual way: FastStream and asyncpg, one upsert and one acknowledgement an event.

As their documentation shows it, or with `tuned` as an argument as fast as we could make it.
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
    """Consumes until it is ended, and prints how many events it has brought home."""
    done = 0
    broker = RabbitBroker(
        os.environ["COMPORTA_BROKER_URL"],
        logger=None,
        default_channel=Channel(prefetch_count=_PREFETCH),
        # Its injection of dependencies takes every event through a pool of threads.
        apply_types=not tuned,
        decoder=_decode if tuned else None,
    )
    pool = await asyncpg.create_pool(
        os.environ["COMPORTA_DATABASE_URL"],
        min_size=_CONNECTIONS,
        max_size=_CONNECTIONS,
        # Resetting a connection on which nothing was set is a second round trip an event.
        reset=_as_it_is if tuned else None,
    )
    # The fence is passed once: it is the starting line of everything that is measured.
    started = asyncio.create_task(asyncio.to_thread(pass_fence))

    async def bring_home(event: ChangeEvent) -> None:
        nonlocal done
        await started
        await pool.execute(statement(event.domain), *values(event))
        done += 1
        if done % 20 == 0:
            print(done, flush=True)

    async def receive(message: RabbitMessage) -> None:
        await bring_home(await _decode(message))

    for domain in DOMAINS:
        queue = RabbitQueue(event_queue(domain), declare=False)
        subscriber = broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR, no_reply=True)
        subscriber(bring_home if tuned else receive)
    await broker.start()
    await asyncio.Event().wait()


async def _decode(message: RabbitMessage) -> ChangeEvent:
    shop, _, domain = (message.raw_message.routing_key or "").partition(".")
    return parse_event(domain, shop, message.body)


async def _as_it_is(_connection: object) -> None:
    # Nothing is ever set on a connection: resetting it would be a second round trip an event.
    return


if __name__ == "__main__":
    asyncio.run(main(tuned="tuned" in sys.argv))
