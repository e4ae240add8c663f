"""Operator actions other than switching: audit context, errors, the route of a replay, confirmed counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from rules.dead_letters import history_key
from rules.headers import NotRestorable, headers_from_json
from schemas.domains import DOMAINS, NO_SHOP, ORDERS, RECEIPTS
from schemas.reasons import Reason
from schemas.topology import EVENTS, ORDERS_IN

__all__ = [
    "RESYNC_AFTER",
    "ActionError",
    "AuditContext",
    "Conflict",
    "CountChanged",
    "DiscardRefused",
    "NotConfirmed",
    "NotFound",
    "ReplayRoute",
    "WouldBeDiscarded",
    "check_expected",
    "grew_much",
    "publisher_headers",
    "replay_route",
]

# Headers that the broker or a shovel adds when it redelivers or moves a message, and those that Comporta adds for
# headers that it can't read.
_ADDED_HEADERS = (
    "x-death",
    "x-first-death-",
    "x-last-death-",
    "x-delivery-count",
    "x-acquired-count",
    "x-shovelled",
    "x-unreadable-headers",
    "x-unreadable-rest",
)
_TOLERANCE = 500
# The ERP is asked for a key again only after this time, unless an operator wants it.
RESYNC_AFTER = timedelta(minutes=10)


class AuditContext(NamedTuple):
    """Operator, interface and reason of an action; `user_id` is an authenticated name."""

    by: str
    source: str
    reason: str | None = None
    user_id: str | None = None


class ActionError(Exception):
    """Refusal or failure of an action; the text is a sentence with the remedy, `status` the HTTP status (RFC 9110)."""

    status = 503


class NotFound(ActionError):
    """Action on an object that does not exist."""

    status = 404


class Conflict(ActionError):
    """Action that is impossible in the present state."""

    status = 409


class CountChanged(Conflict):
    """Action on a selection whose count is no longer the expected one."""

    def __init__(self, noun: str, expected: int, now: int) -> None:
        self.expected, self.now = expected, now
        super().__init__(f"{expected} {noun} were expected and there are {now} now: check them, then repeat the action")


class NotConfirmed(ActionError):
    """Action with a message that the broker has not confirmed."""


class DiscardRefused(ActionError):
    """Action that would publish events of a shop and domain that are off, and does not say that it may."""

    status = 428


class WouldBeDiscarded(DiscardRefused):
    """The same, with the number of the events that would be discarded on arrival."""

    def __init__(self, noun: str, discarded: int, number: int, off: str) -> None:
        self.discarded, self.number = discarded, number
        some = f"all {number}" if discarded == number else f"{discarded} of {number}"
        super().__init__(
            f"{some} {noun} would be discarded on arrival, because of what is off: {off}; resume that first, or "
            "confirm that they may be discarded"
        )


class ReplayRoute(NamedTuple):
    """Exchange and routing key that a quarantined message is published to again, with its publisher's headers."""

    exchange: str
    routing_key: str
    headers: Mapping[str, Any]


def replay_route(shop: str, domain: str, reason: str, routing_key: str, headers: Mapping[str, Any]) -> ReplayRoute:
    """Return the route of a quarantined message to its exchange. Raises `Conflict` if it can't be replayed.

    A message that was moved by hand has lost its routing key; the history in its headers has it.
    """
    if domain not in (*DOMAINS, RECEIPTS, ORDERS):
        raise Conflict(f"it was not meant for Comporta but for {domain}: only its publisher can send it again")
    key = routing_key if shop != NO_SHOP else history_key(domain, headers)
    if key is None:
        raise Conflict(
            "its routing key names no shop and domain: only its publisher can send it again, under a valid one"
        )
    if reason == Reason.CONTENT_ENCODING:
        raise Conflict("its content encoding is not stored: only its publisher can send it again, as utf-8")
    if reason == Reason.BINARY_ATTRIBUTE and any(str(name).startswith("x-unreadable-") for name in headers):
        raise Conflict("an attribute in its headers can't be read: only its publisher can send it again")
    if headers.keys() == {"unreadable"}:
        # As versions before 1.1 stored what has no form in JSON.
        raise Conflict("its headers could not be stored unchanged: only its publisher can send it again")
    try:
        published = headers_from_json(publisher_headers(headers))
    except NotRestorable:
        raise Conflict("its headers could not be stored unchanged: only its publisher can send it again") from None
    return ReplayRoute(ORDERS_IN if domain == ORDERS else EVENTS, key, published)


def publisher_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers without those that the broker, a shovel or Comporta has added."""
    return {name: value for name, value in headers.items() if not str(name).startswith(_ADDED_HEADERS)}


def check_expected(noun: str, expected: int | None, now: int) -> None:
    """Compare a count with the one that the operator was shown, if any. Raises `CountChanged` if they differ."""
    if expected is not None and expected != now:
        raise CountChanged(noun, expected, now)


def grew_much(expected: int, now: int) -> bool:
    """Return whether the keys of a resync exceed those shown by more than a tenth and by more than one message (500).

    A smaller number is never a reason to refuse: it falls by itself while the ERP publishes again.
    """
    return now > expected + max(_TOLERANCE, expected // 10)
