"""Half an hour more, and the reminder for whoever switched off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.pages.forms import Form, Forms
from comporta.web.pages.icalendar import reminder
from comporta.web.pages.rendering import Pages, address, say
from comporta.web.pages.words import N_
from comporta.web.who import who_of
from control.switchboard import Switchboard
from schemas.control import Command, ControlMessage, StatusDocument, SwitchState, parse_control

__all__ = ["prolonging_router"]

_MORE = timedelta(minutes=30)


def prolonging_router(pages: Pages, switchboard: Switchboard) -> APIRouter:
    """The doors to a pause that is there already."""
    router = APIRouter(prefix="/switch", include_in_schema=False)

    @router.post("/extend")
    def extend(
        request: Request, shop: Form = "", domain: Forms | None = None, since: Form = "", until: Form = ""
    ) -> Response:
        asked_at, by = datetime.now(UTC), who_of(request).name
        document = pages.status()
        switches = [_off(document, shop, each) for each in domain or [""]]
        message = _longer(switches, since, until, by, asked_at)
        if message is None:
            # Otherwise the click would switch off what somebody has just switched on, or count twice.
            error = say(request, N_("The end has changed in the meantime; nothing was done."))
            return pages.render(request, "switch/extended.html", 409, later=None, error=error)
        reply = switchboard.change(Command("pause", message, "http", user_id=by, issued_at=message.issued_at))
        status = 409 if reply.error else 200
        return pages.render(request, "switch/extended.html", status, later=message.until, error=reply.error)

    @router.get("/reminder.ics")
    def remind(request: Request, shop: str, domain: str) -> Response:
        switch = _off(pages.status(), shop, domain)
        if switch is None:
            raise HTTPException(404, say(request, N_("This switch is on; there is nothing to be reminded of.")))
        summary = say(request, N_("Comporta: the integration is off"))
        if pages.label:
            summary = f"{summary} ({pages.label})"
        description = f"{switch.shop}/{switch.domain}\n{switch.by}: {switch.reason}"
        link = str(request.url.replace(path=address(request, "/"), query=""))
        body = reminder(switch, datetime.now(UTC), summary, description, link)
        headers = {"Content-Disposition": 'attachment; filename="comporta.ics"'}
        return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)

    return router


def _longer(
    switches: list[SwitchState | None], since: str, until: str, by: str, asked_at: datetime
) -> ControlMessage | None:
    """What moves the end of these switches; None unless all of them are as somebody saw them."""
    seen = (since, until)
    found = [each for each in switches if each is not None and (_iso(each.since), _iso(each.until)) == seen]
    if len(found) < len(switches) or found[0].until is None:
        return None
    asked = {
        "reason": found[0].reason,
        "shop": found[0].shop,
        "domains": [switch.domain for switch in found],
        "by": by,
        "until": max(found[0].until, asked_at) + _MORE,
        "issued_at": asked_at,
    }
    return parse_control(orjson.dumps(asked))


def _off(document: StatusDocument, shop: str, domain: str) -> SwitchState | None:
    return next((each for each in document.switches if each.off and (each.shop, each.domain) == (shop, domain)), None)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
