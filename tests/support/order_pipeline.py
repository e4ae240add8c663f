"""Order pipeline: the steps of orders through a pipeline, taken from the shop's queue and sent to the ERP's."""

from __future__ import annotations

from producers.erp import AmqpErpGateway
from producers.order_dispatcher import OrderDispatcher
from storage.order_queue import OrderQueue
from tests.support.pipeline import Pipeline

__all__ = ["send_orders", "take_orders"]


def take_orders(pipeline: Pipeline, number: int) -> None:
    """Take so many messages of shops and ERPs about orders."""
    with pipeline.stepped_orders_worker() as worker:
        worker.drain(number)


def send_orders(pipeline: Pipeline) -> None:
    """Send what may leave to the ERP's queue."""
    queue = OrderQueue(pipeline.database.fence, pipeline.switchboard)
    dispatcher = OrderDispatcher(queue, AmqpErpGateway(pipeline.url), pipeline.stop)
    try:
        while dispatcher.step():
            pass
    finally:
        dispatcher.erp.close()
