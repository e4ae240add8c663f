"""Descriptions of Comporta's other tables, for those who look with SQL, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from storage.entity_docs import TableDoc
from storage.health_docs import HEALTH_DOCS
from storage.load_docs import LOAD_DOCS
from storage.order_docs import ORDER_DOCS

__all__ = ["SYSTEM_DOCS"]

_SHOP = "Id of the shop."
_DOMAIN = "Domain."
_WORKER = "Id of the worker: host, process id and a random part."

SYSTEM_DOCS: Mapping[str, TableDoc] = {
    **ORDER_DOCS,
    **HEALTH_DOCS,
    **LOAD_DOCS,
    "switches": (
        "Switches: one row for each scope that was ever switched.",
        {
            "shop": "Id of the shop, or * for all.",
            "domain": "Domain, or * for all.",
            "off": "Whether it is off; an until that has passed ends it by itself.",
            "reason": "Reason of the last change.",
            "by": "Author of the last change.",
            "since": "Begin of the pause; null while on.",
            "until": "Planned end of the pause; null: no end.",
            "epoch": "Epoch of the last change.",
            "changed_at": "Time of the last change.",
            "until_before": "Planned end before it was last moved.",
            "until_by": "Author of this move.",
            "until_at": "Time of this move.",
            "plan_from": "Begin of a planned pause; null: none is planned.",
            "plan_until": "End of the planned pause; null: no end.",
            "plan_reason": "Reason of the planned pause.",
            "plan_by": "Author of the planned pause.",
            "plan_weekly": "Whether the planned pause repeats every week.",
        },
    ),
    "audit": (
        "Every command and every action of an operator, and what came of it.",
        {
            "id": "Id, in the order of time.",
            "at": "Time, by the database's clock.",
            "action": "pause, resume, expire, or the operator's action.",
            "shop": "Id of the shop, * or null for all.",
            "domains": "Domains: a JSON list; null for all.",
            "by": "Author, as the request names it.",
            "user_id": "Author, as the broker or the sign-in has checked it.",
            "source": "Way of the request: amqp, http, page or cli.",
            "reason": "Reason that the author gave.",
            "message_id": "Id of the control message; a repeat is recognised by it.",
            "issued_at": "Time at which the command was issued.",
            "until": "Planned end of the pause.",
            "result": "off, on, unchanged, refused, or the state of an action: begun, done or failed.",
            "epoch": "Epoch after it.",
            "error": "Reason of a refusal or a failure.",
            "subject": "Item or selection that the action was for.",
            "count": "Number of items that the action changed so far.",
        },
    ),
    "missed": (
        "Keys whose newest known change was discarded while a switch was off. On PostgreSQL the place of the primary "
        "key is taken by the unique index `missed_values`, of domain, shop, and the key without its fields' names.",
        {
            "domain": _DOMAIN,
            "shop": _SHOP,
            "key": "Key fields, as a JSON object.",
            "version": "Newest version that was discarded, or that a comparison has found missing.",
            "event_id": "Id of the event with this version.",
            "discarded_at": (
                "Time of the discard, or of the filing; a later discard changes it only if a switch has changed since, "
                "or if the ERP was asked for the key."
            ),
            "asked_at": "Time at which the ERP was asked for it last; null: never.",
            "asked_count": "Number of times that the ERP was asked for it; null: never.",
            "asked_by": "Operator who asked last.",
        },
    ),
    "quarantine": (
        "Refused messages, whole, with the reason. May hold personal data.",
        {
            "id": "Id, in the order of time.",
            "at": "Time of the refusal.",
            "shop": "Id of the shop; ? if the message names none.",
            "domain": "Domain; ? if the message names none.",
            "reason": "Code of docs/contract/reasons.md.",
            "pointer": "JSON pointer to the place of the fault.",
            "sentence": "The fault in one sentence.",
            "routing_key": "Routing key that it came with.",
            "content_type": "Content type that it came with.",
            "headers": "Headers that it came with.",
            "body": "Body, byte by byte.",
            "digest": "Hash by which a redelivery is recognised.",
            "worker": _WORKER,
            "lease_until": "Time until which one replay alone holds it.",
            "key": "Key of the message as far as it can be read: an order's id, or key fields as JSON text.",
            "subject": "Its attribute subject, if it has one.",
            "search_text": "Codes, names, documents and numbers that it holds, a line each. Null: not made yet.",
        },
    ),
    "workers": (
        "Running workers, and those of the recent past.",
        {
            "id": _WORKER,
            "host": "Host name.",
            "pid": "Process id.",
            "domains": "Domains that it consumes: a JSON list.",
            "started_at": "Time of its start.",
            "last_seen": "Time of its last heartbeat.",
            "epoch_seen": "Newest epoch that it has read.",
            "lags": "Seconds from event to commit by domain: a JSON object.",
            "revision": "Newest revision of the database that it knows; null: before 0037.",
        },
    ),
    "ledger": (
        "Number of deliveries by outcome. A delivery that is redelivered after a crash counts again, as superseded.",
        {
            "minute": "Minute of the commit; the start of its hour or day once it is rolled up.",
            "worker": "Id of the worker; empty once it is rolled up.",
            "shop": _SHOP,
            "domain": _DOMAIN,
            "outcome": "applied, superseded, discarded or quarantined.",
            "count": "Number of deliveries.",
        },
    ),
    "received": (
        "Number of deliveries received, counted apart from their outcomes.",
        {
            "minute": "Minute of the commit; the start of its hour or day once it is rolled up.",
            "worker": "Id of the worker; empty once it is rolled up.",
            "domain": _DOMAIN,
            "count": "Number of deliveries.",
        },
    ),
    "shops": (
        "Known shops: those of which an event or an order was accepted.",
        {"shop": _SHOP, "first_seen": "Time of the first one."},
    ),
    "feeds": (
        "The kind of version of each shop and domain, as its first event decided.",
        {
            "shop": _SHOP,
            "domain": _DOMAIN,
            "by_time": "Whether versions are times; else they are sequences.",
            "since": "Time of the decision.",
        },
    ),
    "generations": (
        "Numbers that grow when a worker's memory of a table must end.",
        {"name": "Name of the table.", "number": "The number."},
    ),
    "dead_letters": (
        "Attempts at messages that exceeded the delivery limit.",
        {
            "digest": "Hash of the message.",
            "attempts": "Number of processes that began to process it.",
            "at": "Time of the last attempt.",
        },
    ),
    "repairs": (
        "Repair sheets: one for each end of a pause.",
        {
            "epoch": "Epoch of the resume.",
            "at": "Time of the resume.",
            "action": "resume or expire.",
            "scopes": "Scopes that were switched on: a JSON list.",
            "by": "Author of the resume.",
            "reason": "Reason of the resume.",
            "missed": "Number of keys missed then; null: the process ended before it counted.",
            "remaining": "Number of them still missed, as last noted; null: not noted yet.",
            "progress_at": "Time at which that number last fell.",
            "done_at": "Time at which it was noted that all are made good; null: some are left.",
        },
    ),
    "repair_lines": (
        "Lines of a repair sheet.",
        {
            "epoch": "Epoch of the sheet.",
            "shop": _SHOP,
            "domain": _DOMAIN,
            "missed": "Number of keys missed then.",
        },
    ),
    "unknown_fields": (
        "Fields that messages have and Comporta ignores.",
        {
            "shop": _SHOP,
            "domain": _DOMAIN,
            "field": "Name of the field.",
            "count": "Number of events with it.",
            "suggestion": "Field of the contract that it resembles.",
            "first_at": "Time of the first one.",
            "last_at": "Time of the last one.",
        },
    ),
    "watchers": (
        "Running `comporta tail`.",
        {"id": "Id of the watcher.", "until": "Time at which its lease ends."},
    ),
    "outcomes": (
        "Outcomes for `comporta tail`, kept for a minute and only while one runs.",
        {
            "id": "Id of the batch.",
            "at": "Time of the batch.",
            "worker": _WORKER,
            "lines": "Outcomes of the batch, as JSON text.",
            "left_out": "Number of outcomes that are left out.",
        },
    ),
}
