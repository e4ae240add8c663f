"""Publishing API for Python programs: `from comporta import Publisher, outgoing_text`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producers.events import outgoing_document, outgoing_text
    from producers.messages import Fate, OutgoingMessage, PublishResult
    from producers.publisher import Publisher
    from schemas.warnings import EventWarning, WarningCode

__all__ = [
    "EventWarning",
    "Fate",
    "OutgoingMessage",
    "PublishResult",
    "Publisher",
    "WarningCode",
    "outgoing_document",
    "outgoing_text",
]

_MODULES = {
    "EventWarning": "schemas.warnings",
    "WarningCode": "schemas.warnings",
    "Fate": "producers.messages",
    "OutgoingMessage": "producers.messages",
    "PublishResult": "producers.messages",
    "Publisher": "producers.publisher",
    "outgoing_document": "producers.events",
    "outgoing_text": "producers.events",
}


def __getattr__(name: str) -> Any:
    """Load a name at its first use (PEP 562): the commands are in this package too, and start faster without them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
