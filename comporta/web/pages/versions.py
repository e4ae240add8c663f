"""Versions: forgetting those of one key, or of a shop's domain, after saying how many there are."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none
from comporta.web.pages.renderer import Pages, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.actions import Conflict
from schemas.domains import DOMAINS
from schemas.events import SHOP
from schemas.reasons import Refused
from storage.missed import key_values
from storage.versions import VersionScope

__all__ = ["versions_router"]

_LONGEST_REASON = 500


def versions_router(pages: Pages, acting: OperatorActions) -> APIRouter:
    """Return the routes of the dialog."""
    router = APIRouter(include_in_schema=False)

    @router.get("/versions/forget")
    def ask(request: Request, shop: str = "", domain: str = "", key: str = "") -> Response:
        scope = _scope(shop, domain, key) if shop and domain else None
        count = scope and acting.forget_versions(scope, audit_context(request), dry_run=True)
        fields = orjson.loads(key) if key and scope else None
        return pages.render(
            request, "ask/forget.html", shop=shop, domain=domain, key=key, fields=fields, count=count, scope=scope
        )

    @router.post("/versions/forget")
    def forget(
        request: Request, shop: Form = "", domain: Form = "", key: Form = "", reason: Form = "", expected: Form = ""
    ) -> Response:
        scope = _scope(shop, domain, key)

        def act() -> str:
            why = blank_to_none(reason.replace("\0", "")[:_LONGEST_REASON])
            if why is None:
                raise Conflict(translate(request, N_("Nothing was changed: a reason is required.")))
            context = audit_context(request, why)
            number = acting.forget_versions(scope, context, expected=parse_expected(expected)).forgotten
            return translate_plural(
                request,
                "%(count)s key is forgotten: its next event wins, whatever its version.",
                "%(count)s keys are forgotten: the next event of each wins, whatever its version.",
                number,
            )

        return run_action(pages, request, act)

    return router


def _scope(shop: str, domain: str, key: str) -> VersionScope:
    """Return the keys that an address or a form names; one that can't be read is answered with 400."""
    if not SHOP.fullmatch(shop) or domain not in DOMAINS:
        raise HTTPException(400, "shop, domain: a shop and a domain of change events are needed")
    if not key:
        return VersionScope(shop, domain)
    try:
        return VersionScope(shop, domain, (key_values(domain, _fields(key)),))
    except Refused as refused:
        raise HTTPException(400, f"key: {refused.refusal}") from None


def _fields(key: str) -> dict[str, Any]:
    try:
        fields = orjson.loads(key)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise HTTPException(400, "key: a JSON object with the fields of the key is needed")
    return fields
