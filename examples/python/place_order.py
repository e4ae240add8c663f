"""Places an order with Comporta and follows it. It needs pika alone: pip install -r requirements.txt

    python place_order.py [URL [ORDER_ID [TOTAL]]]

URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL.
Exit code 0: accepted; 1: refused or not confirmed, the reason is on standard error; 2: wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

import pika
from pika.exceptions import AMQPError, UnroutableError

SHOP = "main"
QUEUE = f"shop.{SHOP}.order-notices"
SECONDS = 30


def order_event(order_id: str, total: str) -> dict[str, object]:
    """One order of one line; amounts are strings, so that they keep their digits."""
    return {
        "specversion": "1.0",
        "id": f"placed-{order_id}",
        "source": "/shop/example",
        "type": "shop.order.placed.v1",
        "data": {
            "order_id": order_id,  # The key everywhere: the same order again changes nothing.
            "placed_at": datetime.now().astimezone().replace(microsecond=0).isoformat(),
            "customer": {"document": "52998224725", "name": "Ana Souza"},
            "currency": "BRL",
            "payment": {"method": "pix"},
            "items": [{"line": 1, "product_code": "7891000", "quantity": "2", "unit_price": "9.99", "total": "19.98"}],
            "total": total,
        },
    }


def bind_queue(channel: pika.adapters.blocking_connection.BlockingChannel) -> None:
    """The shop's own queue: bound before the order is placed, it misses nothing, and keeps what comes meanwhile."""
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, "comporta.orders", SHOP)


def first_notice(channel: pika.adapters.blocking_connection.BlockingChannel, order_id: str) -> dict[str, object] | None:
    """Returns the first notice of this order; a notice may come again, always with the same id."""
    for method, _properties, body in channel.consume(QUEUE, inactivity_timeout=SECONDS):
        if method is None:
            return None
        notice = json.loads(body)
        channel.basic_ack(method.delivery_tag)  # A real shop stores the notice first.
        if notice["data"]["order_id"] == order_id:
            return notice
    return None


def place(url: str, order_id: str, total: str) -> dict[str, object] | None:
    """Places the order; returns what Comporta says of it."""
    properties = pika.BasicProperties(content_type="application/cloudevents+json", delivery_mode=2)
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # From here on basic_publish waits for the broker's answer.
        bind_queue(channel)
        body = json.dumps(order_event(order_id, total)).encode()
        channel.basic_publish("shop.orders", SHOP, body, properties, mandatory=True)
        return first_notice(channel, order_id)


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    broker_url = given.get(1) or os.environ.get("COMPORTA_BROKER_URL")
    if not broker_url:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    number = given.get(2, "1001")
    try:
        answer = place(broker_url, number, given.get(3, "19.98"))
    except UnroutableError:
        sys.exit(f"NOT confirmed: {number}: no queue takes orders; has Comporta run on this broker?")
    except (AMQPError, OSError) as error:
        sys.exit(f"NOT confirmed: {number}: {error!r}; placing it again with the same order_id is safe")
    if answer is None:
        sys.exit(f"no notice of {number} in {SECONDS} s: does a worker run? The order waits at the broker")
    if answer["type"] == "comporta.order.refused.v1":
        reasons = "; ".join(
            f"{each['code']} {each['pointer']} {each['sentence']}" for each in answer["data"]["reasons"]
        )
        sys.exit(f"refused: {number}: {reasons}")
    print(f"{answer['type']}: {number}")
