"""Reason docs of the broker and the database."""

from __future__ import annotations

from schemas.reasons import Reason, ReasonDoc

__all__ = ["BROKER_AND_DATABASE"]


BROKER_AND_DATABASE: tuple[ReasonDoc, ...] = (
    ReasonDoc(
        Reason.UNROUTABLE,
        "The broker returned the message: no queue is bound for its routing key.",
        "Start Comporta once, which declares the queues, and check the virtual host and the routing key.",
    ),
    ReasonDoc(
        Reason.UNCONFIRMED,
        "The broker did not confirm the message in time, or refused it. It may or may not have arrived.",
        "Send it again with the same id: a repeat changes nothing.",
    ),
    ReasonDoc(
        Reason.REFUSED_BY_DATABASE,
        "The database refused a value that the checks had let through.",
        "Nothing is wrong with the other events; report it with the message, it is a gap in the checks.",
    ),
    ReasonDoc(
        Reason.DELIVERY_LIMIT,
        "The message was delivered too often, and ten workers ended while they processed it on its own: it was not "
        "read again.",
        "See the worker's log for the time of the message; replay it once the cause is gone.",
    ),
    ReasonDoc(
        Reason.QUEUE_OVERFLOW,
        "The broker pushed the message out of a queue that was full.",
        "Remove the policy that limits the queue's length, or let it refuse what does not fit (`reject-publish`); "
        "then replay the message.",
    ),
    ReasonDoc(
        Reason.REJECTED,
        "Another program rejected the message in Comporta's queue; Comporta itself rejects none.",
        "Find the other consumer of the queue (`rabbitmqctl list_consumers`); then replay the message.",
    ),
)
