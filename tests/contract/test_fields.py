"""Fields: each one of every message is described in two languages, and its example is one that is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.domain_field_docs import DOMAIN_FIELD_DOCS
from schemas.domains import DOMAINS, Domain
from schemas.events import Envelope, parse_event
from schemas.field_docs import field_doc
from schemas.fields_page import fields_page
from schemas.json_schema import event_schemas, message_schemas
from schemas.message_field_docs import COMMON_FIELD_DOCS, MESSAGE_FIELD_DOCS
from schemas.order_data import Buyer, Freight, Item, Payment, PlacedOrder
from schemas.order_field_docs import ORDER_FIELD_DOCS
from schemas.orders import parse_shop_message
from tests.support.schema_validators import find_errors

SCHEMAS = {**event_schemas(), **message_schemas()}


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of a message, those of the objects inside it too, by its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}/{name}", field
        yield from fields(field, f"{path}/{name}")
    for inner in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        if isinstance(inner, dict):
            yield from fields(inner, path)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_says_what_it_means(name: str) -> None:
    found = dict(fields(SCHEMAS[name]))
    assert len(found) > 3
    assert [path for path, field in found.items() if not field.get("description")] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_example_is_valid(name: str) -> None:
    for path, field in fields(SCHEMAS[name]):
        for example in field.get("examples", ()):
            assert find_errors(field, example) == [], path


def test_the_two_languages_say_something_each() -> None:
    groups = (COMMON_FIELD_DOCS, *DOMAIN_FIELD_DOCS.values(), *ORDER_FIELD_DOCS.values(), *MESSAGE_FIELD_DOCS.values())
    docs = [doc for group in groups for doc in group.values()]
    assert all(doc.en.endswith(".") and doc.pt.endswith(".") for doc in docs)
    assert [doc for doc in docs if doc.en == doc.pt] == []


def example_data(model: Any) -> dict[str, Any]:
    examples = {name: field_doc(model, name) for name in model.model_fields}
    return {name: doc.example for name, doc in examples.items() if doc is not None and doc.example is not None}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=lambda domain: domain.name)
def test_an_event_of_all_examples_is_taken(domain: Domain) -> None:
    envelope = example_data_of_envelope(f"erp.{domain.entity}.changed.v1")
    data = example_data(domain.state)
    if "valid_from" in data:
        data["valid_to"] = "2027-01-01T00:00:00Z"
    event = parse_event(domain.name, "main", json.dumps({**envelope, "data": data}).encode())
    assert not event.deleted
    assert event.unknown == ()


def test_an_order_of_the_examples_is_taken() -> None:
    parts = {"customer": Buyer, "payment": Payment, "freight": Freight}
    data = example_data(PlacedOrder) | {name: example_data(model) for name, model in parts.items()}
    data |= {"items": [example_data(Item)], "total": "49.70"}
    envelope = example_data_of_envelope("shop.order.placed.v1")
    parse_shop_message("main", json.dumps({**envelope, "data": data}).encode())


def example_data_of_envelope(kind: str) -> dict[str, Any]:
    return {**example_data(Envelope), "type": kind}


def test_the_pages_have_every_field_of_the_domains() -> None:
    for language in ("en", "pt-BR"):
        page = fields_page(language)  # type: ignore[arg-type]
        for domain in DOMAINS.values():
            section = page.split(f"## {domain.name}: ")[1].split("\n## ")[0]
            assert [name for name in domain.state.model_fields if f"| `{name}` |" not in section] == []
        assert "`addresses[].city_ibge`" in page
        assert "`items[].taxes[].value`" in page
