"""Forms of pause and resume: parsing into control messages, with a fault to show if that fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from comporta.web.pages.i18n import N_
from schemas.control import ANY, ControlMessage, PlannedPause, StatusDocument, SwitchState, control_message

__all__ = ["FormFault", "OffForm", "droppable", "plan_value", "scope_value", "selected_switches"]

_LONGEST = timedelta(days=366)
_WEEK = timedelta(days=7)


class FormFault(ValueError):
    """Invalid form; the text is an English source text, translated when it is shown."""


@dataclass(frozen=True, slots=True)
class OffForm:
    """Form of a pause; `until` is in the browser's local time, `until_utc` the same moment in UTC.

    `change_end` is ticked if the end of what is off already is to change too; `new_shop` is a shop that is not known
    yet. `shops` are several that are chosen together, and go before `shop`. `begin` is `now`, or `at` for a pause that
    is planned for `from_at`, and every week from then on if `weekly` is ticked.
    """

    reason: str = ""
    shop: str = ANY
    which: str = "all"
    domains: Sequence[str] = ()
    end: str = "60"
    until: str = ""
    until_utc: str = ""
    change_end: str = ""
    new_shop: str = ""
    begin: str = "now"
    from_at: str = ""
    from_at_utc: str = ""
    weekly: str = ""
    shops: Sequence[str] = ()

    @property
    def several(self) -> list[str]:
        """Return the shops that are chosen together, each once, from check boxes or from names that are typed."""
        names = (name for text in self.shops for name in text.replace(",", " ").replace(";", " ").split())
        return list(dict.fromkeys(names))

    @property
    def each(self) -> list[OffForm]:
        """Return a form for each of the shops that are chosen together; this one if none are."""
        return [replace(self, shop=shop, shops=(), new_shop="") for shop in self.several] or [self]

    @property
    def scope_shop(self) -> str:
        """Return the shop to pause, or `*`: one that is not known yet, if it is filled in."""
        return self.new_shop.strip() or self.shop

    @property
    def scope(self) -> Sequence[str]:
        """Return the domains to pause."""
        return [ANY] if self.which == "all" else list(self.domains)

    def begins_at(self, now: datetime) -> datetime | None:
        """Return the beginning of a planned pause; None for one that begins now. Raises `FormFault`."""
        if self.begin != "at":
            return None
        at = _moment(self.from_at_utc or self.from_at, N_("Enter the date and time of the beginning."))
        if at <= now:
            raise FormFault(N_("The beginning must be in the future."))
        if at - now > _LONGEST:
            raise FormFault(N_("The beginning must be within a year."))
        return at

    def ends_at(self, now: datetime) -> datetime | None:
        """Return the end of the pause; None for an open end. Raises `FormFault`."""
        if self.end == "open":
            return None
        begins = self.begins_at(now) or now
        if self.end != "until":
            return begins + timedelta(minutes=_minutes(self.end))
        at = _moment(self.until_utc or self.until, N_("Enter the date and time of the end."))
        if at <= now:
            raise FormFault(N_("The end must be in the future."))
        if at <= begins:
            raise FormFault(N_("The end must be after the beginning."))
        if at - now > _LONGEST:
            raise FormFault(N_("The end must be within a year."))
        return at

    def minutes(self, now: datetime) -> float | None:
        """Return the length of the pause in minutes; None for an open end. Raises `FormFault`."""
        ends_at = self.ends_at(now)
        return None if ends_at is None else (ends_at - (self.begins_at(now) or now)).total_seconds() / 60

    def message(self, by: str, now: datetime) -> ControlMessage:
        """Return the control message; raises `FormFault`, or `Refused` if the message breaks a rule of the contract."""
        reason = self.reason.strip()
        if not reason:
            raise FormFault(N_("Enter a reason: everyone sees it, and the audit records it."))
        if not self.scope:
            raise FormFault(N_("Choose at least one domain, or everything."))
        ends_at, new = self.ends_at(now), bool(self.new_shop.strip())
        begins = self.begins_at(now)
        weekly = begins is not None and bool(self.weekly)
        if begins is not None and weekly and (ends_at is None or ends_at - begins >= _WEEK):
            raise FormFault(N_("A weekly pause ends within a week."))
        return control_message(
            reason,
            self.scope_shop,
            self.scope,
            by=by,
            until=ends_at,
            no_end=ends_at is None,
            begins=begins,
            weekly=weekly,
            new_shop=new,
        )

    def checked_message(self, document: StatusDocument, by: str, now: datetime) -> ControlMessage:
        """Return the control message, which leaves the end of what is off already unless the form says otherwise.

        Raises `FormFault` if only part of the scope is off, since one message can't leave and set an end.
        """
        message = self.message(by, now)
        already = self.already_off(document)
        if self.change_end or message.begins is not None or not already:
            return message
        if len(already) < len(set(message.domains)):
            raise FormFault(N_("Part of this is off already. Tick to change its end too, or leave it out."))
        return control_message(message.reason, message.shop, self.scope, by=by, new_shop=message.new_shop)

    def checked_messages(self, document: StatusDocument, by: str, now: datetime) -> list[ControlMessage]:
        """Return the control message of each shop; raises what `checked_message` raises before any is obeyed."""
        unknown = [shop for shop in self.several if shop not in document.effective]
        if unknown:
            raise FormFault(N_("Not every shop is known. Check the names, or pause a new one alone."))
        return [form.checked_message(document, by, now) for form in self.each]

    def already_off(self, document: StatusDocument) -> list[SwitchState]:
        """Return the switches of exactly the scopes of this form that are off."""
        return [
            switch
            for switch in document.switches
            if switch.off and switch.shop == self.scope_shop and switch.domain in self.scope
        ]


def plan_value(plan: PlannedPause) -> str:
    """Return a planned pause's value in a form; another plan of the same scope has another value."""
    return f"{plan.shop}/{plan.domain}/from {plan.begins.isoformat()}"


def droppable(document: StatusDocument) -> list[PlannedPause]:
    """Return the planned pauses that a resume drops: those of scopes that are on."""
    off = {(switch.shop, switch.domain) for switch in document.switches if switch.off}
    return [plan for plan in document.planned if (plan.shop, plan.domain) not in off]


def scope_value(switch: SwitchState) -> str:
    """Return a switch's value in a form; it includes the start, so that a later pause has another value."""
    return f"{switch.shop}/{switch.domain}/{switch.since.isoformat() if switch.since else ''}"


def selected_switches(document: StatusDocument, values: Iterable[str]) -> list[SwitchState | PlannedPause]:
    """Return the switches and plans selected in a form; raises `FormFault` if none is, or if one has changed since."""
    off: dict[str, SwitchState | PlannedPause] = {plan_value(plan): plan for plan in droppable(document)}
    off |= {scope_value(switch): switch for switch in document.switches if switch.off}
    selected = list(dict.fromkeys(values))
    if not selected:
        raise FormFault(N_("Choose what to switch on."))
    if any(value not in off for value in selected):
        raise FormFault(N_("A switch has changed in the meantime. Check what is off now, and choose again."))
    return [off[value] for value in selected]


def _minutes(value: str) -> int:
    if value not in {"30", "60", "120"}:
        raise FormFault(N_("Choose when the pause ends."))
    return int(value)


def _moment(value: str, missing: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise FormFault(missing) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
