"""Reason docs of the version rules: sequence or time, one kind a feed, one content for each version and id."""

from __future__ import annotations

from schemas.reasons import Reason, ReasonDoc

__all__ = ["VERSION_REASONS"]

VERSION_REASONS = (
    ReasonDoc(
        Reason.NO_VERSION,
        "Neither `sequence` nor `time` is given, so that nobody can say which of two changes is newer.",
        "Send a `sequence` that grows with each change of the entity; without one, the `time` of the change.",
    ),
    ReasonDoc(
        Reason.SEQUENCE_FORMAT,
        "`sequence` is not a JSON string of decimal digits, or exceeds 2^62 (4611686018427387904).",
        "Send a counter or a timestamp as digits, in quotes.",
        '`"sequence": 18446`',
    ),
    ReasonDoc(
        Reason.VERSION_KIND,
        "The first event of this shop and domain decided whether its versions are sequences or times, and this event "
        "has the other kind: one of them would be newer than all of the others for ever.",
        "Send every event of a domain with a `sequence`, or every one without. If the ERP has really changed from one "
        "to the other, an operator says `comporta versions forget` for the shop and domain, and replays the message.",
        "a stock event without `sequence` after one with `sequence` 900",
    ),
    ReasonDoc(
        Reason.TIME_AHEAD,
        "The event has no `sequence`, and its `time` lies more than a day (`COMPORTA_CLOCK_AHEAD`) ahead of the "
        "database's clock: no later event of the key could win before that time.",
        "Set the clock of the ERP right, and send the event again with the time of the change.",
        '`"time": "2206-11-26T20:00:00Z"`',
    ),
    ReasonDoc(
        Reason.CONTENT_CHANGED,
        "An event with the same key, version and `id` has come before, and it said something else.",
        "Give every change a version of its own, and every event an `id` of its own; send an event again only as it "
        "was.",
        "`on_hand` 10, then `on_hand` 8, both with `sequence` 900 and `id` e1",
    ),
)
