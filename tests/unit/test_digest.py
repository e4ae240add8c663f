"""The digest: an ERP that knows only docs/digest.md computes the same numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.digest import Buckets, bucket_of, is_bucket_count
from schemas.canonical import canonical_json, canonical_key, entity_digest
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from tests.support.contract_samples import VALID
from tests.support.erp_digest import canonical, erp_digest, key_of
from tests.support.event_samples import FULL, SAMPLES, sample_event

DOCS = Path(__file__).resolve().parents[2] / "docs"
VECTORS: list[dict[str, Any]] = json.loads((DOCS / "digest-vectors.json").read_text())
_UNLIKE = {
    "attributes": {"\ufb33": "after U+1F600", "\U0001f600": "before", "a": '1\n\t\x01\x7f\u2028/\\"'},
    "description": 'quotes " and \\ and \u20ac\x1f',
    "category_path": [],
}


def event_of(domain: str, data: dict[str, Any]) -> ChangeEvent:
    return parse_event(domain, "main", sample_event(domain, **data))


def entities() -> list[tuple[str, dict[str, Any]]]:
    """Every valid sample of an entity, and what is unlike most."""
    changed = [
        (sample.domain, json.loads(sample.body)["data"])
        for sample in VALID
        if sample.domain in DOMAINS and isinstance(event := sample.parse(), ChangeEvent) and not event.deleted
    ]
    return [*changed, ("products", {**FULL["products"], **_UNLIKE})]


@pytest.mark.parametrize(("domain", "data"), entities())
def test_the_erp_computes_the_same_canonical_json(domain: str, data: dict[str, Any]) -> None:
    event = parse_event(domain, "main", json.dumps(_envelope(domain, data)).encode())
    known = {name: value for name, value in data.items() if name in DOMAINS[domain].columns}
    for name in ("barcodes", "addresses"):
        if known.get(name):
            models = event.data.__dict__[name]
            known[name] = [
                {key: item.get(key) for key in model.__dict__} for item, model in zip(known[name], models, strict=True)
            ]
    assert canonical_json(domain, event.data.__dict__) == canonical(domain, known)
    assert canonical_key(domain, event.data.__dict__) == key_of(domain, known)


def _envelope(domain: str, data: dict[str, Any]) -> dict[str, Any]:
    return {**json.loads(sample_event(domain)), "data": data}


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{each['domain']} {each['name']}" for each in VECTORS])
def test_the_published_vectors_are_right_on_both_sides(vector: dict[str, Any]) -> None:
    domain, data = vector["domain"], vector["data"]
    event = event_of(domain, data)
    canonical_text = canonical_json(domain, event.data.__dict__)
    assert canonical_text.decode() == vector["canonical"] == canonical(domain, data).decode()
    assert entity_digest(canonical_text).hex() == vector["digest"]
    key = canonical_key(domain, event.data.__dict__)
    assert key.decode() == vector["key"]
    assert {str(number): bucket_of(key, number) for number in (1, 2, 256, 65_536)} == vector["buckets"]


def test_the_vectors_cover_every_domain() -> None:
    assert {vector["domain"] for vector in VECTORS} == set(DOMAINS)


def test_the_worked_example_is_computed() -> None:
    page = (DOCS / "digest.md").read_text()
    data = json.loads(page.split("```json\n")[1].split("\n```")[0])
    event = event_of("stock", data)
    entity, key = (make("stock", event.data.__dict__) for make in (canonical_json, canonical_key))
    for part in (entity.decode(), key.decode(), entity_digest(entity).hex(), hashlib.sha256(key).hexdigest()[:16]):
        assert f"| `{part}` |" in page
    assert f"| bucket of 256 | {bucket_of(key, 256)} |" in page


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("on_hand", "12.000", "1.2e1"),
        ("on_hand", "-0.0", "0"),
        ("as_of", "2026-11-23T04:22:51-03:00", "2026-11-23T07:22:51Z"),
    ],
)
def test_two_ways_to_write_a_value_are_one_content(field: str, one: str, other: str) -> None:
    contents = {canonical_json("stock", event_of("stock", {field: value}).data.__dict__) for value in (one, other)}
    assert len(contents) == 1


@given(st.permutations(range(40)), st.sampled_from([1, 2, 8]))
def test_the_order_does_not_matter_and_every_bucket_is_the_erps(order: list[int], number: int) -> None:
    data = [{**SAMPLES["stock"][1], "product_code": f"P{index}", "on_hand": f"{index}.50"} for index in range(40)]
    buckets = Buckets(number)
    for index in order:
        fields = event_of("stock", data[index]).data.__dict__
        buckets.add(canonical_key("stock", fields), entity_digest(canonical_json("stock", fields)))
    expected = erp_digest("stock", data, number.bit_length() - 1)
    assert [(buckets[index].count, buckets[index].digest) for index in range(number)] == expected
    assert buckets.whole.count == 40


def test_twice_the_buckets_split_each_in_two() -> None:
    for index in range(100):
        key = f'{{"code":"{index}"}}'.encode()
        assert bucket_of(key, 512) // 2 == bucket_of(key, 256)


@pytest.mark.parametrize(
    ("number", "right"), [(0, False), (1, True), (3, False), (256, True), (65_536, True), (131_072, False)]
)
def test_the_number_of_buckets_is_a_power_of_two(number: int, right: bool) -> None:
    assert is_bucket_count(number) is right
