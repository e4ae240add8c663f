"""Versions of keys: forgetting them, so that the next event of each key wins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field

from comporta.web.api.params import MOST_NAMED, ChangeDomain, RequestBody, ShopName, only_known
from comporta.web.request import audit_context
from control.actions import OperatorActions
from schemas.reasons import Refused
from storage.missed import key_values
from storage.versions import VersionScope

__all__ = ["versions_router"]


class ForgetWanted(RequestBody):
    """Keys whose versions are forgotten: those given, or every key of a shop's domain."""

    shop: ShopName
    domain: ChangeDomain
    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    reason: Annotated[
        str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$", description="Reason, recorded in the audit.")
    ]
    dry_run: bool = False
    expected: Annotated[
        int | None,
        Field(ge=0, description="keys + missed as shown; the request is refused if there are far more now."),
    ] = None

    @property
    def scope(self) -> VersionScope:
        """Return the selected keys; raises `Refused` if one can't be read."""
        keys = None if self.keys is None else tuple(key_values(self.domain, key) for key in self.keys)
        return VersionScope(self.shop, self.domain, keys)


class Forgotten(BaseModel):
    """Number of rows with a version, of missed keys with one, and of keys whose version was forgotten."""

    keys: int
    missed: int
    forgotten: int


def versions_router(actions: OperatorActions) -> APIRouter:
    """Return the route that forgets versions; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.post("/versions/forget", tags=["act"])
    def forget(request: Request, body: ForgetWanted) -> Forgotten:
        """Let the next event of each key win, whatever its version: for poisoned keys, or a counter set back."""
        try:
            scope = body.scope
        except Refused as refused:
            raise HTTPException(400, f"a key can't be read: {refused.refusal}") from None
        context = audit_context(request, body.reason)
        result = actions.forget_versions(scope, context, dry_run=body.dry_run, expected=body.expected)
        return Forgotten(**result._asdict())

    return router
