"""Customers and their addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import GetJsonSchemaHandler, ValidationInfo, field_validator
from pydantic_core import CoreSchema

from schemas.fields import (
    CNPJ_SCHEMA,
    CPF_SCHEMA,
    Id,
    JsonSchema,
    Message,
    Money,
    Name,
    StopAtFirst,
    Text,
    check_cnpj,
    check_cpf,
)
from schemas.keys import Key

__all__ = ["Address", "Customer", "CustomerKey"]


class Address(Message):
    """One postal address; `city_ibge` is the IBGE code of the municipality."""

    kind: Text | None = None
    street: Text | None = None
    number: Text | None = None
    complement: Text | None = None
    district: Text | None = None
    city: Text | None = None
    city_ibge: Text | None = None
    state: Text | None = None
    zip: Text | None = None
    country: Text | None = None


class CustomerKey(Message):
    """Names one customer."""

    code: Key


class Customer(CustomerKey):
    """Buyer; `document` is a CPF for PF, a CNPJ for PJ, any id for foreign."""

    kind: Literal["PF", "PJ", "foreign"]
    document: Id
    name: Name
    trade_name: Text | None = None
    state_registration: Text | None = None
    email: Text | None = None
    phones: Annotated[list[Text], StopAtFirst()] | None = None
    addresses: Annotated[list[Address], StopAtFirst()] | None = None
    status: Literal["active", "inactive", "blocked"]
    price_table: Text | None = None
    payment_term: Text | None = None
    seller: Text | None = None
    credit_limit: Money | None = None

    @field_validator("document")
    @classmethod
    def _fits_kind(cls, document: str, info: ValidationInfo) -> str:
        check = _DOCUMENTS.get(info.data.get("kind", ""))
        return document if check is None else check(document)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {**handler(core), "allOf": [_document("PF", CPF_SCHEMA), _document("PJ", CNPJ_SCHEMA)]}


def _document(kind: str, schema: JsonSchema) -> JsonSchema:
    condition = {"required": ["kind"], "properties": {"kind": {"const": kind}}}
    return {"if": condition, "then": {"properties": {"document": schema}}}


_DOCUMENTS: dict[str, Callable[[str], str]] = {"PF": check_cpf, "PJ": check_cnpj}
