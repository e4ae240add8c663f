"""Correction of a quarantined message: a copy with a new id is checked, published, and takes the original's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from uuid_utils import uuid7

from control.discards import check_discards
from producers.messages import Fate, OutgoingMessage, Publish
from rules.actions import AuditContext, Conflict, NotConfirmed, NotFound, publisher_headers, replay_route
from rules.differences import differences
from rules.masks import mask_documents
from schemas.binary import amqp_attributes
from schemas.domains import ORDERS, RECEIPTS
from schemas.events import STRUCTURED
from schemas.full_load import parse_message
from schemas.orders import parse_shop_message
from schemas.reasons import Refused
from schemas.receipts import parse_receipt
from storage.audit import AuditEntry, AuditLog
from storage.fence import Fence
from storage.quarantine import QuarantinedMessage, QuarantineStore
from storage.views import QuarantineFilter

__all__ = ["ORIGINAL", "QuarantineEdits"]

# Header of the copy: the id that the original had in the quarantine.
ORIGINAL = "comporta-original"
_MOST_BYTES = 256 * 1024
_LONGEST_DIFFERENCE = 2_000
_PARSERS: Mapping[str, Callable[[str, bytes], object]] = {ORDERS: parse_shop_message, RECEIPTS: parse_receipt}


class QuarantineEdits:
    """Corrections by operators, where the installation allows them; each raises an `ActionError` if it can't be."""

    def __init__(self, fence: Fence, publish: Publish, *, allowed: bool) -> None:
        self.allowed = allowed
        self._fence = fence
        self._publish = publish
        self._quarantine = QuarantineStore(fence)
        self._audit = AuditLog(fence)

    def text(self, identity: str) -> str:
        """Return the message as text to edit, indented if it is JSON; raises `NotFound` or `Conflict`."""
        self._check_allowed()
        message = self._claim(identity)
        self._quarantine.release([identity])
        _check_editable(message)
        try:
            return orjson.dumps(orjson.loads(message.body), option=orjson.OPT_INDENT_2).decode()
        except ValueError:
            return message.body.decode()

    def send(self, identity: str, text: str, context: AuditContext, *, discard: bool = False) -> str:
        """Publish the corrected copy and end the original's quarantine; return the copy's id.

        Raises `NotFound`, `Conflict` with what is wrong with the copy, `WouldBeDiscarded` or `NotConfirmed`; then the
        original stays as it is.
        """
        self._check_allowed()
        if context.reason is None:
            raise Conflict("a reason is needed: the audit keeps it with what was changed")
        message = self._claim(identity)
        sent = False
        try:
            outgoing, difference = _copy(message, text)
            if not discard:
                check_discards(self._fence, "messages", {(message.shop, message.domain): 1})
            subject = f"{identity} → {outgoing.message_id}: {difference}"
            with self._audit.open(AuditEntry("edit", context, message.shop, message.domain, subject)) as entry:
                [result] = self._publish([outgoing])
                if result.fate is not Fate.CONFIRMED:
                    raise NotConfirmed(f"the broker has not taken the copy ({result.detail}): try again later")
                sent = True
                self._quarantine.remove(entry.id, [identity])
        finally:
            if not sent:
                self._quarantine.release([identity])
        return outgoing.message_id

    def _check_allowed(self) -> None:
        if not self.allowed:
            raise Conflict("messages are not edited here: COMPORTA_ALLOW_EDIT=true would allow it")

    def _claim(self, identity: str) -> QuarantinedMessage:
        found = self._quarantine.claim(QuarantineFilter(ids=(identity,)), identity)
        if found:
            return found[0]
        if self._quarantine.scope_of(identity) is None:
            raise NotFound(f"no message with the id {identity} is in the quarantine (any more)")
        raise Conflict(f"another replay of {identity} is running; try again in half a minute")


def _check_editable(message: QuarantinedMessage) -> None:
    if len(message.body) > _MOST_BYTES:
        raise Conflict("it is too large to be edited: only its publisher can send it again")
    structured = message.content_type.partition(";")[0].strip().lower() == STRUCTURED
    if not structured and amqp_attributes(publisher_headers(message.headers)) is not None:
        raise Conflict("its attributes are headers (binary mode): only its publisher can send it again")
    try:
        message.body.decode()
    except UnicodeDecodeError:
        raise Conflict("it is no text in UTF-8: only its publisher can send it again") from None


def _copy(message: QuarantinedMessage, text: str) -> tuple[OutgoingMessage, str]:
    """Return the copy with a new id, and what differs; raises `Conflict` if it would be refused again."""
    _check_editable(message)
    route = replay_route(message.shop, message.domain, message.reason, message.routing_key, message.headers)
    try:
        document = orjson.loads(text)
    except ValueError:
        raise Conflict("the text is no JSON: check commas, quotes and brackets") from None
    if not isinstance(document, dict):
        raise Conflict("the text is no JSON object")
    shop = route.routing_key.partition(".")[0]
    identity = str(uuid7())
    body = orjson.dumps({**document, "id": identity})
    try:
        if message.domain in _PARSERS:
            _PARSERS[message.domain](shop, body)
        else:
            parse_message(message.domain, shop, body)
    except Refused as refused:
        raise Conflict(f"the copy would be refused again: {refused.refusal}") from None
    changed = mask_documents("; ".join(differences(_loaded(message.body), {**document, "id": identity})))
    headers = {**route.headers, ORIGINAL: message.id}
    copy = OutgoingMessage(route.exchange, route.routing_key, body, identity, STRUCTURED, headers)
    return copy, changed[:_LONGEST_DIFFERENCE]


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return body.decode(errors="replace")
