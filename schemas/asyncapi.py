"""AsyncAPI 3.0 document: the messages on each exchange and queue of the topology."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from schemas.domains import DOMAINS
from schemas.feeds import CHANGES_TYPE, COUNTED_TYPE, QUARANTINED_TYPE
from schemas.fields import JsonSchema
from schemas.full_load import LOAD_TYPES
from schemas.json_schema import event_schemas, message_schemas
from schemas.order_news import CANCEL_REFUSED, CANCEL_TO_ERP, CANCELLED, ERP_CANCELLED, INVOICED, SHIPPED
from schemas.order_notices import NOTICE_TYPES
from schemas.orders import PLACED, TO_ERP
from schemas.receipts import INTERNALIZED, REJECTED
from schemas.resync import RESYNC_TYPE
from schemas.topology import (
    BULK,
    CHANGES,
    CONTROL,
    DEAD,
    EVENTS,
    EXCHANGES,
    ORDER_NOTICES,
    ORDERS_IN,
    ORDERS_OUT,
    OUTCOMES,
    QUEUES,
    RESYNC,
    STATUS,
    Queue,
)

__all__ = ["CONTRACT_VERSION", "asyncapi_document"]

CONTRACT_VERSION = "1.0.0"
_BINDING = {"bindingVersion": "0.3.0"}
_CLOUD_EVENT, _JSON = "application/cloudevents+json", "application/json"
_RECEIPTS = (INTERNALIZED, REJECTED, ERP_CANCELLED, CANCEL_REFUSED, INVOICED, SHIPPED)
_FROM_SHOP, _TO_ERP = (PLACED, CANCELLED), (TO_ERP, CANCEL_TO_ERP)
_PARAMETERS = {
    "shop": {"description": "The id of a shop: a-z, 0-9 and -, at most 63 characters.", "default": "main"},
    "domain": {"description": "One kind of change event.", "enum": list(DOMAINS)},
    "outcome": {
        "description": "What became of the event.",
        "enum": ["applied", "superseded", "discarded", "quarantined"],
    },
}


class _Flow(NamedTuple):
    """Messages on an exchange under a routing key, the operation of Comporta on them, and their reply."""

    name: str
    exchange: str
    address: str | None
    summary: str
    messages: tuple[str, ...] = ()
    action: Literal["send", "receive"] | None = None
    reply: str | None = None


def asyncapi_document() -> dict[str, Any]:
    """Return the whole document, self-contained."""
    flows = _flows()
    schemas = {**event_schemas(), **message_schemas()}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:comporta",
        "info": {
            "title": "Comporta",
            "version": CONTRACT_VERSION,
            "description": "A floodgate between an ERP and an online shop. Operations are what Comporta does: "
            "what it receives, an ERP or an operator publishes.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": _CLOUD_EVENT,
        "servers": {"broker": _server()},
        "channels": {
            **{flow.name: _channel(flow) for flow in flows},
            **{f"queue.{queue.name}": _queue_channel(queue, flows) for queue in QUEUES.values()},
            "control.reply": _reply_channel(),
        },
        "operations": {f"{flow.action}.{flow.name}": _operation(flow) for flow in flows if flow.action},
        "components": {
            "messages": {name: _message(name) for name in schemas},
            "schemas": {name: _payload(schema) for name, schema in schemas.items()},
        },
    }


def _flows() -> list[_Flow]:
    events = [
        _Flow(
            f"events.{domain.name}",
            EVENTS,
            f"{{shop}}.{domain.name}",
            f"Changes of {domain.name}, from the ERP.",
            (*event_schemas(domain), *LOAD_TYPES),
            "receive",
        )
        for domain in DOMAINS.values()
    ]
    bulk = [
        flow._replace(
            name=f"{flow.name}.{BULK}",
            address=f"{flow.address}.{BULK}",
            summary=f"{flow.summary} In bulk, such as a full load: served after the others.",
        )
        for flow in events
    ]
    message, reply, status = "comporta.control.message", "comporta.control.reply", "comporta.status.document"
    return [
        *events,
        *bulk,
        _Flow(
            "receipts",
            EVENTS,
            "{shop}.receipts",
            "The ERP's answers to orders, and its later news.",
            _RECEIPTS,
            "receive",
        ),
        _Flow(
            "orders.placed",
            ORDERS_IN,
            "{shop}",
            "Orders and their cancellations, from the shop.",
            _FROM_SHOP,
            "receive",
        ),
        _Flow("orders.erp", ORDERS_OUT, "{shop}", "Orders and their cancellations, to the ERP.", _TO_ERP, "send"),
        _Flow(
            "orders.notices",
            ORDER_NOTICES,
            "{shop}",
            "What became of the orders, to the shop, which binds a queue of its own.",
            tuple(NOTICE_TYPES),
            "send",
        ),
        _Flow("resync", RESYNC, "{shop}.{domain}", "What the ERP is asked to publish again.", (RESYNC_TYPE,), "send"),
        _Flow("control.pause", CONTROL, "pause", "Switches a scope off.", (message,), "receive", reply),
        _Flow("control.resume", CONTROL, "resume", "Switches a scope on.", (message,), "receive", reply),
        _Flow("control.status", CONTROL, "status", "Asks for the status; the body is not read.", (), "receive", status),
        _Flow("status", STATUS, None, "Every change of a switch.", ("comporta.status.announcement",), "send"),
        _Flow("changes", CHANGES, "{shop}.{domain}", "Rows that were written.", (CHANGES_TYPE,), "send"),
        _Flow(
            "outcomes",
            OUTCOMES,
            "{shop}.{domain}.{outcome}",
            "Quarantined events at once, and the counts of the other outcomes a minute.",
            (QUARANTINED_TYPE, COUNTED_TYPE),
            "send",
        ),
        _Flow("dead", DEAD, None, "What exceeded the delivery limit, from the broker."),
    ]


def _server() -> dict[str, Any]:
    return {
        "host": "{broker}",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ 3.10 or newer; the virtual host is the installation's choice.",
        "variables": {"broker": {"description": "Where it is: a name or an address, and a port."}},
    }


def _channel(flow: _Flow) -> dict[str, Any]:
    exchange = {"name": flow.exchange, "type": EXCHANGES[flow.exchange], "durable": True, "autoDelete": False}
    address = flow.address or ""
    parameters = {name: parameter for name, parameter in _PARAMETERS.items() if f"{{{name}}}" in address}
    return {
        "address": flow.address,
        "summary": flow.summary,
        "messages": _references(flow.messages),
        **({"parameters": parameters} if parameters else {}),
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, **_BINDING}},
    }


def _queue_channel(queue: Queue, flows: Iterable[_Flow]) -> dict[str, Any]:
    messages = {name for flow in flows if _receives(queue, flow) for name in flow.messages}
    properties = {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False}
    bindings = [{"exchange": queue.exchange, "routingKey": key} for key in queue.routing_keys]
    return {
        "address": queue.name,
        "messages": _references(sorted(messages)),
        "bindings": {"amqp": {"is": "queue", "queue": properties, **_BINDING}},
        "x-arguments": queue.arguments,
        "x-bindings": bindings,
    }


def _receives(queue: Queue, flow: _Flow) -> bool:
    if queue.exchange != flow.exchange:
        return False
    # A binding's `*` stands where the address names the shop.
    address = (flow.address or "").replace("{shop}", "*")
    return "#" in queue.routing_keys or address in queue.routing_keys


def _reply_channel() -> dict[str, Any]:
    return {
        "address": None,
        "summary": "The queue that a control message names in reply_to; the reply has its correlation_id.",
        "messages": _references(("comporta.control.reply", "comporta.status.document")),
    }


def _operation(flow: _Flow) -> dict[str, Any]:
    amqp = {"ack": True} if flow.action == "receive" else {"deliveryMode": 2}
    operation: dict[str, Any] = {
        "action": flow.action,
        "channel": {"$ref": f"#/channels/{flow.name}"},
        "summary": flow.summary,
        "bindings": {"amqp": {**amqp, **_BINDING}},
    }
    if flow.reply is not None:
        operation["reply"] = {
            "address": {"location": "$message.header#/reply_to"},
            "channel": {"$ref": "#/channels/control.reply"},
            "messages": [{"$ref": f"#/channels/control.reply/messages/{flow.reply}"}],
        }
    return operation


def _references(messages: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _message(name: str) -> dict[str, Any]:
    content_type = _CLOUD_EVENT if name.endswith(".v1") else _JSON
    return {
        "name": name,
        "contentType": content_type,
        "payload": {"$ref": f"#/components/schemas/{name}"},
        "bindings": {"amqp": {"contentEncoding": "utf-8", **_BINDING}},
    }


def _payload(schema: JsonSchema) -> JsonSchema:
    # AsyncAPI sets its own dialect; these schemas use only the part that both dialects share.
    return {name: value for name, value in schema.items() if name not in {"$schema", "$id"}}
