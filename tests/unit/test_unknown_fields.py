"""Misspelt fields are refused, of deleted events any other too; all the rest is counted within a bound."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.unknown_fields import MOST_NAMES, OTHERS, FieldUse, bounded, count_fields, merged_counts
from schemas.domains import DOMAINS
from schemas.events import domain_of, parse_event
from schemas.reasons import Reason, Refused
from schemas.unknown_fields import LONGEST_NAME, UnknownField, fold
from tests.support.event_samples import FULL, refusal_of, sample_event


def spellings(name: str) -> set[str]:
    """Other ways to write a name: as programs of several languages would, and with dashes."""
    words = name.split("_")
    ways = {name.upper(), name.title(), "".join(words), "".join(map(str.title, words)), "-".join(words), f"_{name}"}
    ways |= {words[0] + "".join(map(str.title, words[1:])), f"{name}-", name[0].upper() + name[1:]}
    return ways - {name}


@pytest.mark.parametrize("domain", FULL)
def test_every_other_spelling_of_every_field_is_refused_and_the_right_one_named(domain: str) -> None:
    for name in DOMAINS[domain].columns:
        for spelling in spellings(name):
            refusal = refusal_of(domain, sample_event(domain, **{spelling: FULL[domain][name]}))
            assert (refusal.reason, refusal.pointer) == (Reason.MISSPELT_FIELD, f"/data/{spelling}")
            assert refusal.sentence == f"is misspelt: the field is {name}"


@pytest.mark.parametrize("domain", FULL)
def test_a_required_field_that_is_misspelt_is_called_so_and_not_missing(domain: str) -> None:
    whole = json.loads(sample_event(domain))
    for name in list(whole["data"]):
        spelling = name.upper()
        data = {spelling if field == name else field: value for field, value in whole["data"].items()}
        refusal = refusal_of(domain, json.dumps({**whole, "data": data}).encode())
        assert (refusal.reason, refusal.pointer) == (Reason.MISSPELT_FIELD, f"/data/{spelling}")


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "sequence", "subject", "data"])
def test_a_misspelt_attribute_is_refused_beside_the_right_one_and_instead_of_it(name: str) -> None:
    whole: dict[str, Any] = {**json.loads(sample_event("stock")), "subject": "x"}
    instead = {name.title() if field == name else field: value for field, value in whole.items()}
    for document in (instead, {**whole, name.title(): "x"}):
        refusal = refusal_of("stock", json.dumps(document).encode())
        assert (refusal.reason, refusal.pointer) == (Reason.MISSPELT_FIELD, f"/{name.title()}")


@pytest.mark.parametrize(
    ("domain", "data", "pointer"),
    [
        ("packagings", {"barcodes": [{"value": "1"}, {"value": "2", "TYPE": "own"}]}, "/data/barcodes/1/TYPE"),
        ("packagings", {"barcodes": [{"Value": "1"}]}, "/data/barcodes/0/Value"),
        ("customers", {"addresses": [{"cityIbge": "1"}]}, "/data/addresses/0/cityIbge"),
    ],
)
def test_a_misspelt_field_of_an_object_inside_is_refused(domain: str, data: dict[str, Any], pointer: str) -> None:
    refusal = refusal_of(domain, sample_event(domain, **data))
    assert (refusal.reason, refusal.pointer) == (Reason.MISSPELT_FIELD, pointer)


def test_members_of_a_map_are_the_senders_own() -> None:
    event = parse_event("products", "main", sample_event("products", attributes={"Name": "x", "base-unit": "y"}))
    assert event.unknown == ()


@pytest.mark.parametrize("action", ["changed", "deleted"])
def test_attributes_that_nobody_here_reads_are_counted_and_those_of_standards_are_not(action: str) -> None:
    standard = {"datacontenttype": "application/json", "dataschema": "x", "traceparent": "x", "loadid": "1"}
    body = sample_event("stock", action=action, envelope={**standard, "region": "south"})
    assert [field.label for field in parse_event("stock", "main", body).unknown] == ["ce-region"]


def test_a_field_that_only_resembles_one_is_taken_and_the_similar_one_suggested() -> None:
    body = sample_event("prices", minimum_qty="10", colour="blue", **{"min qty": "1"})
    fields = {field.label: field.suggestion for field in parse_event("prices", "main", body).unknown}
    assert fields == {"minimum_qty": "min_qty", "colour": None, "min qty": "min_qty"}


@given(st.text(max_size=300), st.sampled_from(["changed", "deleted"]))
def test_whatever_a_field_is_called_the_event_is_taken_or_refused_with_a_short_pointer(name: str, action: str) -> None:
    body = sample_event("stock", action=action, **{name: 1})
    try:
        texts, longest = [field.label for field in parse_event("stock", "main", body).unknown], LONGEST_NAME
    except Refused as refused:
        texts, longest = [refused.refusal.pointer], 200
    assert all(text.isprintable() and len(text) <= longest for text in texts)


def test_an_event_with_thousands_of_names_keeps_fifty() -> None:
    body = sample_event("stock", **{f"extra_{index}": 1 for index in range(5_000)})
    assert len(parse_event("stock", "main", body).unknown) == 50


@pytest.mark.parametrize(("one", "other"), list(product(["min_qty", "MIN-QTY", "minQty", "_minqty"], repeat=2)))
def test_names_that_differ_only_in_case_and_dashes_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other) == "minqty"


def test_a_type_is_missed_by_its_own_spelling_before_anything_is_published() -> None:
    with pytest.raises(Refused) as refused:
        domain_of({"Type": "erp.stock.changed.v1"})
    assert refused.value.refusal.reason is Reason.MISSPELT_FIELD


def field(label: str, suggestion: str | None = None) -> UnknownField:
    return UnknownField(f"/data/{label}", label, None, suggestion)


def test_fields_are_counted_by_shop_domain_and_name() -> None:
    both, one = (field("x"), field("y", "unit")), (field("x"),)
    assert count_fields([("a", "stock", both), ("a", "stock", one), ("b", "stock", one)]) == {
        ("a", "stock", "x"): FieldUse(2, None),
        ("a", "stock", "y"): FieldUse(1, "unit"),
        ("b", "stock", "x"): FieldUse(1, None),
    }


def test_names_beyond_the_bound_are_counted_together_and_none_is_lost() -> None:
    many = [field(f"f{index:03}") for index in range(150)]
    counts = count_fields([("a", "stock", many), ("b", "stock", [field("x")])])
    kept = bounded(counts, {("a", "stock"): {"f149"}})
    assert len(kept) == MOST_NAMES + 2
    assert ("a", "stock", "f149") in kept
    assert kept["a", "stock", OTHERS].number == 50
    assert sum(use.number for use in kept.values()) == 151


def test_counts_of_two_halves_of_a_batch_are_one() -> None:
    first, second = (count_fields([("a", "stock", (field("x"),))]) for _ in range(2))
    assert merged_counts(first, second) == {("a", "stock", "x"): FieldUse(2, None)}
