"""Erasure of a person's data; the document stands in the body, since addresses of requests are logged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, Field

from comporta.web.api.params import ShopName, Why, only_known
from comporta.web.request import audit_context
from control.person import PersonActions, PersonErasure
from rules.person import is_person_document

__all__ = ["person_router"]


def _document(value: str) -> str:
    if not is_person_document(value):
        raise ValueError("a document has a letter or a digit, and at most 255 characters")
    return value


class ErasureWanted(Why):
    """The person whose data are to be erased."""

    document: Annotated[
        str, AfterValidator(_document), Field(description="CPF, CNPJ or foreign id, with or without its mask.")
    ]
    shop: ShopName | None = None
    dry_run: Annotated[bool, Field(description="Only count the rows.")] = False


def person_router(people: PersonActions) -> APIRouter:
    """Return the route of a person's erasure; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.post("/person/erase", tags=["act"])
    def erase(request: Request, body: ErasureWanted) -> PersonErasure:
        """Erase a person's data in one shop or in all, and say what stays and why. The audit has no document."""
        context = audit_context(request, body.reason)
        return people.erase(body.document, context, shop=body.shop, dry_run=body.dry_run)

    return router
