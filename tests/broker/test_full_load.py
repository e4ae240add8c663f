"""Full loads over the broker: the bulk queues are served after the live ones, and a load comes in either mode."""

from __future__ import annotations

import json
from typing import Any

from schemas.full_load import BEGUN, CHUNK, COMPLETED
from storage.load_settlement import LoadSettlement
from tests.support.event_samples import sample_event
from tests.support.pipeline import Pipeline, SteppedWorker, stock_event

BULK = "main.products.bulk"
LIVE, IN_BULK = "comporta.stock", "comporta.stock.bulk"


def message(kind: str, **data: Any) -> bytes:
    """Build a message of the load L of products."""
    said = {"load_id": "L", "domain": "products", **data}
    return json.dumps({"specversion": "1.0", "id": "m", "source": "/erp/1", "type": kind, "data": said}).encode()


def product(key: str, chunk: int | None = None) -> bytes:
    """Build an event of the load L, or a live one."""
    part = {} if chunk is None else {"loadid": "L", "loadchunk": str(chunk)}
    return sample_event("products", envelope={"sequence": "10", "id": key, **part}, code=key, name=key)


def take(worker: SteppedWorker) -> list[str]:
    """Settle the next batch as it is, and return the queue of each delivery."""
    batch = worker.source.receive(0)
    worker.source.settle(batch)
    return [delivery.queue for delivery in batch]


def test_what_comes_in_bulk_is_taken_after_what_is_live(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(number, f"B{number}") for number in range(6)), key="main.stock.bulk")
    pipeline.publish(*(stock_event(number, f"L{number}") for number in range(7)), key="main.stock")
    with pipeline.stepped_worker("stock", batch_size=5) as worker:
        worker.source.buffer(13)
        assert [take(worker) for _ in range(4)] == [[LIVE] * 5, [LIVE] * 2, [IN_BULK] * 5, [IN_BULK]]
    assert pipeline.queue_depths() == {}


def test_what_comes_in_bulk_fills_up_every_other_batch_of_what_is_live(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(number, f"B{number}") for number in range(8)), key="main.stock.bulk")
    with pipeline.stepped_worker("stock", batch_size=5) as worker:
        taken = []
        for number in range(4):
            pipeline.publish(stock_event(number, f"L{number}"), key="main.stock")
            worker.source.buffer(9 - sum(batch.count(IN_BULK) for batch in taken))
            taken.append(take(worker))
    assert taken == [[LIVE], [LIVE] + [IN_BULK] * 4, [LIVE], [LIVE] + [IN_BULK] * 4]
    assert pipeline.queue_depths() == {}


def test_a_load_is_taken_in_binary_mode_and_its_deliveries_are_all_accounted_for(pipeline: Pipeline) -> None:
    pipeline.publish(product("A"), product("B"), product("C"), key=BULK)
    pipeline.publish(message(BEGUN, version="100"), key=BULK)
    pipeline.publish(message(CHUNK, chunk=1, version="100", count=1, **{"from": ["B"]}), key=BULK)
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "binary",
        "ce-source": "/erp/1",
        "ce-type": "erp.product.changed.v1",
        "ce-sequence": "20",
        "ce-loadid": "L",
        "ce-loadchunk": 1,
    }
    data = json.dumps(json.loads(product("C"))["data"]).encode()
    pipeline.publish(data, key=BULK, headers=headers, content_type="application/json")
    pipeline.publish(message(COMPLETED, chunks=1, count=1), key=BULK)
    pipeline.publish(message(COMPLETED, chunks=1, count=1), key=BULK)
    with pipeline.stepped_worker("products") as worker:
        worker.source.buffer(8)  # one batch has all of it, so that both events of C stand beside each other
        worker.drain(8)
    settlement = LoadSettlement(pipeline.database.fence)
    while settlement.step():
        pass
    assert {row["code"]: (row["version"], row["deleted"]) for row in pipeline.rows("products")} == {
        "A": (10, False),
        "B": (100, True),
        "C": (20, False),
    }
    # Beside the older event of C, a message of the load that says nothing new is superseded.
    assert pipeline.outcomes("products") == {"applied": 6, "superseded": 2}


def test_an_unreadable_event_of_a_load_spoils_its_chunk(pipeline: Pipeline) -> None:
    bad = json.loads(product("A", 2))
    bad["data"]["active"] = "yes"
    pipeline.publish(message(BEGUN, version="100"), json.dumps(bad).encode(), key=BULK)
    with pipeline.stepped_worker("products") as worker:
        worker.drain(2)
    spoilt = next(chunk for chunk in pipeline.load_chunks() if chunk["chunk"] == 2)
    assert (spoilt["state"], spoilt["reason"], spoilt["quarantined"]) == ("incomplete", "quarantined", 1)
