"""Reason docs for people, in English and Portuguese; the source of `docs/contract/reasons.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from schemas.broker_reason_docs import BROKER_AND_DATABASE
from schemas.order_reason_docs import ORDER_DOCS
from schemas.reason_docs_pt import PORTUGUESE
from schemas.reasons import Reason, ReasonDoc
from schemas.value_reason_docs import VALUE_DOCS
from schemas.version_reasons import VERSION_REASONS

__all__ = ["GROUPS", "DocLanguage", "ReasonDoc", "in_language", "reason_docs"]

DocLanguage = Literal["en", "pt-BR"]


GROUPS: dict[str, tuple[ReasonDoc, ...]] = {
    "Around the body": (
        ReasonDoc(
            Reason.TOO_LARGE,
            "An event is larger than 1 MiB, or a request with several larger than 8 MiB.",
            "Send one entity an event; leave pictures where they are and send their address.",
        ),
        ReasonDoc(
            Reason.COMPRESSED,
            "The body is compressed: it begins as gzip, zlib, bzip2, xz or zstd does.",
            "Send the JSON as it is; switch the compression of your AMQP library or HTTP client off.",
        ),
        ReasonDoc(
            Reason.CONTENT_TYPE,
            "The content type is none that an event has.",
            "Use `application/cloudevents+json`; in binary mode `application/json`.",
            "content type `text/xml`",
        ),
        ReasonDoc(
            Reason.CONTENT_ENCODING,
            "The content encoding is neither `utf-8` nor empty; over HTTP it is not `identity`.",
            "Send plain UTF-8 and say `utf-8`, or leave the property out.",
            "content encoding `gzip`",
        ),
        ReasonDoc(
            Reason.BINARY_ATTRIBUTE,
            "In binary mode: a header of an attribute that Comporta reads is neither text, a boolean, a whole number "
            "nor a time, or it can't be read: text that is not UTF-8, a time beyond the year 9999.",
            "Send the attributes as text. Other headers may hold anything.",
            "header `cloudEvents:subject` with a list",
        ),
        ReasonDoc(
            Reason.BATCH_FORMAT,
            "The body of a batch is not a JSON array of events.",
            "Send an array, even for one event, or use the content type of a single event.",
            '`{"specversion": "1.0"}` as `application/cloudevents-batch+json`',
        ),
        ReasonDoc(
            Reason.ROUTING_KEY,
            "The routing key is not `<shop>.<domain>` (of a receipt `<shop>.receipts`, of an order `<shop>`), or the "
            "shop in it is no shop id.",
            "Publish to the exchange `erp.events`, orders to `shop.orders`; a shop id has a-z, 0-9 and -, at most 63 "
            "characters.",
            "routing key `Main.stock`",
        ),
        ReasonDoc(
            Reason.UNKNOWN_SHOP,
            "The shop in the routing key is not known, and no more shops become known by a message: "
            "`COMPORTA_SHOPS` is set, or there are `COMPORTA_MAX_SHOPS` shops.",
            "Correct the routing key. If the shop is new, an operator says `comporta shop add`, and replays "
            "the message.",
            "the routing key `mian.stock`",
        ),
    ),
    "JSON": (
        ReasonDoc(
            Reason.MALFORMED_JSON,
            "The body is not JSON as RFC 8259 has it, in UTF-8 and without a byte order mark.",
            "Let a JSON library write it; NaN and Infinity are no JSON.",
            '`{"on_hand": NaN}`',
        ),
        ReasonDoc(
            Reason.DUPLICATE_KEY,
            "An object names the same member twice, so that nobody can say which value is meant.",
            "Name each member once.",
            '`{"branch": "1", "branch": "2"}`',
        ),
        ReasonDoc(
            Reason.WRONG_TYPE,
            "A value has another JSON type than the field, or is null where null is not allowed.",
            "Send the type that the schema names; leave a field without a value out.",
            '`"active": "true"`',
        ),
        ReasonDoc(
            Reason.NUL_CHARACTER,
            "A text holds the character U+0000, which databases can't keep.",
            "Strip it: it usually comes from a fixed-width field of the ERP.",
            '`"name": "Caf\\u0000"`',
        ),
        ReasonDoc(
            Reason.TOO_MANY_FAULTS,
            "The message has so many faults that naming one would not help.",
            "Compare the whole message with the schema of its type.",
        ),
    ),
    "The event": (
        ReasonDoc(
            Reason.NOT_AN_EVENT,
            "The body is JSON, but no CloudEvent: it is no object, or has no `type`.",
            "Wrap the data: `specversion`, `id`, `source`, `type`, `sequence` or `time`, `data`.",
            "`[]`",
        ),
        ReasonDoc(
            Reason.DATA_BASE64,
            "The event has its data in `data_base64`.",
            "Send the data as a JSON object in `data`: `data_base64` is for data that is not JSON.",
            '`"data_base64": "eyJ1bml0IjoiVU4ifQ=="`',
        ),
        ReasonDoc(
            Reason.UNKNOWN_TYPE,
            "The `type` is none of the contract's.",
            "Use `erp.<entity>.changed.v1` or `erp.<entity>.deleted.v1`; a shop sends `shop.order.placed.v1` or "
            "`shop.order.cancelled.v1`, a receipt is `erp.order.` and `internalized.v1`, `rejected.v1`, "
            "`cancelled.v1`, `cancel_refused.v1`, `invoiced.v1` or `shipped.v1`.",
            '`"type": "erp.discount.changed.v1"`',
        ),
        ReasonDoc(
            Reason.UNKNOWN_VERSION,
            "The `type` is known, its major version is not.",
            "Send v1, or update Comporta before the ERP.",
            '`"type": "erp.stock.changed.v2"`',
        ),
        ReasonDoc(
            Reason.WRONG_DOMAIN,
            "The entity in `type` and the domain of the routing key differ.",
            "Publish a stock event with `<shop>.stock`, a price event with `<shop>.prices`.",
            "`erp.price.changed.v1` with the routing key `main.stock`",
        ),
        ReasonDoc(
            Reason.MISSING_FIELD,
            "A field that is required is not there.",
            "Events carry the whole state: send every required field each time, also those that didn't change.",
        ),
        ReasonDoc(
            Reason.MISSPELT_FIELD,
            "A field of a change event is one of the contract's but for letter case, `_` or `-`. Ignored, it would "
            "leave its default in place: a price for ten pieces would become the price for one.",
            "Write the field as the contract does; the sentence names it.",
            '`"minQty": "10"` instead of `"min_qty": "10"`',
        ),
        ReasonDoc(
            Reason.UNKNOWN_FIELD,
            "A deleted event has a field beside its key, or a control message a field that does not exist. In other "
            "events unknown fields are ignored and counted.",
            "Send only the key of what is deleted; check the spelling: a misspelt scope would mean everything.",
            '`"on_hand": "0"` in `erp.stock.deleted.v1`, `"shops": "main"` in a control message',
        ),
    ),
    "The version": VERSION_REASONS,
    "Values": VALUE_DOCS,
    "Orders": ORDER_DOCS,
    "Control messages": (
        ReasonDoc(
            Reason.STALE,
            "The command was issued before the last change of its scope.",
            "Look at the status; if the command is still meant, send it anew.",
        ),
        ReasonDoc(
            Reason.EXPIRED,
            "Of a control message: `until` does not lie in the future, by the database's clock. Of any other message: "
            "it waited in its queue for longer than its `expiration`, or than the queue allows.",
            "Send a later end, or none. Publish events and orders without an expiration, and remove a policy with "
            "`message-ttl`; replay the message if it still holds.",
        ),
    ),
    "Broker and database": BROKER_AND_DATABASE,
}


def reason_docs(language: DocLanguage = "en") -> Iterator[ReasonDoc]:
    """Yield the documentation of every reason in a language, in the order of the page."""
    for group in GROUPS.values():
        for doc in group:
            yield in_language(doc, language)


def in_language(doc: ReasonDoc, language: DocLanguage) -> ReasonDoc:
    """Return the documentation of a reason in a language."""
    if language == "en":
        return doc
    description, remedy = PORTUGUESE[doc.reason]
    return doc._replace(description=description, remedy=remedy)
