"""The usual way: FastStream and asyncpg, one upsert and one acknowledgement an event.

As their documentation shows it, or with `tuned` as an argument as fast as we could make it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

import asyncpg
import orjson
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitMessage, RabbitQueue
from pydantic import BaseModel

from schemas.events import ChangeEvent, parse_event
from schemas.fields import Column
from schemas.registry import DOMAINS
from schemas.topology import event_queue
from storage.database import open_database
from storage.tables import ENTITY_TABLES

__all__ = ["main"]

# More of either gained nothing on two cores, fewer lost.
_CONNECTIONS, _PREFETCH = 10, 50
_CASTS = {Column.QUANTITY: "::text::numeric", Column.MONEY: "::text::numeric", Column.JSON: "::text::jsonb"}
_STAMPS = ("version", "event_id", "deleted", "occurred_at")


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
    started = asyncio.create_task(_pass_fence())

    async def bring_home(event: ChangeEvent) -> None:
        nonlocal done
        await started
        await pool.execute(_upsert(event.domain), *_values(event))
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


async def _pass_fence() -> None:
    def wait() -> None:
        with open_database(os.environ["COMPORTA_DATABASE_URL"]).fence.shared():
            return

    await asyncio.to_thread(wait)


async def _decode(message: RabbitMessage) -> ChangeEvent:
    shop, _, domain = (message.raw_message.routing_key or "").partition(".")
    return parse_event(domain, shop, message.body)


async def _as_it_is(_connection: object) -> None:
    # Nothing is ever set on a connection: resetting it would be a second round trip an event.
    return


def _values(event: ChangeEvent) -> list[Any]:
    fields = event.data.__dict__
    given = [_plain(fields.get(name)) for name in DOMAINS[event.domain].columns]
    return [event.shop, *given, event.version, event.event_id, event.deleted, event.occurred_at]


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=BaseModel.model_dump).decode()
    return value


@cache
def _upsert(domain: str) -> str:
    columns = DOMAINS[domain].columns
    names = ("shop", *columns, *_STAMPS)
    keys = [column.name for column in ENTITY_TABLES[domain].primary_key]
    casts = ["", *(_CASTS.get(kind, "") for kind in columns.values()), *("" for _ in _STAMPS)]
    values = [f"${number}{kind}" for number, kind in enumerate(casts, 1)]
    changed = _listed(f"{name} = excluded.{name}" for name in (*names, "applied_at") if name not in keys)
    return (
        f"INSERT INTO {domain} AS known ({_listed(names)}, applied_at) VALUES ({_listed(values)}, clock_timestamp()) "
        f"ON CONFLICT ({_listed(keys)}) DO UPDATE SET {changed} "
        "WHERE (known.version, known.event_id) < (excluded.version, excluded.event_id)"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


if __name__ == "__main__":
    asyncio.run(main(tuned="tuned" in sys.argv))
