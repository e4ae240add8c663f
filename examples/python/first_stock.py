"""Publishes a first stock event to Comporta. It needs pika alone: pip install -r requirements.txt

    python first_stock.py [URL [SEQUENCE [ON_HAND]]]

URL is amqp://user:password@host:5672/vhost, or else the environment's COMPORTA_BROKER_URL.
Exit code 0: confirmed; 1: not confirmed, the reason is on standard error; 2: wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, NackError, UnroutableError

SHOP = "main"
ATTEMPTS = 5


class NotTakenError(Exception):
    """The broker answered, and did not take the event: sending it again at once would not help."""


def stock_event(sequence: str, on_hand: str) -> dict[str, object]:
    """One balance as it is now: an absolute state, with numbers in strings so that they keep their digits."""
    # When the change was made, as the ERP's table says: sent again, it is the same event to the letter.
    changed_at = "2026-11-23T07:22:51-03:00"  # A time always names its zone.
    return {
        "specversion": "1.0",
        "id": f"stock-{sequence}",  # The same change has the same id, however often it is sent.
        "source": "/erp/example/1",
        "type": "erp.stock.changed.v1",
        "time": changed_at,
        "sequence": sequence,  # Counts up with every change; of one key the highest wins.
        "data": {
            "product_code": "7891000",
            "branch": "1",
            "warehouse": "MAIN",
            "on_hand": on_hand,
            "unit": "UN",
            "as_of": changed_at,
        },
    }


def publish(url: str, event: dict[str, object]) -> None:
    """Returns once the broker has confirmed that a queue keeps the event."""
    parameters = pika.URLParameters(url)
    parameters.heartbeat = 30
    parameters.blocked_connection_timeout = 30  # A broker short of memory or disk takes nothing for a while.
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json", delivery_mode=2, message_id=str(event["id"])
    )
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # From here on basic_publish waits for the broker's answer.
        try:
            body = json.dumps(event).encode()
            channel.basic_publish("erp.events", f"{SHOP}.stock", body, properties, mandatory=True)
        except UnroutableError:
            raise NotTakenError(f"returned: no queue takes {SHOP}.stock; has Comporta run on this broker?") from None
        except NackError:
            raise NotTakenError("nacked: the broker could not keep the event; look at its log") from None
        except ChannelClosedByBroker as error:
            raise NotTakenError(f"refused: {error.reply_text}; has Comporta run on this broker?") from None


def publish_until_confirmed(url: str, event: dict[str, object]) -> None:
    """Without an answer the event may have arrived or not: sending it again with the same id is safe."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            publish(url, event)
            return
        except (AMQPConnectionError, OSError) as error:
            if attempt == ATTEMPTS:
                raise NotTakenError(f"no answer from the broker in {ATTEMPTS} attempts: {error!r}") from None
            time.sleep(2 ** (attempt - 1))


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    broker_url = given.get(1) or os.environ.get("COMPORTA_BROKER_URL")
    if not broker_url:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    stock = stock_event(given.get(2, "1"), given.get(3, "12.000"))
    try:
        publish_until_confirmed(broker_url, stock)
    except NotTakenError as problem:
        sys.exit(f"NOT confirmed: {stock['id']}: {problem}")
    print(f"confirmed: {stock['id']} for {SHOP}.stock, sequence {stock['sequence']}")
