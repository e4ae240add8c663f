"""Control messages, their replies and the status document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from schemas.events import load_json
from schemas.fields import Message, ShopOrAny, StopAtFirst, Time
from schemas.health import Health
from schemas.patterns import NO_NUL
from schemas.validation_errors import validation_refused

__all__ = [
    "ANY",
    "Action",
    "Announcement",
    "Command",
    "ControlMessage",
    "ControlResult",
    "EndChange",
    "LastEndChange",
    "PlannedPause",
    "Reply",
    "StatusDocument",
    "StillOff",
    "SwitchState",
    "WorkerState",
    "control_message",
    "parse_control",
]

ANY = "*"
Action = Literal["pause", "resume"]
ControlResult = Literal["off", "on", "unchanged", "planned", "refused"]
DomainScope = Literal["*", "products", "images", "packagings", "price_tables", "prices", "stock", "customers", "orders"]


def _all_domains() -> list[DomainScope]:
    return ["*"]


class ControlMessage(Message):
    """Request of an operator; unlike in events an unknown field is refused.

    A misspelt scope would otherwise mean everything. A pause of a scope that is off already leaves the first pause as
    it is, unless the message has `until` (null: no end) or `replace`. A shop that is not known is refused
    unless the message has `new_shop`. `from` in the future plans the pause, with `weekly`
    anew every week.
    """

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]
    shop: ShopOrAny = ANY
    domains: Annotated[list[DomainScope], StopAtFirst(), Field(min_length=1, max_length=9)] = Field(
        default_factory=_all_domains
    )
    by: Annotated[str, StringConstraints(max_length=200, pattern=NO_NUL)] | None = None
    begins: Time | None = Field(default=None, alias="from")
    until: Time | None = None
    weekly: bool = False
    replace: bool = False
    new_shop: bool = False
    issued_at: Time | None = None

    @property
    def names_end(self) -> bool:
        """Return whether the message says when the pause ends, even if it says: never."""
        return "until" in self.model_fields_set


@dataclass(frozen=True, slots=True)
class Command:
    """A control message with its action and origin; `source` is the interface it came over: `amqp` or `http`.

    `issued_at` is the message's own, or the end of the second that an AMQP timestamp names. `seen_epoch` is the epoch
    that the operator saw: a scope whose switch has changed since is left alone.
    """

    action: Action
    message: ControlMessage
    source: str
    message_id: str | None = None
    user_id: str | None = None
    issued_at: datetime | None = None
    seen_epoch: int | None = None

    @property
    def scopes(self) -> tuple[tuple[str, str], ...]:
        """Return every (shop, domain) that the message names, each once."""
        return tuple((self.message.shop, domain) for domain in dict.fromkeys(self.message.domains))

    @property
    def by(self) -> str:
        """Return the operator: the name in the message, else the authenticated user."""
        return self.message.by or self.user_id or "unknown"


class StillOff(Message):
    """A switch that is off, as a reply lists it."""

    shop: str
    domain: str
    reason: str
    by: str
    since: datetime
    until: datetime | None


class PlannedPause(Message):
    """A pause that has not begun; `from` is its beginning, and `until` null if it has no end."""

    model_config = ConfigDict(serialize_by_alias=True)

    shop: str
    domain: str
    begins: datetime = Field(alias="from")
    until: datetime | None
    weekly: bool
    reason: str
    by: str


class EndChange(Message):
    """The end of a pause before and after a command; null is no end."""

    shop: str
    domain: str
    old: datetime | None
    new: datetime | None


def _empty(value: object) -> bool:
    return not value


class Reply(Message):
    """The answer to a pause or a resume, sent only when it holds.

    `changed_ends` and `planned`, the planned pauses of these scopes, are left out if there are none.
    """

    result: ControlResult
    epoch: int
    effective_at: datetime
    in_flight_orders: int
    still_off: list[StillOff]
    error: str | None
    changed_ends: list[EndChange] = Field(default_factory=list, exclude_if=_empty)
    planned: list[PlannedPause] = Field(default_factory=list, exclude_if=_empty)


class Announcement(Reply):
    """A change as it is published to `comporta.status`: the reply, and what was asked."""

    action: Literal["pause", "resume", "expire", "begin"]
    shop: str
    domains: list[str]
    reason: str
    by: str
    until: datetime | None


class LastEndChange(Message):
    """The last change of a pause's end: the end before it (null: none), its author and its time."""

    before: datetime | None
    by: str
    at: datetime


class SwitchState(Message):
    """A switch, as the status document shows it; `end_change` is there if the end was changed during the pause."""

    shop: str
    domain: str
    off: bool
    reason: str
    by: str
    since: datetime | None
    until: datetime | None
    end_change: LastEndChange | None = Field(default=None, exclude_if=_empty)


class WorkerState(Message):
    """A worker process, when it was last heard of and the newest epoch it knew then."""

    id: str
    host: str
    pid: int
    domains: list[str]
    last_seen: datetime
    epoch_seen: int


class ErpFault(Message):
    """Last answer of the ERP, or of the connection to it; no order of the shop has got through since `since`.

    `answer` is its kind, such as `HTTP 401`; `error` has the beginning of the ERP's text as well.
    """

    answer: str
    error: str
    since: datetime
    failed_at: datetime
    failures: int


class StatusDocument(Message):
    """The whole state at a glance (contract, section 9)."""

    epoch: int
    switches: list[SwitchState]
    planned: list[PlannedPause]
    effective: dict[str, dict[str, Literal["on", "off"]]]
    workers: list[WorkerState]
    health: Health
    orders: dict[str, dict[str, int]]
    in_flight_orders: int
    overdue_orders: dict[str, int]
    erp_faults: dict[str, ErpFault]
    missed: dict[str, dict[str, int]]
    quarantined: dict[str, int]
    last_minute: dict[str, dict[str, int]]

    @property
    def state(self) -> Literal["on", "off", "partly"]:
        """Return `on`, `off` (every shop and domain is off) or `partly`."""
        if self.all_on:
            return "on"
        any_on = any(state == "on" for domains in self.effective.values() for state in domains.values())
        return "partly" if any_on else "off"

    @property
    def all_on(self) -> bool:
        """Return whether no switch is off."""
        return not any(switch.off for switch in self.switches)


def control_message(
    reason: str,
    shop: str = ANY,
    domains: Sequence[str] = (ANY,),
    *,
    by: str | None = None,
    until: datetime | None = None,
    no_end: bool = False,
    begins: datetime | None = None,
    weekly: bool = False,
    replace: bool = False,
    new_shop: bool = False,
    issued_at: datetime | None = None,
) -> ControlMessage:
    """Return the control message with these values; `no_end` says that the pause has none, even if it had one before.

    Raises `Refused` with the first fault.
    """
    values: dict[str, Any] = {"reason": reason, "shop": shop, "domains": list(domains)}
    values |= {"by": by} if by is not None else {}
    values |= {"until": until and until.isoformat()} if until is not None or no_end else {}
    flags = {"weekly": weekly, "replace": replace, "new_shop": new_shop}
    values |= {"from": begins.isoformat()} if begins is not None else {}
    values |= {name: True for name, said in flags.items() if said}
    values |= {"issued_at": issued_at.isoformat()} if issued_at is not None else {}
    return _validated(values)


def parse_control(body: bytes) -> ControlMessage:
    """Return the control message in a body. Raises `Refused` with the first fault."""
    return _validated(load_json(body))


def _validated(document: Any) -> ControlMessage:
    try:
        return ControlMessage.model_validate(document)
    except ValidationError as error:
        raise validation_refused(error) from None
