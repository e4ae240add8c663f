"""Customers."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import TypeAdapter, ValidationError, model_validator

from schemas.fields import Cnpj, Cpf, Key, Message, Money, StopAtFirst, Text, fault
from schemas.reasons import Reason

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
    """Who buys; `document` is a CPF for PF, a CNPJ for PJ, any id for foreign."""

    kind: Literal["PF", "PJ", "foreign"]
    document: Key
    name: Text
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

    @model_validator(mode="after")
    def _document_fits_kind(self) -> Self:
        document = _DOCUMENTS.get(self.kind)
        if document is not None:
            try:
                document.validate_python(self.document)
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                raise fault(Reason(first["type"]), f"document {first['msg']}") from None
        return self


_DOCUMENTS: dict[str, TypeAdapter[str]] = {"PF": TypeAdapter(Cpf), "PJ": TypeAdapter(Cnpj)}
