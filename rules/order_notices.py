"""Order notices: what a shop is told of a change of its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rules.orders import CancelState, OrderRecord, OrderState
from schemas.order_notices import Notice

__all__ = ["notices_of"]


def notices_of(before: OrderRecord, after: OrderRecord) -> Iterator[tuple[Notice, dict[str, Any]]]:
    """Yield what the shop is told of a change, with its data; nothing of one that is not its business."""
    match after.state:
        case OrderState.INTERNALIZED if (before.state, before.erp_number) != (after.state, after.erp_number):
            yield Notice.INTERNALIZED, {"erp_number": after.erp_number}
        case OrderState.REJECTED if (before.state, before.last_error) != (after.state, after.last_error):
            yield Notice.REJECTED, {"reason": after.last_error}
        case OrderState.CANCELLED if before.state is not OrderState.CANCELLED:
            yield Notice.CANCELLED, {"reason": after.cancel_reason}
    if after.cancellation is CancelState.REFUSED and before.cancellation is not CancelState.REFUSED:
        yield Notice.CANCEL_REFUSED, {"reason": after.cancel_error}
