"""Every field of the contract's data table is taken, and means what the table says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason
from tests.support.event_samples import FULL, SAMPLES, refusal_of, required_fields, sample_event

KEYS: dict[str, tuple[Any, ...]] = {
    "products": ("P-9 ção",),
    "images": ("P-9", "frente"),
    "packagings": ("P-9", "FD"),
    "price_tables": ("ATACADO",),
    "prices": ("ATACADO", "P-9", "FD", "10.5", datetime(2026, 5, 31, 18, 30, tzinfo=UTC)),
    "stock": ("P-9", "2", "NORTE", "L/7"),
    "customers": ("C-9",),
}


def parsed(domain: str, **data: Any) -> ChangeEvent:
    return parse_event(domain, "main", sample_event(domain, **data))


def plain(value: Any) -> Any:
    """A parsed value as JSON would say it: models as objects, times as moments."""
    if isinstance(value, BaseModel):
        return {name: plain(inner) for name, inner in value.__dict__.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def same(said: Any, read: Any) -> bool:
    if isinstance(read, datetime):
        return datetime.fromisoformat(said) == read
    return bool(said == read)


@pytest.mark.parametrize("domain", FULL)
def test_every_field_is_taken_as_it_was_said(domain: str) -> None:
    read = parsed(domain, **FULL[domain])
    assert (read.domain, read.shop, read.unknown, read.deleted) == (domain, "main", (), False)
    assert read.key == KEYS[domain]
    values = {name: plain(value) for name, value in read.data.__dict__.items()}
    assert values.keys() == FULL[domain].keys()
    assert [name for name, said in FULL[domain].items() if not same(said, values[name])] == []


@pytest.mark.parametrize("domain", FULL)
def test_the_samples_say_every_field_that_there_is(domain: str) -> None:
    assert list(FULL[domain]) == list(DOMAINS[domain].columns)


@pytest.mark.parametrize("domain", FULL)
def test_what_may_be_left_out_may_be_null_unless_it_has_a_default(domain: str) -> None:
    required, defaults = required_fields(domain), DEFAULTS.get(domain, {})
    nulls = {name: None for name in DOMAINS[domain].columns if name not in required and name not in defaults}
    read = parsed(domain, **nulls)
    assert {name: getattr(read.data, name) for name in nulls} == nulls
    assert required == SAMPLES[domain][1].keys()


DEFAULTS: dict[str, dict[str, Any]] = {
    "products": {"fractional": False},
    "prices": {
        "packaging_code": "",
        "min_qty": "1",
        "valid_from": datetime(1970, 1, 1, tzinfo=UTC),
        "active": True,
    },
    "stock": {"lot": ""},
}


@pytest.mark.parametrize("domain", DEFAULTS)
def test_what_has_a_default_gets_it(domain: str) -> None:
    data = parsed(domain).data
    assert {name: getattr(data, name) for name in DEFAULTS[domain]} == DEFAULTS[domain]


@pytest.mark.parametrize("domain", FULL)
def test_a_deleted_event_needs_and_keeps_nothing_but_the_key(domain: str) -> None:
    keys = DOMAINS[domain].key_fields
    entity = SAMPLES[domain][0]
    data = {name: FULL[domain][name] for name in keys}
    body = sample_event(domain, envelope={"type": f"erp.{entity}.deleted.v1", "data": data})
    read = parse_event(domain, "main", body)
    assert (read.deleted, read.key, tuple(read.data.__dict__)) == (True, KEYS[domain], keys)


@pytest.mark.parametrize("domain", FULL)
def test_a_deleted_event_with_any_other_field_is_refused(domain: str) -> None:
    for name in set(FULL[domain]) - set(DOMAINS[domain].key_fields):
        refusal = refusal_of(domain, sample_event(domain, action="deleted", **{name: FULL[domain][name]}))
        assert (refusal.reason, refusal.pointer) == (Reason.UNKNOWN_FIELD, f"/data/{name}")


@pytest.mark.parametrize(
    ("first", "second", "same_key"),
    [
        ({}, {"packaging_code": "", "min_qty": "1", "valid_from": "1970-01-01T00:00:00Z"}, True),
        ({"min_qty": "1"}, {"min_qty": "1.000"}, True),
        ({"min_qty": "1"}, {"min_qty": "10e-1"}, True),
        ({"min_qty": "100"}, {"min_qty": "1E2"}, True),
        ({"min_qty": "1"}, {"min_qty": "10"}, False),
        ({"min_qty": "1"}, {"min_qty": "1.0001"}, False),
        ({"valid_from": "2026-06-01T00:00:00Z"}, {"valid_from": "2026-05-31T21:00:00-03:00"}, True),
        ({"valid_from": "2026-06-01T00:00:00Z"}, {"valid_from": "2026-06-01t00:00:00.000z"}, True),
        ({"valid_from": "2026-06-01T00:00:00Z"}, {"valid_from": "2026-06-01T00:00:00.000001Z"}, False),
        ({"packaging_code": ""}, {"packaging_code": "-"}, False),
    ],
)
def test_two_ways_to_write_a_price_key_are_one_key(
    first: dict[str, Any], second: dict[str, Any], same_key: bool
) -> None:
    one, other = parsed("prices", **first).key, parsed("prices", **second).key
    assert (one == other) is same_key
    assert (hash(one) == hash(other)) is same_key


@pytest.mark.parametrize(
    ("sequence", "time", "version"),
    [
        ("0", "2026-11-23T07:22:51Z", 0),
        ("4611686018427387904", None, 2**62),
        ("000000000000000000000000000007", None, 7),
        (None, "2026-11-23T07:22:51.123456Z", 1795418571123456),
        (None, "2026-11-23T04:22:51.123456-03:00", 1795418571123456),
        (None, "1970-01-01T00:00:00.000001Z", 1),
        (None, "1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_the_version_is_the_sequence_or_else_the_time(sequence: str | None, time: str | None, version: int) -> None:
    read = parse_event("stock", "main", sample_event("stock", envelope={"sequence": sequence, "time": time}))
    assert read.version == version
    assert read.occurred_at == (None if time is None else datetime.fromisoformat(time))
