"""Pause and resume: the dialogs, the estimated cost and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from uuid_utils import uuid7

from comporta.web.pages.forms import Form, Forms
from comporta.web.pages.i18n import N_, wanted_language
from comporta.web.pages.reasons import action_sentence
from comporta.web.pages.renderer import Pages, translate
from comporta.web.pages.switch_forms import FormFault, OffForm, droppable, plan_value, scope_value, selected_switches
from comporta.web.request import identity_of
from control.switchboard import Switchboard
from rules.cost import sum_costs
from rules.switches import Scope
from schemas.control import (
    ANY,
    Action,
    Command,
    ControlMessage,
    PlannedPause,
    Reply,
    StatusDocument,
    SwitchState,
)
from schemas.reasons import Reason, Refused
from storage.views import Cost

__all__ = ["EstimateCost", "switch_router"]

EstimateCost = Callable[[str, Sequence[str], float], Cost]
# Minutes for which the cost of a pause without an end is estimated.
_OPEN_END_MINUTES = 60.0
_SOURCE = "http"
# Of more shops than this the cost is not estimated one by one.
_MOST_ESTIMATED = 50


def switch_router(pages: Pages, switchboard: Switchboard, estimate_cost: EstimateCost) -> APIRouter:
    """Return the routes that pause and resume."""
    router = APIRouter(prefix="/switch", include_in_schema=False)
    switch_pages = _SwitchPages(pages, switchboard)

    @router.get("/off")
    def off_form(request: Request) -> Response:
        return switch_pages.off_form(request, OffForm(), str(uuid7()))

    @router.get("/cost")
    def cost_of_pause(
        request: Request,
        shop: str = ANY,
        which: str = "all",
        domains: Annotated[list[str] | None, Query()] = None,
        end: str = "60",
        until: str = "",
        until_utc: str = "",
        begin: str = "now",
        from_at: str = "",
        from_at_utc: str = "",
        shops: Annotated[list[str] | None, Query()] = None,
    ) -> Response:
        planned = {"begin": begin, "from_at": from_at, "from_at_utc": from_at_utc}
        form = OffForm(
            shop=shop.strip() or ANY,
            which=which,
            domains=domains or (),
            end=end,
            until=until,
            until_utc=until_utc,
            shops=shops or (),
            **planned,
        )
        try:
            minutes = form.minutes(datetime.now(UTC))
        except FormFault as fault:
            return pages.render(request, "switch/cost.html", fault=str(fault), cost=None, minutes=None)
        length = minutes or _OPEN_END_MINUTES
        costs = [estimate_cost(each.shop, form.scope, length) for each in form.each[:_MOST_ESTIMATED]]
        cost = sum_costs(costs) if form.scope else None
        return pages.render(request, "switch/cost.html", fault=None, cost=cost, minutes=minutes)

    @router.post("/off")
    def off(
        request: Request,
        reason: Form = "",
        shop: Form = ANY,
        which: Form = "all",
        domains: Forms | None = None,
        end: Form = "",
        until: Form = "",
        until_utc: Form = "",
        change_end: Form = "",
        new_shop: Form = "",
        begin: Form = "now",
        from_at: Form = "",
        from_at_utc: Form = "",
        weekly: Form = "",
        message_id: Form = "",
        epoch: Form = "",
        shops: Forms | None = None,
    ) -> Response:
        planned = {"begin": begin, "from_at": from_at, "from_at_utc": from_at_utc, "weekly": weekly}
        form = OffForm(reason, shop, which, domains or (), end, until, until_utc, change_end, new_shop, **planned)
        form = replace(form, shops=shops or ())
        try:
            messages = form.checked_messages(pages.status(), identity_of(request).name, datetime.now(UTC))
            replies = [
                switch_pages.change(request, "pause", message, _part(message_id, index), epoch)
                for index, message in enumerate(messages)
            ]
            if all(reply.error is not None and reply.error.startswith(Reason.STALE) for reply in replies):
                raise FormFault(N_("A switch has changed in the meantime. Check what is off now, and choose again."))
        except (FormFault, Refused) as fault:
            return switch_pages.off_form(request, form, message_id, fault)
        paused = [(message.shop, name) for message in messages for name in message.domains]
        return switch_pages.result(request, replies, paused=paused)

    @router.get("/on")
    def on_form(request: Request, scope: Annotated[list[str] | None, Query()] = None) -> Response:
        return switch_pages.on_form(request, str(uuid7()), selected=scope or ())

    @router.post("/on")
    def on(
        request: Request,
        scope: Forms | None = None,
        reason: Form = "",
        message_id: Form = "",
    ) -> Response:
        try:
            switches = selected_switches(pages.status(), scope or ())
            messages = _resumes(switches, reason, identity_of(request).name)
        except (FormFault, Refused) as fault:
            return switch_pages.on_form(request, message_id, scope or (), reason, fault)
        replies = [
            switch_pages.change(request, "resume", message, message_id and f"{message_id}-{index}")
            for index, message in enumerate(messages)
        ]
        dropped = not any(isinstance(switch, SwitchState) for switch in switches)
        scopes = [(item.shop, item.domain) for item in switches if isinstance(item, SwitchState)]
        return switch_pages.result(request, replies, dropped=dropped, resumed=scopes)

    return router


def _part(message_id: str, index: int) -> str:
    """Return the id of one of the messages of a form; the first has that of the form."""
    return f"{message_id}-{index}" if message_id and index else message_id


def _resumes(switches: Iterable[SwitchState | PlannedPause], reason: str, by: str) -> list[ControlMessage]:
    """Return one message per shop, so that switches selected together are switched on, counted and audited together."""
    domains: dict[str, list[str]] = {}
    for switch in switches:
        domains.setdefault(switch.shop, []).append(switch.domain)
    forms = (OffForm(reason, shop, "some", names, "open") for shop, names in domains.items())
    return [form.message(by, datetime.now(UTC)) for form in forms]


@dataclass(frozen=True, slots=True)
class _SwitchPages:
    """Forms of pause and resume, and their execution."""

    pages: Pages
    switchboard: Switchboard

    def off_form(
        self, request: Request, form: OffForm, message_id: str, fault: FormFault | Refused | None = None
    ) -> Response:
        document = self.pages.status()
        return self.pages.render(
            request,
            "switch/off.html",
            200 if fault is None else 422,
            document=document,
            form=form,
            shops=sorted(document.effective),
            message_id=message_id,
            fault=_fault_sentence(request, fault),
        )

    def on_form(
        self,
        request: Request,
        message_id: str,
        selected: Sequence[str],
        reason: str = "",
        fault: FormFault | Refused | None = None,
    ) -> Response:
        document = self.pages.status()
        off = [
            (switch, scope_value(switch), _missed_in(document, switch)) for switch in document.switches if switch.off
        ]
        plans = [(plan, plan_value(plan)) for plan in droppable(document)]
        # A link from the banner has the scope only; a form that is shown again has the switch with its start.
        checked = {
            value for switch, value, _ in off if value in selected or f"{switch.shop}/{switch.domain}" in selected
        }
        checked |= {value for plan, value in plans if value in selected or f"{plan.shop}/{plan.domain}" in selected}
        if len(off) + len(plans) == 1:
            checked = {*(value for _, value, _ in off), *(value for _, value in plans)}
        return self.pages.render(
            request,
            "switch/on.html",
            200 if fault is None else 422,
            document=document,
            off=off,
            plans=plans,
            checked=checked,
            reason=reason,
            message_id=message_id,
            fault=_fault_sentence(request, fault),
        )

    def change(
        self, request: Request, action: Action, message: ControlMessage, message_id: str, epoch: str = ""
    ) -> Reply:
        """Execute a control message; the audit records the authenticated name beside that in the message.

        `epoch` is that of the page on which the operator decided: what has changed since is left alone.
        """
        user_id, seen = identity_of(request).name, int(epoch) if epoch.isascii() and epoch.isdigit() else None
        return self.switchboard.change(
            Command(action, message, _SOURCE, message_id=message_id or None, user_id=user_id, seen_epoch=seen)
        )

    def result(
        self,
        request: Request,
        replies: Sequence[Reply],
        *,
        dropped: bool = False,
        paused: Sequence[Scope] = (),
        resumed: Sequence[Scope] = (),
    ) -> Response:
        """Show what came of a request; `dropped` if it dropped plans and turned no switch, else one scope is given.

        What is missed after a resume is offered for one resync request.
        """
        code = 409 if any(reply.error for reply in replies) else 200
        off = [switch for reply in replies for switch in reply.still_off if (switch.shop, switch.domain) in paused]
        document = self.pages.status()
        shop, domain = _common_scope(resumed)
        everything = _resync_count(document, shop, domain) if resumed else 0
        return self.pages.render(
            request,
            "switch/result.html",
            code,
            document=document,
            replies=replies,
            dropped=dropped,
            off=off,
            request_shop="" if shop == ANY else shop,
            request_domain="" if domain == ANY else domain,
            request_count=everything,
        )


def _common_scope(scopes: Sequence[Scope]) -> Scope:
    """Return the narrowest scope of one shop and one domain, each possibly `*`, that holds all of these."""
    shops, domains = {shop for shop, _ in scopes}, {domain for _, domain in scopes}
    return (shops.pop() if len(shops) == 1 else ANY), (domains.pop() if len(domains) == 1 else ANY)


def _missed_in(document: StatusDocument, switch: SwitchState) -> dict[str, int]:
    """Return the missed keys within a switch's scope, by domain."""
    return _missed_by_domain(document, switch.shop, switch.domain)


def _resync_count(document: StatusDocument, shop: str, domain: str) -> int:
    """Return the number of missed keys in a scope."""
    return sum(_missed_by_domain(document, shop, domain).values())


def _missed_by_domain(document: StatusDocument, of_shop: str, of_domain: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for shop, domains in document.missed.items():
        for domain, count in domains.items():
            if of_shop in (ANY, shop) and of_domain in (ANY, domain):
                counts[domain] = counts.get(domain, 0) + count
    return counts


def _fault_sentence(request: Request, fault: FormFault | Refused | None) -> str | None:
    if fault is None:
        return None
    if isinstance(fault, FormFault):
        return translate(request, str(fault))
    return translate(
        request, N_("The request is refused: %(why)s"), why=action_sentence(str(fault), wanted_language(request).tag)
    )
