"""Workers in threads of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from consumers.worker import Worker

__all__ = ["running_workers"]


@contextmanager
def running_workers(*workers: Worker) -> Iterator[None]:
    """Run workers, each in a thread of its own, for as long as the block lasts."""
    threads = [threading.Thread(target=each.run, daemon=True) for each in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        workers[0].stop.set()
        for thread in threads:
            thread.join(30)
