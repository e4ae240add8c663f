"""Descriptions of the tables of the orders, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc

__all__ = ["ORDER_DOCS"]

_SHOP = "Id of the shop."

ORDER_DOCS: Mapping[str, TableDoc] = {
    "orders": (
        "Orders from the shop, and how far each is on its way to the ERP.",
        {
            "shop": _SHOP,
            "order_id": "Id of the order in the shop; with the shop the key everywhere, also in the ERP.",
            "state": "waiting, sending, sent, internalized, rejected, stuck, held or cancelled.",
            "attempts": "Number of times that it was sent.",
            "failures": "Number of failures while other orders succeeded, since its last success or retry.",
            "failing_since": "Time of the first of these failures.",
            "next_attempt_at": "Time before which it is not sent again.",
            "erp_number": "Number that the ERP gave it.",
            "last_error": "Reason of the last failure or of the rejection.",
            "placed_at": "Time of the order, by the shop.",
            "received_at": "Time at which Comporta stored it.",
            "internalized_at": "Time at which the ERP's number was stored.",
            "payload": "The order as the shop sent it: the event's data.",
            "digest": "Hash of the content: the same id with another content is refused.",
            "receipt_id": "Id of the last receipt that was applied.",
            "lease_until": "Time until which one worker alone sends it.",
            "sent_at": "Time at which the ERP or the broker took it.",
            "cancellation": "How far the ERP knows of it: telling, told or cancel_requested; null: it need not know.",
            "cancel_reason": "Reason of the cancelling.",
            "cancelled_at": "Time of the cancelling, by the shop.",
            "cancel_attempts": "Number of times that the ERP was told.",
            "cancel_due_at": "Time before which the ERP is not told again.",
            "cancel_error": "Reason of the last failure to tell the ERP.",
            "state_since": "Time of the change to its state, attempts in between left out; null: before revision 0029.",
            "accepted_as_is": "Refusal that an operator overruled, with author, time and reason; null: none.",
        },
    ),
    "outbox": (
        "Order notices that the exchange comporta.orders has not been told of yet.",
        {
            "position": "Position; of one order it grows in the order of its changes.",
            "shop": _SHOP,
            "order_id": "Id of the order; null: a refused message names none.",
            "kind": "Kind of the notice, such as accepted or refused.",
            "data": "What is published, as JSON text.",
            "at": "Time of the change.",
        },
    ),
    "outbox_leases": (
        "Shops of which one worker alone publishes the order notices.",
        {
            "shop": _SHOP,
            "worker": "Id of the worker: host, process id and a random part.",
            "until": "Time at which the lease ends.",
        },
    ),
    "order_events": (
        "What the ERP said of an order after it had taken it: invoices and shipments.",
        {
            "shop": _SHOP,
            "order_id": "Id of the order.",
            "event_id": "Id of the ERP's event.",
            "event": "Kind of the event, such as invoiced or shipped.",
            "data": "Data of the event.",
            "occurred_at": "Time of the event, by the ERP.",
            "received_at": "Time at which Comporta stored it.",
        },
    ),
    "erp_faults": (
        "What the ERP answered last, of each shop from which no order reaches it.",
        {
            "shop": _SHOP,
            "answer": "Answer, in short.",
            "error": "Error, in full.",
            "since": "Time of the first failure since the last success.",
            "failed_at": "Time of the last failure.",
            "failures": "Number of failures since the last success.",
        },
    ),
}
