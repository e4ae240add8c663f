"""Logs on standard error: one event per line, JSON in production, colours on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

from schemas.text import printable

__all__ = ["configure_logs", "quiet_libraries"]

_SHARED: tuple[Any, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)
# Libraries log from WARNING on; every logger of this program logs from the configured level on.
_LIBRARIES = ("alembic", "asyncio", "httpcore", "httpx", "limits", "sqlalchemy", "sse_starlette", "uvicorn")


def configure_logs(level: str, form: Literal["console", "json"] | None) -> None:
    """Set up structlog, and the log of the libraries in the same form; `form` None chooses by standard error."""
    console = form == "console" or (form is None and sys.stderr.isatty())
    last: tuple[Any, ...] = (
        (_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
        if console
        else (structlog.processors.JSONRenderer(),)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    quiet_libraries()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def quiet_libraries() -> None:
    """Silence the broker libraries, which log bodies, headers and tracebacks: this program logs those errors itself."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("kombu", "amqp", "pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _one_line(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove control characters from every text, in a traceback all but its line breaks.

    Otherwise a logged value could send escape sequences to the operator's terminal.
    """
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = printable(value, keep="\n" if name == "exception" else "")
    return event
