"""Planned pauses: decided when they are asked for, and begun by the database's clock behind the same fence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from rules.switches import Decision, Plan, Scope, Switch, Switches, decide, refusal_before
from schemas.control import Command, PlannedPause

__all__ = ["NEVER_TURNED", "begin", "decide_command", "planned_pauses"]

# The epoch of a switch that has a plan alone.
NEVER_TURNED = 0
_WEEK = timedelta(days=7)


def decide_command(command: Command, switches: Switches, *, repeated: bool) -> Decision:
    """Return the decision on a pause, now or later, or on a resume, from the present switches."""
    begins = command.message.begins
    if command.message.weekly and not repeated and (begins is None or begins <= switches.now):
        return Decision.refused("invalid: weekly needs a from in the future")
    if begins is None or repeated:
        return decide(command, switches, repeated=repeated)
    if command.action == "resume":
        return Decision.refused("invalid: from belongs to a pause; a resume is obeyed at once")
    if begins <= switches.now:
        return decide(command, switches, repeated=False)
    return _plan(command, begins, switches)


def begin(switches: Switches) -> tuple[Switch, ...]:
    """Return the switches to write for the plans whose time has come.

    Where a pause is in force already, it stays until the later of the two ends. A plan whose end has passed too, as
    while no process ran, is dropped. A weekly plan stays, for the next week.
    """
    return tuple(_begun(switch, switch.plan, switches) for switch in switches.due if switch.plan is not None)


def planned_pauses(switches: Switches, scopes: Sequence[Scope] | None = None) -> list[PlannedPause]:
    """Return the planned pauses that overlap these scopes, or all, the next one first."""
    plans = [
        PlannedPause(
            shop=switch.shop,
            domain=switch.domain,
            until=switch.plan.until,
            weekly=switch.plan.weekly,
            reason=switch.plan.reason,
            by=switch.plan.by,
            **{"from": switch.plan.begins},
        )
        for _, switch in sorted(switches.by_scope.items())
        if switch.plan is not None and (scopes is None or any(switch.touches(*scope) for scope in scopes))
    ]
    return sorted(plans, key=lambda plan: plan.begins)


def _plan(command: Command, begins: datetime, switches: Switches) -> Decision:
    message = command.message
    error = refusal_before(command, switches)
    if error is None and message.until is not None and message.until <= begins:
        error = f"invalid: until ({message.until.isoformat()}) must lie after from ({begins.isoformat()})"
    if error is None and message.weekly and (message.until is None or message.until - begins >= _WEEK):
        error = "invalid: a weekly pause needs an until that lies less than a week after from"
    plan = Plan(begins, message.until, message.reason, command.by, message.weekly)
    error = error or _planned_otherwise(command, plan, switches)
    if error is not None:
        return Decision.refused(error)
    changes = tuple(new for scope in command.scopes if (new := _with_plan(scope, plan, switches)) is not None)
    return Decision("planned" if changes else "unchanged", None, changes)


def _planned_otherwise(command: Command, plan: Plan, switches: Switches) -> str | None:
    for scope in command.scopes:
        last = switches.by_scope.get(scope)
        if last is None or last.plan is None or command.message.replace or _same_time(last.plan, plan):
            continue
        return (
            f"invalid: a pause of shop {scope[0]}, domain {scope[1]} is planned from {last.plan.begins.isoformat()}; "
            "say replace, or resume the scope to drop that plan first"
        )
    return None


def _with_plan(scope: Scope, plan: Plan, switches: Switches) -> Switch | None:
    last = switches.by_scope.get(scope)
    if last is None:
        shop, domain = scope
        return Switch(shop, domain, False, plan.reason, plan.by, None, None, NEVER_TURNED, switches.now, plan=plan)
    if last.plan is not None and (last.plan == plan or _same_time(last.plan, plan)) and last.plan.by == plan.by:
        return None
    # The epoch counts changes of switches: a plan is none yet. That it came is seen by commands issued before it.
    return replace(last, plan=plan, changed_at=switches.now)


def _same_time(one: Plan, other: Plan) -> bool:
    return (one.begins, one.until, one.weekly) == (other.begins, other.until, other.weekly)


def _next(plan: Plan, now: datetime) -> Plan | None:
    """Return the plan of the first week whose pause has not begun yet; None if the plan is for once."""
    if not plan.weekly or plan.until is None:
        return None
    later = ((now - plan.begins) // _WEEK + 1) * _WEEK
    try:
        return replace(plan, begins=plan.begins + later, until=plan.until + later)
    except OverflowError:
        return None


def _begun(switch: Switch, plan: Plan, switches: Switches) -> Switch:
    new = replace(switch, plan=_next(plan, switches.now), changed_at=switches.now)
    if plan.until is not None and plan.until <= switches.now:
        return new
    new = replace(new, epoch=switches.epoch + 1)
    if not switch.off:
        return replace(new, off=True, reason=plan.reason, by=plan.by, since=switches.now, until=plan.until)
    until = None if switch.until is None or plan.until is None else max(switch.until, plan.until)
    if until == switch.until:
        return new
    return replace(new, until=until, until_before=switch.until, until_by=plan.by, until_at=switches.now)
