"""Preparation of a web server for its first readers, beside what it already answers."""

from __future__ import annotations

import threading
import time

import structlog

from comporta.web.pages.renderer import load_templates
from comporta.web.pages.static_files import load_files
from storage.errors import StorageError
from storage.views import Views

__all__ = ["prepare", "prepare_in_background"]

log = structlog.get_logger(__name__)

# No code and no name has it; long enough to be looked up in every way.
_NOWHERE = "\x01nowhere"


def prepare_in_background(views: Views) -> None:
    """Prepare in a thread, which ends with the process."""
    threading.Thread(target=prepare, args=(views,), name="preparation", daemon=True).start()


def prepare(views: Views) -> None:
    """Load templates and files, and build and plan the statements of the search: half a second for its first reader."""
    began = time.monotonic()
    load_templates()
    try:
        views.biography(_NOWHERE)
        views.suggestions(_NOWHERE)
    except StorageError as error:
        log.info("the search is prepared at its first use", reason=str(error))
    # Last: the documentation's scripts take a tenth of a second to compress.
    load_files()
    log.debug("prepared for the first readers", seconds=round(time.monotonic() - began, 3))
