"""Full loads on a migrated database: messages and events of loads, committed as a worker does, and their settlement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from rules.full_load import Chunk, ChunkState
from rules.outcomes import Outcome, RejectedDelivery
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.full_load import BEGUN, CHUNK, COMPLETED, LoadMessage, parse_message
from schemas.reasons import Refusal
from storage.event_store import EventStore, Reject
from storage.load_settlement import LoadSettlement
from storage.load_tables import load_keys
from storage.loads import StoredLoad, read_chunks, read_load
from tests.support.event_samples import sample_event
from tests.support.storage_harness import StorageHarness

__all__ = ["Item", "LoadHarness", "load_message", "product", "reject_at"]

Item = ChangeEvent | LoadMessage | RejectedDelivery


def product(version: int, key: str, load: str | None = None, chunk: int | None = None, **envelope: Any) -> ChangeEvent:
    """Build a change of a product, of a load if one is given."""
    shop, action = envelope.pop("shop", "main"), envelope.pop("action", "changed")
    attributes = {"loadid": load, "loadchunk": None if chunk is None else str(chunk)}
    said = {"sequence": str(version), "id": f"{load or 'live'}-{key}-{version}", **attributes, **envelope}
    data: dict[str, Any] = {"code": key} if action == "deleted" else {"code": key, "name": str(version)}
    event = parse_message("products", shop, sample_event("products", action=action, envelope=said, **data))
    assert isinstance(event, ChangeEvent)
    return event


def load_message(kind: str, *, shop: str = "main", domain: str = "products", identity: str = "m", **data: Any) -> Any:
    """Build a message of a load: `begun`, `chunk` or `completed`."""
    named = {"begun": BEGUN, "chunk": CHUNK, "completed": COMPLETED}[kind]
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": "/erp/1",
        "type": named,
        "data": {"domain": domain, **data},
    }
    return parse_message(domain, shop, json.dumps(event).encode())


def reject_at(batch: Sequence[Item]) -> Reject:
    """What stands for the deliveries of a batch: an item that is refused, as a message of few bytes."""

    def reject(position: int, refusal: Refusal) -> RejectedDelivery:
        item = batch[position]
        key, body = f"{item.shop}.{item.domain}", b"an event"
        return RejectedDelivery(item.shop, item.domain, refusal, body, key, "", {}, redelivered=False)

    return reject


class LoadHarness(StorageHarness):
    """Database with a store, and the settlement of loads."""

    def __init__(self, url: str, page: int = 2) -> None:
        super().__init__(url)
        self.settlement = LoadSettlement(self.fence, page=page)

    def new_store(self) -> EventStore:
        """Return the store of a worker that has just started."""
        return EventStore(self.fence, self.switchboard, "w1")

    def send(self, *items: Item) -> dict[Outcome, int]:
        """Commit one batch; return the number of each outcome."""
        tally = self.store.commit(items, reject_at(items)).tally
        return {outcome: n for outcome in Outcome if (n := sum(c for (_, _, o), c in tally.items() if o is outcome))}

    def begin(self, load: str = "L", version: int = 100, **fields: Any) -> dict[Outcome, int]:
        return self.send(load_message("begun", load_id=load, version=str(version), **fields))

    def announce(
        self, chunk: int, start: Any, end: Any, count: int, version: int = 100, load: str = "L", **fields: Any
    ) -> dict[Outcome, int]:
        bounds = {"from": start, "to": end}
        said = {"load_id": load, "chunk": chunk, "version": str(version), "count": count, **bounds, **fields}
        return self.send(load_message("chunk", **said))

    def complete(self, count: int, chunks: int | None = None, load: str = "L", **fields: Any) -> dict[Outcome, int]:
        return self.send(load_message("completed", load_id=load, chunks=chunks, count=count, **fields))

    def settle(self) -> int:
        """Settle all that can be settled; return the number of steps."""
        steps = 0
        while self.settlement.step():
            steps += 1
            assert steps < 10_000
        return steps

    def stored(self, load: str = "L", domain: str = "products", shop: str = "main") -> StoredLoad:
        with self.engine.connect() as connection:
            found = read_load(connection, (shop, domain), load)
        assert found is not None
        return found

    def state(self, load: str = "L", **fields: str) -> str:
        return self.stored(load, **fields).load.state.value

    def chunk(self, number: int, load: str = "L", **fields: str) -> Chunk:
        with self.engine.connect() as connection:
            return read_chunks(connection, self.stored(load, **fields), (number,))[0]

    def chunk_states(self, load: str = "L", **fields: str) -> dict[int, ChunkState]:
        with self.engine.connect() as connection:
            return {chunk.number: chunk.state for chunk in read_chunks(connection, self.stored(load, **fields))}

    def remembered_keys(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(load_keys)) or 0

    def live(self, domain: str = "products", shop: str = "main") -> set[Any]:
        """Return the keys that are not deleted; of a domain with one key field its value."""
        first, *rest = DOMAINS[domain].key_fields
        rows = [row for row in self.rows(domain) if row["shop"] == shop and not row["deleted"]]
        return {tuple(row[name] for name in (first, *rest)) if rest else row[first] for row in rows}

    def versions(self, domain: str = "products") -> dict[str, tuple[int, bool]]:
        """Return the version of each key, and whether it is deleted."""
        field = DOMAINS[domain].key_fields[0]
        return {row[field]: (row["version"], row["deleted"]) for row in self.rows(domain)}

    def missed_keys(self) -> int:
        counts = self.views.status().missed
        return sum(number for domains in counts.values() for number in domains.values())
