"""Program under limits of the system, as `ulimit` sets them: open files and stacks of threads."""

from __future__ import annotations

import os
import resource
import threading

from comporta.cli import main

__all__ = ["OPEN_FILES"]

# Environment variable with the limit.
OPEN_FILES = "LIMITED_OPEN_FILES"
# By default each thread reserves 8 MB, which count as data although few are used.
STACK_BYTES = 512 * 1024


if __name__ == "__main__":
    if OPEN_FILES in os.environ:
        files = int(os.environ[OPEN_FILES])
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    threading.stack_size(STACK_BYTES)
    main()
