"""Entry point of `comporta` and of `python -m comporta`."""

import atexit
import os
import sys
import threading

from comporta.cli import main

__all__ = ["run"]


def run() -> None:
    """Run one command, and end this process with its exit code."""
    try:
        main()
    except SystemExit as end:
        _end(0 if end.code is None else end.code)
        raise


def _end(code: int | str) -> None:
    """End this process at once, unless something in it is yet to end: Python would free each object that it loaded."""
    watched = sys.gettrace() is not None or sys.getprofile() is not None
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    if not isinstance(code, int) or watched or not all(thread.daemon for thread in others):
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # Python itself says so as it ends.
        return
    os._exit(code)


if __name__ == "__main__":
    run()
