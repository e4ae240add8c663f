"""Reply queues of control messages: a sender may name its own, none of Comporta, the ERP or the broker.

Comporta writes to more queues than the sender of a control message may: a reply to one of them would be taken for an
order, an event or a resync request. Whether any other name belongs to the sender, the broker does not tell: declaring
a queue passively asks for rights, and says nothing of its owner.
"""

from __future__ import annotations

from schemas.topology import QUEUES

__all__ = ["may_reply_to"]

_RESERVED = ("comporta.", "erp.", "amq.")
# Direct reply-to, and queues that the broker has named for a client.
_OF_CLIENTS = ("amq.rabbitmq.reply-to", "amq.gen-")


def may_reply_to(queue: str) -> bool:
    """Return whether a reply may go to a queue."""
    if queue.startswith(_OF_CLIENTS):
        return True
    return queue not in QUEUES and not queue.lower().startswith(_RESERVED)
