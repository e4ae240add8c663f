"""Login link: shown on a terminal, elsewhere written to a file of the user's alone."""

from __future__ import annotations

from typing import TextIO

import structlog

from control.auth.local_token import save_local_link

__all__ = ["print_login_link", "shown_link"]

log = structlog.get_logger(__name__)


def shown_link(link: str, port: int, *, terminal: bool) -> str:
    """Return the link as it may be printed: whole on a terminal, elsewhere its address and the file with the link.

    Every reader of a log that the output goes to could use the link to act.
    """
    if terminal:
        return link
    path = save_local_link(port, link)
    address = link.partition("?")[0]
    return address if path is None else f"{address} (the link that signs in is in {path})"


def print_login_link(link: str, port: int, output: TextIO) -> None:
    """Print the link; an output that is closed is logged."""
    try:
        print(f"Open {shown_link(link, port, terminal=output.isatty())}", file=output, flush=True)
    except OSError as error:
        log.warning("the link to the page can't be shown", error=error.strerror)
