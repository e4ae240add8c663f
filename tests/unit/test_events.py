"""Change events are validated strictly, and refused with a code and a place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Refused
from tests.unit.samples import SAMPLES, event, refusal_of


def refusal(domain: str, body: bytes) -> tuple[str, str]:
    refused = refusal_of(domain, body)
    return refused.reason.value, refused.pointer


@pytest.mark.parametrize("domain", SAMPLES)
def test_the_least_that_the_contract_asks_for_is_taken(domain: str) -> None:
    assert parse_event(domain, "main", event(domain)).version == 18446


@pytest.mark.parametrize("domain", SAMPLES)
def test_a_deleted_event_holds_the_key(domain: str) -> None:
    parsed = parse_event(domain, "main", event(domain, action="deleted"))
    assert parsed.deleted
    assert parsed.key == parse_event(domain, "main", event(domain)).key


@pytest.mark.parametrize(
    ("domain", "data", "reason", "pointer"),
    [
        ("stock", {"on_hand": 12.5}, "number_not_string", "/data/on_hand"),
        ("stock", {"on_hand": "1E+999999"}, "number_range", "/data/on_hand"),
        ("stock", {"on_hand": "NaN"}, "number_format", "/data/on_hand"),
        ("stock", {"on_hand": "Infinity"}, "number_format", "/data/on_hand"),
        ("stock", {"on_hand": "1_000"}, "number_format", "/data/on_hand"),
        ("stock", {"on_hand": "١٢"}, "number_format", "/data/on_hand"),
        ("stock", {"on_hand": "1.23456"}, "number_range", "/data/on_hand"),
        ("stock", {"on_hand": "123456789012"}, "number_range", "/data/on_hand"),
        ("stock", {"reserved": "2", "available": "9"}, "available_mismatch", "/data/available"),
        ("stock", {"unit": "a\0b"}, "nul_character", "/data/unit"),
        ("stock", {"as_of": "2026-11-23T07:22:51"}, "time_format", "/data/as_of"),
        ("stock", {"as_of": "1700000000"}, "time_format", "/data/as_of"),
        ("stock", {"as_of": "2026-02-30T00:00:00Z"}, "time_format", "/data/as_of"),
        ("stock", {"branch": ""}, "too_short", "/data/branch"),
        ("stock", {"branch": None}, "wrong_type", "/data/branch"),
        ("products", {"gtin": "7997846900945"}, "gtin_check_digit", "/data/gtin"),
        ("products", {"gtin": "00000000"}, "gtin_check_digit", "/data/gtin"),
        ("products", {"ncm": "1234567"}, "ncm_format", "/data/ncm"),
        ("products", {"active": 1}, "wrong_type", "/data/active"),
        ("prices", {"price": "0"}, "not_positive", "/data/price"),
        ("prices", {"price": "1.00000000001"}, "number_range", "/data/price"),
        ("prices", {"valid_to": "1970-01-01T00:00:00Z"}, "window_empty", "/data/valid_to"),
        ("price_tables", {"currency": "XYZ"}, "currency_unknown", "/data/currency"),
        ("images", {"url": "ftp://x/y"}, "url_format", "/data/url"),
        ("images", {"position": -1}, "wrong_value", "/data/position"),
        ("packagings", {"factor": "0.000"}, "not_positive", "/data/factor"),
        ("customers", {"document": "11111111111"}, "cpf_check_digit", "/data/document"),
        ("customers", {"document": "529.982.247-25"}, "cpf_check_digit", "/data/document"),
        ("customers", {"kind": "PJ", "document": "12ABC34501DE36"}, "cnpj_check_digit", "/data/document"),
    ],
)
def test_a_wrong_value_is_refused_by_name(domain: str, data: dict[str, Any], reason: str, pointer: str) -> None:
    assert refusal(domain, event(domain, **data)) == (reason, pointer)


@pytest.mark.parametrize(
    ("domain", "data"),
    [
        ("customers", {"kind": "PJ", "document": "12ABC34501DE35"}),
        ("customers", {"kind": "foreign", "document": "X-1"}),
        ("products", {"gtin": "SEM GTIN"}),
        ("stock", {"on_hand": "-1.5e1"}),
        ("prices", {"price": "12345678901.0123456789"}),
    ],
)
def test_a_right_value_is_taken(domain: str, data: dict[str, Any]) -> None:
    assert isinstance(parse_event(domain, "main", event(domain, **data)), ChangeEvent)


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        ({"type": "erp.price.changed.v1"}, "wrong_domain"),
        ({"type": "erp.stock.changed.v2"}, "unknown_version"),
        ({"type": "erp.ghost.changed.v1"}, "unknown_type"),
        ({"specversion": "0.3"}, "wrong_value"),
        ({"sequence": "9223372036854775808"}, "sequence_format"),
        ({"sequence": 5}, "sequence_format"),
        ({"sequence": None, "time": None}, "no_version"),
        ({"data": []}, "wrong_type"),
    ],
)
def test_a_wrong_envelope_is_refused_by_name(envelope: dict[str, Any], reason: str) -> None:
    assert refusal("stock", event("stock", envelope=envelope))[0] == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_json"),
        (b"[]", "not_an_event"),
        (b"{}", "not_an_event"),
        (b'"x"', "not_an_event"),
        (b"\xef\xbb\xbf" + event("stock"), "malformed_json"),
        (event("stock").replace(b"P1", b"P\xff"), "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (event("stock").replace(b'"12.000"', b"NaN"), "malformed_json"),
        (event("stock").replace(b'"unit"', b'"branch": "2", "unit"'), "duplicate_key"),
        (b" " * (1024 * 1024 + 1), "too_large"),
    ],
)
def test_what_is_not_an_event_is_refused_by_name(body: bytes, reason: str) -> None:
    assert refusal("stock", body)[0] == reason


def test_without_a_sequence_the_time_in_microseconds_is_the_version() -> None:
    assert parse_event("stock", "main", event("stock", envelope={"sequence": None})).version == 1795418571123456


def test_one_key_has_one_form_however_it_is_written() -> None:
    one = parse_event("prices", "main", event("prices", min_qty="1.000", valid_from="1969-12-31T21:00:00-03:00"))
    assert one.key == parse_event("prices", "main", event("prices")).key


def test_unknown_fields_are_ignored_and_counted() -> None:
    body = event("stock", envelope={"traceparent": "x"}, colour="blue")
    assert parse_event("stock", "main", body).unknown == 2


@given(st.binary(max_size=200))
def test_no_bytes_give_anything_but_an_event_or_a_refusal(body: bytes) -> None:
    with pytest.raises(Refused):
        parse_event("stock", "main", body)


@given(
    st.sampled_from(sorted(SAMPLES["stock"][1])),
    st.text(min_size=20).filter(lambda text: "\0" in text or len(text) > 15),
)
def test_a_refusal_never_repeats_a_value(field: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_event("stock", "main", event("stock", **{field: value + "\0"}))
    assert value not in str(refused.value)
