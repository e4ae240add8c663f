"""Each kind of value, field by field: what is refused, with which code and where; what is just still taken."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.events import parse_event
from schemas.reasons import Reason
from tests.unit.samples import event, refusal_of

DIGITS = {
    "1_000",
    " 1",
    "1 ",
    "+1",
    "1,5",
    ".5",
    "5.",
    "0x10",
    "",
    "-",
    "1e",
    "e5",
    "12.5.1",
    "nan",
    "-Infinity",
    "1٫5",
}
TIMES = {
    "2026-11-23",
    "2026-11-23T07:22Z",
    "2026-11-23 07:22:51Z",
    "2026-11-23T07:22:51.Z",
    "2026-11-23T07:22:51.1234567890Z",
    "2026-11-23T07:22:51+0300",
    "2026-11-23T07:22:51+25:00",
    "2026-11-23T24:00:00Z",
    "2026-11-23T07:60:00Z",
    "2026-13-01T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "٢٠٢٦-11-23T07:22:51Z",
    "1795418571",
    "-1",
    "2026-11-23T07:22:51Z\n",
    "",
}


@pytest.mark.parametrize("value", sorted(DIGITS))
def test_a_quantity_is_written_in_plain_ascii_digits(value: str) -> None:
    refusal = refusal_of("stock", event("stock", on_hand=value))
    assert (refusal.reason, refusal.pointer) == (Reason.NUMBER_FORMAT, "/data/on_hand")


@pytest.mark.parametrize("value", sorted(TIMES))
def test_a_time_is_a_real_one_with_a_zone(value: str) -> None:
    refusal = refusal_of("stock", event("stock", as_of=value))
    assert (refusal.reason, refusal.pointer) == (Reason.TIME_FORMAT, "/data/as_of")


@pytest.mark.parametrize(
    ("domain", "data", "reason", "pointer"),
    [
        # Digits: how many, and how they are said.
        ("stock", {"on_hand": "-1000000000000"}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": "1e11"}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": "1e-5"}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": "1E-999999"}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": "9e99999999999999999999"}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": "9e999999999999999999999"}, Reason.NUMBER_FORMAT, "/data/on_hand"),
        ("stock", {"on_hand": "1" * 100_000}, Reason.NUMBER_RANGE, "/data/on_hand"),
        ("stock", {"on_hand": 12}, Reason.NUMBER_NOT_STRING, "/data/on_hand"),
        ("stock", {"on_hand": True}, Reason.WRONG_TYPE, "/data/on_hand"),
        ("stock", {"on_hand": None}, Reason.WRONG_TYPE, "/data/on_hand"),
        ("stock", {"on_hand": ["1"]}, Reason.WRONG_TYPE, "/data/on_hand"),
        ("stock", {"reserved": 0.5}, Reason.NUMBER_NOT_STRING, "/data/reserved"),
        ("prices", {"price": "-1"}, Reason.NOT_POSITIVE, "/data/price"),
        ("prices", {"price": "-0"}, Reason.NOT_POSITIVE, "/data/price"),
        ("prices", {"price": "0e5"}, Reason.NOT_POSITIVE, "/data/price"),
        ("prices", {"price": "123456789012"}, Reason.NUMBER_RANGE, "/data/price"),
        ("prices", {"list_price": 9.9}, Reason.NUMBER_NOT_STRING, "/data/list_price"),
        ("prices", {"min_qty": "1.00001"}, Reason.NUMBER_RANGE, "/data/min_qty"),
        ("prices", {"min_qty": 1}, Reason.NUMBER_NOT_STRING, "/data/min_qty"),
        ("packagings", {"factor": "-12"}, Reason.NOT_POSITIVE, "/data/factor"),
        ("customers", {"credit_limit": "1.00000000001"}, Reason.NUMBER_RANGE, "/data/credit_limit"),
        # Check digits.
        ("products", {"gtin": "4006381333930"}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("products", {"gtin": "400638133393"}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("products", {"gtin": "4006381333931 "}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("products", {"gtin": "٤٠٠٦٣٨١٣٣٣٩٣١"}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("products", {"gtin": "sem gtin"}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("products", {"gtin": ""}, Reason.GTIN_CHECK_DIGIT, "/data/gtin"),
        ("packagings", {"barcodes": [{"value": "1"}, {"value": "12345670123", "type": "ean13"}]},
         Reason.GTIN_CHECK_DIGIT, "/data/barcodes/1"),
        ("customers", {"document": "52998224724"}, Reason.CPF_CHECK_DIGIT, "/data/document"),
        ("customers", {"document": "5299822472"}, Reason.CPF_CHECK_DIGIT, "/data/document"),
        ("customers", {"document": "٥٢٩٩٨٢٢٤٧٢٥"}, Reason.CPF_CHECK_DIGIT, "/data/document"),
        ("customers", {"document": "11222333000181"}, Reason.CPF_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "11222333000182"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "11.222.333/0001-81"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "00000000000000"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "12abc34501de35"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "12ABC34501DE3E"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "PJ", "document": "١١٢٢٢٣٣٣٠٠٠١٨١"}, Reason.CNPJ_CHECK_DIGIT, "/data/document"),
        ("customers", {"kind": "foreign", "document": ""}, Reason.TOO_SHORT, "/data/document"),
        # Closed lists and forms.
        ("customers", {"kind": "pf"}, Reason.WRONG_VALUE, "/data/kind"),
        ("customers", {"status": "gone"}, Reason.WRONG_VALUE, "/data/status"),
        ("price_tables", {"currency": "brl"}, Reason.CURRENCY_UNKNOWN, "/data/currency"),
        ("price_tables", {"currency": "R$"}, Reason.CURRENCY_UNKNOWN, "/data/currency"),
        ("products", {"ncm": "0901.21.00"}, Reason.NCM_FORMAT, "/data/ncm"),
        ("products", {"ncm": "٠٩٠١٢١٠٠"}, Reason.NCM_FORMAT, "/data/ncm"),
        ("products", {"ncm": "09012100\n"}, Reason.NCM_FORMAT, "/data/ncm"),
        ("images", {"url": "//images.example/1"}, Reason.URL_FORMAT, "/data/url"),
        ("images", {"url": "javascript:alert(1)//http://x"}, Reason.URL_FORMAT, "/data/url"),
        ("images", {"url": "http://"}, Reason.URL_FORMAT, "/data/url"),
        ("images", {"url": "http:///1.jpg"}, Reason.URL_FORMAT, "/data/url"),
        ("images", {"url": "http://x/a b"}, Reason.URL_FORMAT, "/data/url"),
        ("images", {"position": 1.5}, Reason.WRONG_TYPE, "/data/position"),
        ("images", {"position": "1"}, Reason.WRONG_TYPE, "/data/position"),
        ("images", {"position": True}, Reason.WRONG_TYPE, "/data/position"),
        ("images", {"position": 2**31}, Reason.WRONG_VALUE, "/data/position"),
        ("images", {"position": 10**400}, Reason.WRONG_VALUE, "/data/position"),
        # Times that depend on each other, and balances.
        ("prices", {"valid_from": "2026-06-02T00:00:00+03:00", "valid_to": "2026-06-01T21:00:00Z"},
         Reason.WINDOW_EMPTY, "/data/valid_to"),
        ("stock", {"on_hand": "1", "reserved": "0.5", "available": "0.4999"},
         Reason.AVAILABLE_MISMATCH, "/data/available"),
        # Keys, texts, lists and maps.
        ("products", {"code": "x" * 256}, Reason.TOO_LONG, "/data/code"),
        ("products", {"code": 7}, Reason.WRONG_TYPE, "/data/code"),
        ("products", {"code": "a\0"}, Reason.NUL_CHARACTER, "/data/code"),
        ("prices", {"packaging_code": "x" * 256}, Reason.TOO_LONG, "/data/packaging_code"),
        ("prices", {"packaging_code": None}, Reason.WRONG_TYPE, "/data/packaging_code"),
        ("products", {"name": None}, Reason.WRONG_TYPE, "/data/name"),
        ("products", {"fractional": None}, Reason.WRONG_TYPE, "/data/fractional"),
        ("products", {"active": "true"}, Reason.WRONG_TYPE, "/data/active"),
        ("products", {"category_path": "a"}, Reason.WRONG_TYPE, "/data/category_path"),
        ("products", {"category_path": ["a", 1]}, Reason.WRONG_TYPE, "/data/category_path/1"),
        ("products", {"category_path": [None] * 100_000}, Reason.WRONG_TYPE, "/data/category_path/0"),
        ("products", {"attributes": ["a"]}, Reason.WRONG_TYPE, "/data/attributes"),
        ("products", {"attributes": {"cor": 1}}, Reason.WRONG_TYPE, "/data/attributes/cor"),
        ("products", {"attributes": {"a/b~c": "\0"}}, Reason.NUL_CHARACTER, "/data/attributes/a~1b~0c"),
        ("products", {"attributes": {"a\0": "x"}}, Reason.NUL_CHARACTER, "/data/attributes/a\ufffd"),
        # Names of members that the parser uses inside.
        ("products", {"attributes": {"plain": 1}}, Reason.WRONG_TYPE, "/data/attributes/plain"),
        ("products", {"attributes": {"exact": 1}}, Reason.WRONG_TYPE, "/data/attributes/exact"),
        ("products", {"attributes": {"erp.x": 1}}, Reason.WRONG_TYPE, "/data/attributes/erp.x"),
        ("products", {"attributes": {str(n): n for n in range(1000)}}, Reason.TOO_MANY_FAULTS, ""),
        ("customers", {"addresses": [{"zip": 1}]}, Reason.WRONG_TYPE, "/data/addresses/0/zip"),
        ("customers", {"addresses": {}}, Reason.WRONG_TYPE, "/data/addresses"),
        ("customers", {"phones": [[]]}, Reason.WRONG_TYPE, "/data/phones/0"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_where_it_stands(
    domain: str, data: dict[str, Any], reason: Reason, pointer: str
) -> None:
    refusal = refusal_of(domain, event(domain, **data))
    assert (refusal.reason, refusal.pointer) == (reason, pointer)


def test_the_first_fault_is_named_and_the_others_are_counted() -> None:
    refusal = refusal_of("stock", event("stock", branch="", on_hand=1, reserved=2, unit=None))
    assert refusal.pointer == "/data/branch"
    assert refusal.sentence.endswith("(and 3 more faults)")


def test_a_long_name_of_a_member_is_cut_in_the_pointer() -> None:
    assert len(refusal_of("products", event("products", attributes={"x" * 10_000: 1})).pointer) < 150


@pytest.mark.parametrize(
    ("domain", "field", "said", "kept"),
    [
        ("stock", "on_hand", "99999999999.9999", "99999999999.9999"),
        ("stock", "on_hand", "12.000", "12.000"),
        ("stock", "on_hand", "0012.5", "12.5"),
        ("stock", "on_hand", "15e-1", "1.5"),
        ("stock", "on_hand", "1.5E+3", "1500"),
        ("stock", "on_hand", "0e999999", "0"),
        ("stock", "on_hand", "-0.0001", "-0.0001"),
        ("prices", "price", "0.0000000001", "0.0000000001"),
        ("products", "gtin", "96385074", "96385074"),
        ("products", "gtin", "036000291452", "036000291452"),
        ("products", "gtin", "14006381333938", "14006381333938"),
        ("price_tables", "currency", "CLF", "CLF"),
        ("images", "url", "http://[2001:db8::1]:81/x?y=z#w", "http://[2001:db8::1]:81/x?y=z#w"),
        ("products", "code", "🫘" * 255, "🫘" * 255),
        ("products", "category_path", [], []),
        ("products", "attributes", {"plain": "1", "exact": "2"}, {"plain": "1", "exact": "2"}),
    ],
)
def test_a_right_value_is_kept(domain: str, field: str, said: Any, kept: Any) -> None:
    assert getattr(parse_event(domain, "main", event(domain, **{field: said})).data, field) == kept
