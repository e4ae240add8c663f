"""Events about orders as JSON values: their types, and the models that read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from schemas.events import NOT_AN_EVENT, load_json
from schemas.order_news import OrderEvent
from schemas.reasons import Reason, Refused
from schemas.validation_errors import document_refused

__all__ = ["event_document", "require_type", "validated"]

_VERSIONED = re.compile(r"(.+\.v)([0-9]+)", re.ASCII)
_Event = TypeVar("_Event", bound=OrderEvent)


def event_document(body: bytes, attributes: Mapping[str, str] | None) -> Any:
    """Return a message's body as a JSON value; with `attributes` (binary mode) it is only the event's data."""
    loaded = load_json(body)
    return loaded if attributes is None else {**attributes, "data": loaded}


def require_type(document: Any, types: tuple[str, ...]) -> dict[str, Any]:
    """Return an event of one of these types. Raises `Refused` if it is of another, or none."""
    if not isinstance(document, dict) or "type" not in document:
        raise Refused(Reason.NOT_AN_EVENT, "", NOT_AN_EVENT)
    kind = document["type"]
    if kind not in types:
        raise _unknown(kind if isinstance(kind, str) else "", types)
    return document


def _unknown(kind: str, types: tuple[str, ...]) -> Refused:
    match = _VERSIONED.fullmatch(kind)
    if match and f"{match[1]}1" in types:
        return Refused(Reason.UNKNOWN_VERSION, "/type", "this major version is unknown: v1 is understood")
    return Refused(Reason.UNKNOWN_TYPE, "/type", f"must be {' or '.join(types)}")


def validated(model: type[_Event], document: dict[str, Any]) -> _Event:
    """Read an event by its model. Raises `Refused` with the first fault."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise document_refused(document, error) from None
