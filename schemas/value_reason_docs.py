"""Reason docs of the refusals for a field's value."""

from __future__ import annotations

from schemas.reasons import Reason, ReasonDoc

__all__ = ["VALUE_DOCS"]

VALUE_DOCS: tuple[ReasonDoc, ...] = (
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
    ReasonDoc(
        Reason.TOO_SHORT,
        "A text or a list is empty that must not be, or a name or a unit is only white space.",
        "Send it, or leave the field out.",
        '`"base_unit": ""`',
    ),
    ReasonDoc(
        Reason.KEY_FORMAT,
        "A key field could be mistaken for another one: it is empty, has white space at either end or a control, "
        "format or unassigned character in it, or is not in the Unicode normal form C.",
        "Clean the key where it comes from: nothing is trimmed here, since two keys would then become one. Letter case "
        "is part of the key.",
        '`"code": "H1 "`',
    ),
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
        "What has no price is not in the table: delete the price, or send `active: false`. The lowest `min_qty` is "
        "that of one piece or less, not 0.",
        '`"price": "0"`',
    ),
    ReasonDoc(
        Reason.TIME_FORMAT,
        "The text is no RFC 3339 time with a zone, or lies outside of 0001-01-02 to 9999-12-31 in UTC, or in a leap "
        "second (`:60`).",
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
        "Send a customer's digits without a mask; correct the number where it comes from, or send a customer of kind "
        "`foreign` for another document.",
        '`"document": "52998224724"`',
    ),
    ReasonDoc(
        Reason.CNPJ_CHECK_DIGIT,
        "The document of a customer of kind `PJ`, or one of 14 digits or letters in an order (masked or not), is no "
        "CNPJ: 12 digits or capitals and 2 check digits.",
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
        "`valid_to` does not lie after `valid_from`, so that the price or the table would never hold.",
        "Send a later end, or none; mind the zones.",
    ),
    ReasonDoc(
        Reason.AVAILABLE_MISMATCH,
        "`on_hand`, `reserved` and `available` are all given and don't add up.",
        "available = on_hand - reserved; or leave `available` out.",
    ),
)
