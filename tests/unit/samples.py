"""Valid events to start from: the least and the most that the contract's data table allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.events import parse_event
from schemas.reasons import Refusal, Refused

__all__ = ["FULL", "SAMPLES", "event", "refusal_of"]

# The entity and the required fields of every domain.
SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "products": ("product", {"code": "P1", "name": "Água", "active": True, "base_unit": "UN"}),
    "images": (
        "image",
        {"product_code": "P1", "image_id": "1", "url": "https://images.example/p1.jpg", "position": 0},
    ),
    "packagings": (
        "packaging",
        {"product_code": "P1", "packaging_code": "CX", "unit": "CX", "factor": "12", "sellable": True},
    ),
    "price_tables": ("price_table", {"table_code": "T", "name": "Varejo", "currency": "BRL", "active": True}),
    "prices": ("price", {"table_code": "T", "product_code": "P1", "price": "1.0000000001"}),
    "stock": (
        "stock",
        {
            "product_code": "P1",
            "branch": "1",
            "warehouse": "W",
            "on_hand": "12.000",
            "unit": "UN",
            "as_of": "2026-11-23T07:22:51Z",
        },
    ),
    "customers": (
        "customer",
        {"code": "C1", "kind": "PF", "document": "52998224725", "name": "Ana", "status": "active"},
    ),
}

# Every field of every domain, in the contract's order.
FULL: dict[str, dict[str, Any]] = {
    "products": {
        "code": "P-9 ção",
        "name": "Café “Serra” 500 g",
        "active": False,
        "base_unit": "KG",
        "ncm": "09012100",
        "cest": "1709600",
        "gtin": "4006381333931",
        "brand": "Serra",
        "category_path": ["Mercearia", "Café"],
        "description": "torrado\ne moído 🫘",
        "net_weight_kg": "0.5000",
        "gross_weight_kg": "0.5125",
        "height_cm": "18.2",
        "width_cm": "9",
        "length_cm": "99999999999.9999",
        "fractional": True,
        "variant_of": "P-1",
        "attributes": {"cor": "preta", "": "sem nome"},
    },
    "images": {
        "product_code": "P-9",
        "image_id": "frente",
        "url": "HTTP://images.example:8443/p%209.jpg?w=1#x",
        "position": 2147483647,
        "alt": "",
        "content_hash": "sha256:00ff",
    },
    "packagings": {
        "product_code": "P-9",
        "packaging_code": "FD",
        "unit": "FD",
        "factor": "0.0001",
        "barcodes": [
            {"value": "14006381333938", "type": "GTIN-14"},
            {"value": "interno 7", "type": "own"},
            {"value": "anything", "type": None},
        ],
        "sellable": False,
        "min_multiple": "3",
        "gross_weight_kg": "6.15",
    },
    "price_tables": {
        "table_code": "ATACADO",
        "name": "Atacado",
        "currency": "USD",
        "active": True,
        "valid_from": "2026-01-01T00:00:00-03:00",
        "valid_to": "2026-12-31T23:59:59.999999Z",
    },
    "prices": {
        "table_code": "ATACADO",
        "product_code": "P-9",
        "packaging_code": "FD",
        "min_qty": "10.5",
        "valid_from": "2026-06-01T00:00:00+05:30",
        "price": "12345678901.0123456789",
        "list_price": "0",
        "valid_to": "2026-06-30T00:00:00Z",
        "active": False,
    },
    "stock": {
        "product_code": "P-9",
        "branch": "2",
        "warehouse": "NORTE",
        "lot": "L/7",
        "on_hand": "-1.5",
        "reserved": "2.0000",
        "available": "-3.50",
        "unit": "KG",
        "as_of": "2026-11-23T07:22:51.5-03:00",
    },
    "customers": {
        "code": "C-9",
        "kind": "PJ",
        "document": "12ABC34501DE35",
        "name": "Padaria Pão & Cia",
        "trade_name": "Pão",
        "state_registration": "ISENTO",
        "email": "compras@padaria.example",
        "phones": ["+55 11 5555-0100", ""],
        "addresses": [
            {
                "kind": "billing",
                "street": "Rua das Acácias",
                "number": "12-A",
                "complement": None,
                "district": "Centro",
                "city": "São Paulo",
                "city_ibge": "3550308",
                "state": "SP",
                "zip": "01001-000",
                "country": "BR",
            }
        ],
        "status": "blocked",
        "price_table": "ATACADO",
        "payment_term": "28/56",
        "seller": "V1",
        "credit_limit": "-100.00",
    },
}


def event(domain: str, *, action: str = "changed", envelope: dict[str, Any] | None = None, **data: Any) -> bytes:
    """A message's body: the least that the contract asks for, with these fields set or replaced."""
    entity, sample = SAMPLES[domain]
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


def refusal_of(domain: str, body: bytes) -> Refusal:
    """Why a body is refused; fails if it is not, or if the sentence is long."""
    with pytest.raises(Refused) as refused:
        parse_event(domain, "main", body)
    assert len(refused.value.refusal.sentence) < 200
    return refused.value.refusal
