"""Event samples to start from: the least and the most that the contract's data table allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.reasons import Refusal, Refused
from tests.support.contract_samples import valid_sample

__all__ = ["FULL", "SAMPLES", "refusal_of", "required_fields", "sample_event"]


def _data(name: str) -> dict[str, dict[str, Any]]:
    events = {domain: json.loads(valid_sample(domain, f"{domain}-{name}").body) for domain in DOMAINS}
    return {domain: event["data"] for domain, event in events.items()}


# The entity and the required fields of every domain.
SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    domain: (DOMAINS[domain].entity, data) for domain, data in _data("least").items()
}
# Every field of every domain, in the contract's order.
FULL: dict[str, dict[str, Any]] = _data("every-field")


def sample_event(domain: str, *, action: str = "changed", envelope: dict[str, Any] | None = None, **data: Any) -> bytes:
    """Build a message's body: the least of the contract (of a deletion the key), with fields set or replaced."""
    entity, sample = SAMPLES[domain]
    if action == "deleted":
        sample = {name: value for name, value in sample.items() if name in DOMAINS[domain].key_fields}
    whole: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/erp/1",
        "type": f"erp.{entity}.{action}.v1",
        "time": "2026-11-23T07:22:51.123456Z",
        "sequence": "18446",
        "data": {**sample, **data},
    }
    return json.dumps({**whole, **(envelope or {})}).encode()


def required_fields(domain: str) -> frozenset[str]:
    """Name the fields that a state of a domain must have."""
    fields = DOMAINS[domain].state.model_fields
    return frozenset(name for name, field in fields.items() if field.is_required())


def refusal_of(domain: str, body: bytes) -> Refusal:
    """Return the refusal of a body; fail if it is not refused, or if the sentence is long."""
    with pytest.raises(Refused) as refused:
        parse_event(domain, "main", body)
    assert len(refused.value.refusal.sentence) < 200
    return refused.value.refusal
