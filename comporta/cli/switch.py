"""`comporta pause` and `comporta resume`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from comporta.cli.client import Remote, remote_for
from comporta.cli.local_times import local_moment, next_clock_time
from comporta.cli.options import parse_duration, user_name
from comporta.cli.output import AsJson, console, fail, for_people, local_time, one_line, print_json, translate
from comporta.runtime.settings import load_settings
from producers.errors import NoReply
from rules.resync import ResyncMode
from schemas.control import ANY, Action, ControlMessage, Reply, control_message
from schemas.reasons import Refused
from storage.errors import StorageError

__all__ = ["pause", "resume"]

_REFUSED = 3

Reason = Annotated[str, typer.Option("--reason", "-r", help="Reason; stored in the audit and shown on the page.")]
Shop = Annotated[str, typer.Option(help="One shop, or * for all.")]
Domains = Annotated[list[str], typer.Option("--domain", "-d", help="A domain; may be given several times.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the reply.", min=0.1, max=3600)]
NewShop = Annotated[bool, typer.Option("--new-shop", help="The shop is not known yet; pause it all the same.")]
Wait = Annotated[bool, typer.Option("--wait", help="Also wait until no order is in flight.")]


def pause(
    reason: Reason,
    shop: Shop = "*",
    domain: Domains = ["*"],  # noqa: B006  typer only reads the default
    duration: Annotated[str | None, typer.Option("--for", help="Duration, such as 30m or 2h.")] = None,
    until: Annotated[str | None, typer.Option(help="End, such as 2026-11-23T23:00:00Z or 23:00.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Beginning, if not now; then --for counts from it.")
    ] = None,
    weekly: Annotated[bool, typer.Option("--weekly", help="Every week at the times of --from and its end.")] = False,
    no_end: Annotated[bool, typer.Option("--no-end", help="No end, even if the scope is off until some time.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Replace reason, author and end if it is off.")] = False,
    new_shop: NewShop = False,
    wait: Wait = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Switch the integration off: changes are discarded, orders wait.

    A scope that is off already keeps its first pause; --for, --until and --no-end change its end alone.
    """
    if [duration is not None, until is not None, no_end].count(True) > 1:
        raise typer.BadParameter("use one of --for, --until and --no-end")
    begins = None if begin is None else _parse_time("--from", begin)
    end = None if until is None else _parse_time("--until", until, begins)
    if duration is not None:
        end = _end_after(duration, begins)
    message = _message(
        reason, shop, domain, begins=begins, until=end, weekly=weekly, no_end=no_end, replace=replace, new_shop=new_shop
    )
    _change("pause", message, wait, timeout, as_json)


def resume(
    reason: Reason,
    shop: Shop = "*",
    domain: Domains = ["*"],  # noqa: B006  typer only reads the default
    new_shop: NewShop = False,
    wait: Wait = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Switch the integration on again."""
    _change("resume", _message(reason, shop, domain, new_shop=new_shop), wait, timeout, as_json)


def _message(reason: str, shop: str, domains: list[str], **options: Any) -> ControlMessage:
    try:
        return control_message(reason, shop, domains, by=user_name(), **options)
    except Refused as refused:
        raise typer.BadParameter(str(refused.refusal)) from None


def _change(action: Action, message: ControlMessage, wait: bool, timeout: float, as_json: bool) -> None:
    remote = remote_for(load_settings())
    reply = remote.change(
        action, message.model_dump_json(exclude_unset=True, by_alias=True).encode(), str(uuid4()), timeout
    )
    if wait and reply.result != "refused":
        reply = _wait_for_orders(remote, reply, timeout)
    _print(reply, as_json)
    if reply.result == "refused":
        raise typer.Exit(_REFUSED)
    if action == "resume" and not as_json:
        _ask_for_resync(remote, message)


def _ask_for_resync(remote: Remote, message: ControlMessage) -> None:
    """Ask the operator about the missed keys of the shops whose setting says so."""
    modes = load_settings().resync_modes
    try:
        counts = remote.status().missed
    except (NoReply, StorageError):
        # The resume is done; who can't be asked is not.
        return
    missed = sum(
        number
        for shop, domains in counts.items()
        for domain, number in domains.items()
        if message.shop in (ANY, shop) and {ANY, domain} & set(message.domains) and modes.of(shop) is ResyncMode.ASK
    )
    if missed:
        console.print(translate("missed_left", count=missed), markup=False)


def _wait_for_orders(remote: Remote, reply: Reply, timeout: float) -> Reply:
    deadline = time.monotonic() + timeout
    in_flight = reply.in_flight_orders
    while in_flight:
        if time.monotonic() > deadline:
            raise fail(f"the switch is set, but {in_flight} orders are still in flight after {timeout:g} s")
        time.sleep(0.2)
        in_flight = remote.status().in_flight_orders
    return reply.model_copy(update={"in_flight_orders": 0})


def _print(reply: Reply, as_json: bool) -> None:
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    console.print(
        one_line(translate(reply.result, epoch=reply.epoch, error=for_people(reply.error or ""))), markup=False
    )
    if reply.in_flight_orders:
        console.print(translate("in_flight", count=reply.in_flight_orders), markup=False)
    for end in reply.changed_ends:
        values = {"shop": end.shop, "domain": end.domain, "old": _end(end.old), "new": _end(end.new)}
        console.print("  " + translate("changed_end", **values), markup=False)
    for plan in reply.planned:
        values = {"shop": plan.shop, "domain": plan.domain, "begins": local_time(plan.begins, "minutes")}
        values |= {"by": plan.by, "reason": plan.reason, "until": _end(plan.until)}
        weekly = f" ({translate('weekly')})" if plan.weekly else ""
        console.print("  " + one_line(translate("planned_pause", **values) + weekly), markup=False)
    for switch in reply.still_off:
        until = _end(switch.until)
        since = local_time(switch.since, "seconds")
        values = {"shop": switch.shop, "domain": switch.domain, "by": switch.by, "reason": switch.reason}
        console.print("  " + one_line(translate("still_off", since=since, until=until, **values)), markup=False)


def _end(end: datetime | None) -> str:
    return local_time(end, "minutes") if end else translate("open_end")


def _end_after(duration: str, begins: datetime | None) -> datetime:
    try:
        return (begins or datetime.now(UTC)) + parse_duration("--for", duration)
    except OverflowError:
        raise typer.BadParameter(
            f"--for: {duration!r} ends after the year 9999; leave --for out for an open end"
        ) from None


def _parse_time(option: str, text: str, after: datetime | None = None) -> datetime:
    clock = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text)
    now = max(datetime.now().astimezone(), after or datetime.min.replace(tzinfo=UTC))
    try:
        if clock is not None:
            return next_clock_time(int(clock[1]), int(clock[2]), now)
        moment = datetime.fromisoformat(text)
        return local_moment(moment) if moment.tzinfo is None else moment.astimezone()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option}: {text!r} is not a time; use 2026-11-23T23:00:00Z or 23:00") from None
