"""Publish for resync requests: over HTTP where the settings name an address, else by the broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from comporta.runtime.erp_access import erp_access

if TYPE_CHECKING:
    from comporta.runtime.settings import Settings
    from producers.messages import Publish

__all__ = ["resync_publish"]


@contextmanager
def resync_publish(settings: Settings, publish: Publish) -> Iterator[Publish]:
    """Return a publish that asks the ERP in the way of the settings; its connections are closed with the block."""
    if settings.erp_resync_url is None:
        yield publish
        return
    # Imported here: of the commands few ask the ERP.
    from producers.http_resync import ResyncByHttp

    asking = ResyncByHttp(
        settings.erp_resync_url, publish, settings.erp_timeout, settings.erp_connect_timeout, erp_access(settings)
    )
    try:
        yield asking
    finally:
        asking.close()
