"""What an operator does beside switching: who asks, when it is refused, and which way a message goes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.domains import DOMAINS, NO_SHOP, ORDERS, RECEIPTS
from schemas.reasons import Reason
from schemas.topology import EVENTS, ORDERS_IN

__all__ = [
    "ActionError",
    "AuditContext",
    "Conflict",
    "CountChanged",
    "NotConfirmed",
    "NotFound",
    "WayBack",
    "check_expected",
    "grew_much",
    "publishers_own",
    "way_back",
]

# What the broker adds when it delivers a message again, or moves it to `comporta.dead`.
_BROKERS_OWN = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count")
_SOME = 500


class AuditContext(NamedTuple):
    """Who asks for an act, by which door, and why; `user_id` is a name that somebody vouches for."""

    by: str
    source: str
    reason: str | None = None
    user_id: str | None = None


class ActionError(Exception):
    """An action is refused or failed; the text is a sentence with the remedy, `status` the HTTP status (RFC 9110)."""

    status = 503


class NotFound(ActionError):
    """The object of the action does not exist."""

    status = 404


class Conflict(ActionError):
    """The action is impossible in the present state."""

    status = 409


class CountChanged(Conflict):
    """The act is about another number than the one that was shown."""

    def __init__(self, what: str, expected: int, now: int) -> None:
        self.expected, self.now = expected, now
        super().__init__(f"{expected} {what} were expected and there are {now} now: look again, then repeat it")


class NotConfirmed(ActionError):
    """The broker has not taken what the act publishes."""


class WayBack(NamedTuple):
    """Where a quarantined message is published again, and the headers that its publisher gave it."""

    exchange: str
    headers: Mapping[str, Any]


def way_back(shop: str, domain: str, reason: str, headers: Mapping[str, Any]) -> WayBack:
    """The way of a quarantined message to where it came from; raises `Conflict` if there is none, saying why."""
    if domain not in (*DOMAINS, RECEIPTS, ORDERS):
        raise Conflict(f"it was not meant for Comporta but for {domain}: only its publisher can send it again")
    if shop == NO_SHOP:
        raise Conflict(
            "its routing key names no shop and domain: only its publisher can send it again, under a right one"
        )
    if reason == Reason.CONTENT_ENCODING:
        raise Conflict("its content encoding is not kept: only its publisher can send it again, as utf-8")
    if headers.keys() == {"unreadable"}:
        raise Conflict("its headers could not be kept as they were: only its publisher can send it again")
    return WayBack(ORDERS_IN if domain == ORDERS else EVENTS, publishers_own(headers))


def publishers_own(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers without those that the broker has written on a message while it waited."""
    return {name: value for name, value in headers.items() if not str(name).startswith(_BROKERS_OWN)}


def check_expected(what: str, expected: int | None, now: int) -> None:
    """Raises `CountChanged` if a number was shown before and is another now."""
    if expected is not None and expected != now:
        raise CountChanged(what, expected, now)


def grew_much(expected: int, now: int) -> bool:
    """Whether what is asked for has outgrown what was shown: by more than a tenth, and more than one message holds.

    Fewer is never a reason to refuse: while the ERP sends again, the number falls by itself.
    """
    return now > expected + max(_SOME, expected // 10)
