"""Program under limits of the system, as `ulimit` sets them: open files and data of the process."""

from __future__ import annotations

import os
import resource

from comporta.cli import main

__all__ = ["OPEN_FILES"]

# Environment variable with the limit.
OPEN_FILES = "LIMITED_OPEN_FILES"


if __name__ == "__main__":
    files = int(os.environ[OPEN_FILES])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    main()
