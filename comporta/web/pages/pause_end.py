"""End of a pause: its extension by half an hour, and a calendar file that reminds of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.pages.forms import Form, Forms
from comporta.web.pages.i18n import N_
from comporta.web.pages.icalendar import reminder
from comporta.web.pages.renderer import Pages, address, translate
from comporta.web.request import identity_of
from control.switchboard import Switchboard
from schemas.control import Command, ControlMessage, StatusDocument, SwitchState, control_message

__all__ = ["pause_end_router"]

_SOURCE = "http"
_EXTENSION = timedelta(minutes=30)


def pause_end_router(pages: Pages, switchboard: Switchboard) -> APIRouter:
    """Return the routes that extend a pause or export a reminder of it."""
    router = APIRouter(prefix="/switch", include_in_schema=False)

    @router.post("/extend")
    def extend(
        request: Request, shop: Form = "", domain: Forms | None = None, since: Form = "", until: Form = ""
    ) -> Response:
        now, by = datetime.now(UTC), identity_of(request).name
        document = pages.status()
        switches = [_off(document, shop, name) for name in domain or [""]]
        message = _extension(switches, since, until, by, now)
        if message is None:
            # Otherwise a click could pause again after another operator's resume, or extend the pause twice.
            error = translate(request, N_("The end has changed in the meantime; nothing was done."))
            return pages.render(request, "switch/extended.html", 409, later=None, error=error)
        reply = switchboard.change(Command("pause", message, _SOURCE, user_id=by, issued_at=message.issued_at))
        status = 409 if reply.error else 200
        return pages.render(request, "switch/extended.html", status, later=message.until, error=reply.error)

    @router.get("/reminder.ics")
    def reminder_file(request: Request, shop: str, domain: str) -> Response:
        switch = _off(pages.status(), shop, domain)
        if switch is None:
            raise HTTPException(404, translate(request, N_("This switch is on; there is no pause to be reminded of.")))
        summary = translate(request, N_("Comporta: the integration is off"))
        if pages.label:
            summary = f"{summary} ({pages.label})"
        description = f"{switch.shop}/{switch.domain}\n{switch.by}: {switch.reason}"
        link = str(request.url.replace(path=address(request, "/"), query=""))
        body = reminder(switch, datetime.now(UTC), summary, description, link)
        headers = {"Content-Disposition": 'attachment; filename="comporta.ics"'}
        return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)

    return router


def _extension(
    switches: list[SwitchState | None], since: str, until: str, by: str, now: datetime
) -> ControlMessage | None:
    """Return the message that moves the end of these switches; None unless all are as the form showed them."""
    shown = (since, until)
    unchanged = [
        switch for switch in switches if switch is not None and (_iso(switch.since), _iso(switch.until)) == shown
    ]
    if len(unchanged) < len(switches) or unchanged[0].until is None:
        return None
    pause, domains = unchanged[0], [switch.domain for switch in unchanged]
    end = max(unchanged[0].until, now) + _EXTENSION
    return control_message(pause.reason, pause.shop, domains, by=by, until=end, issued_at=now)


def _off(document: StatusDocument, shop: str, domain: str) -> SwitchState | None:
    scope = (shop, domain)
    return next((switch for switch in document.switches if switch.off and (switch.shop, switch.domain) == scope), None)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
