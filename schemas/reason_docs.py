"""Reason docs for people: the description and the remedy of every code; the source of `docs/contract/reasons.md`."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.broker_reason_docs import BROKER_AND_DATABASE
from schemas.reasons import Reason, ReasonDoc
from schemas.version_reasons import VERSION_REASONS

__all__ = ["GROUPS", "ReasonDoc", "reason_docs"]

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
            "Use `erp.<entity>.changed.v1` or `erp.<entity>.deleted.v1`; an order is `shop.order.placed.v1`, a receipt "
            "`erp.order.internalized.v1` or `erp.order.rejected.v1`.",
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
    ),
    "The version": VERSION_REASONS,
    "Values": (
        ReasonDoc(
            Reason.WRONG_VALUE,
            "A value is outside the list or the range that the field allows.",
            "See the field in the schema of the event.",
            '`"status": "gone"`',
        ),
        ReasonDoc(
            Reason.TOO_LONG,
            "A text or a list is too long: keys have at most 255 characters, orders 10,000 items.",
            "Send a shorter key; place two orders.",
        ),
        ReasonDoc(Reason.TOO_SHORT, "A text or a list is empty that must not be.", "Send it, or leave the field out."),
        ReasonDoc(
            Reason.NUMBER_NOT_STRING,
            "A quantity or an amount is a JSON number; on its way through floating point it can lose digits.",
            "Put it in quotes.",
            '`"on_hand": 12.5` instead of `"on_hand": "12.5"`',
        ),
        ReasonDoc(
            Reason.NUMBER_FORMAT,
            "The text is no decimal number: ASCII digits, a point, perhaps a minus and an exponent.",
            "Use a point for the decimals and nothing between thousands.",
            '`"price": "1.234,56"`',
        ),
        ReasonDoc(
            Reason.NUMBER_RANGE,
            "The number has too many digits: 11 before the point; after it 4 in a quantity, 10 in an amount.",
            "Round it in the ERP, where it is known how.",
            '`"on_hand": "1.23456"`',
        ),
        ReasonDoc(
            Reason.NOT_POSITIVE,
            "The number must be greater than zero.",
            "What has no price is not in the table: delete the price, or send `active: false`.",
            '`"price": "0"`',
        ),
        ReasonDoc(
            Reason.TIME_FORMAT,
            "The text is no RFC 3339 time with a zone, or lies outside of 0001-01-02 to 9999-12-31 in UTC.",
            "Send seconds and a zone; leave `valid_to` out where there is no end.",
            '`"as_of": "2026-11-23T07:22:51"`, `"valid_to": "9999-12-31T23:59:59-03:00"`',
        ),
        ReasonDoc(
            Reason.URL_FORMAT,
            "The text is no http or https address.",
            "Send an absolute address, spaces written as %20.",
            '`"url": "/images/1.jpg"`',
        ),
        ReasonDoc(Reason.NCM_FORMAT, "An NCM has 8 digits.", "Send it without points.", '`"ncm": "0901.21.00"`'),
        ReasonDoc(
            Reason.GTIN_CHECK_DIGIT,
            "The text is no GTIN of 8, 12, 13 or 14 digits with a right check digit.",
            "Correct the code in the ERP; a product without one is `SEM GTIN`, an own code is another barcode type.",
            '`"gtin": "4006381333930"`',
        ),
        ReasonDoc(
            Reason.CPF_CHECK_DIGIT,
            "The document of a customer of kind `PF`, or one of 11 digits in an order (masked or not), is no CPF: 11 "
            "digits, the last two of them checked.",
            "Send a customer's digits without a mask; correct the number where it comes from, or send a customer of "
            "kind `foreign` for another document.",
            '`"document": "52998224724"`',
        ),
        ReasonDoc(
            Reason.CNPJ_CHECK_DIGIT,
            "The document of a customer of kind `PJ`, or one of 14 digits or letters in an order (masked or not), is "
            "no CNPJ: 12 digits or capitals and 2 check digits.",
            "Send a customer's without points, slash and dash, letters as capitals; correct the number where it comes "
            "from.",
            '`"document": "12ABC34501DE36"`',
        ),
        ReasonDoc(
            Reason.CURRENCY_UNKNOWN,
            "The currency is no code of ISO 4217 that is in use.",
            "Send three capitals.",
            '`"currency": "R$"`',
        ),
        ReasonDoc(
            Reason.WINDOW_EMPTY,
            "`valid_to` does not lie after `valid_from`, so that the price would never hold.",
            "Send a later end, or none; mind the zones.",
        ),
        ReasonDoc(
            Reason.AVAILABLE_MISMATCH,
            "`on_hand`, `reserved` and `available` are all given and don't add up.",
            "available = on_hand - reserved; or leave `available` out.",
        ),
    ),
    "Orders": (
        ReasonDoc(
            Reason.ORDER_SUM,
            "Σ totals of the items + Σ taxes (of the items and the order) + freight + insurance + other_charges - the "
            "order's discount differs from `total` by more than 0.01 and half a cent a line.",
            "Send the totals as they were charged: taxes on top of the price in `taxes`, a discount on one item in "
            "that item. An operator may accept the order as it is (`comporta quarantine accept`).",
            '`"total": "10.10"` for items of `"4.00"` and `"6.00"`',
        ),
        ReasonDoc(
            Reason.LINE_SUM,
            "The `total` of an item differs from quantity × unit_price - discount by more than 0.015: a cent, and the "
            "half of one by which it may be rounded. Its taxes are apart.",
            "Send `unit_price` with all its decimals (up to 10), per packaging unit, and a discount on the item in the "
            "item. An operator may accept the order as it is.",
            '`"quantity": "2"`, `"unit_price": "10.00"`, `"total": "5.00"`',
        ),
        ReasonDoc(
            Reason.NEGATIVE_TOTAL,
            "The total of an item or of the order is less than zero.",
            "A return or a credit is no order: leave its lines out, or send it as a discount.",
            '`"total": "-10.00"`',
        ),
        ReasonDoc(
            Reason.LINE_TWICE,
            "Two items of an order have the same `line`.",
            "Number the items: the ERP names them by their line.",
        ),
        ReasonDoc(
            Reason.ORDER_CHANGED,
            "An order came again with the same `order_id` and other data. The first one stays as it is.",
            "An order that was placed doesn't change: place a new one with an id of its own.",
        ),
        ReasonDoc(
            Reason.ORDER_UNKNOWN,
            "A receipt names an order that this shop never placed.",
            "Answer with the `order_id` of the order and the routing key of its shop; then replay the receipt.",
        ),
    ),
    "Control messages": (
        ReasonDoc(
            Reason.UNKNOWN_FIELD,
            "A control message has a field that does not exist. (In events unknown fields are ignored.)",
            "Check the spelling: a misspelt scope would mean everything.",
            '`"shops": "main"`',
        ),
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


def reason_docs() -> Iterator[ReasonDoc]:
    """Yield the documentation of every reason, in the order of the page."""
    for group in GROUPS.values():
        yield from group
