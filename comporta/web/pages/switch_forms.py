"""What the forms of the switch say: read into control messages, with the fault to show where that fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from comporta.web.pages.i18n import N_
from schemas.control import ANY, ControlMessage, StatusDocument, SwitchState, control_message

__all__ = ["Ends", "FormFault", "OffForm", "chosen_switches", "scope_value"]

Ends = Literal["30", "60", "120", "until", "open"]
_LONGEST = timedelta(days=366)


class FormFault(ValueError):
    """A form can't be used; the text is one of the source's, to be translated."""


@dataclass(frozen=True, slots=True)
class OffForm:
    """What somebody filled in to switch off; `until` is what the clock on the wall shows, `until_utc` the moment."""

    reason: str = ""
    shop: str = ANY
    which: str = "all"
    domains: Sequence[str] = ()
    end: str = "60"
    until: str = ""
    until_utc: str = ""

    @property
    def scope(self) -> Sequence[str]:
        """The domains that are meant."""
        return [ANY] if self.which == "all" else list(self.domains)

    def ends_at(self, now: datetime) -> datetime | None:
        """When it ends; None for an open end. Raises `FormFault`."""
        if self.end == "open":
            return None
        if self.end != "until":
            return now + timedelta(minutes=_minutes(self.end))
        at = _moment(self.until_utc or self.until)
        if at <= now:
            raise FormFault(N_("The end must lie in the future."))
        if at - now > _LONGEST:
            raise FormFault(N_("The end must lie within a year."))
        return at

    def minutes(self, now: datetime) -> float | None:
        """How long it would take; None for an open end. Raises `FormFault`."""
        ends_at = self.ends_at(now)
        return None if ends_at is None else (ends_at - now).total_seconds() / 60

    def message(self, by: str, now: datetime) -> ControlMessage:
        """The control message; raises `FormFault`, or `Refused` for what only its own rules find."""
        reason = self.reason.strip()
        if not reason:
            raise FormFault(N_("Say why: the reason is shown to everybody and stands in the audit."))
        if not self.scope:
            raise FormFault(N_("Choose at least one domain, or everything."))
        return control_message(reason, self.shop, self.scope, by=by, until=self.ends_at(now))


def scope_value(switch: SwitchState) -> str:
    """A switch as a form names it, with since when it is off: a switch that was turned since is another one."""
    return f"{switch.shop}/{switch.domain}/{switch.since.isoformat() if switch.since else ''}"


def chosen_switches(document: StatusDocument, values: Iterable[str]) -> list[SwitchState]:
    """The switches that are off and that a form names; raises `FormFault` if one of them has been turned since."""
    off = {scope_value(switch): switch for switch in document.switches if switch.off}
    wanted = list(dict.fromkeys(values))
    if not wanted:
        raise FormFault(N_("Choose what to switch on."))
    if any(value not in off for value in wanted):
        raise FormFault(N_("Somebody has turned a switch in the meantime. Look at what is off now, and choose again."))
    return [off[value] for value in wanted]


def _minutes(value: str) -> int:
    if value not in {"30", "60", "120"}:
        raise FormFault(N_("Choose when it ends."))
    return int(value)


def _moment(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise FormFault(N_("Say until when, with date and time.")) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
