"""Reason docs of the refusals of orders and of receipts for them."""

from __future__ import annotations

from schemas.reasons import Reason, ReasonDoc

__all__ = ["ORDER_DOCS"]

ORDER_DOCS: tuple[ReasonDoc, ...] = (
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
)
