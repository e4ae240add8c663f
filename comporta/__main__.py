"""Entry point of `python -m comporta`, the same program as `comporta`."""

from comporta.cli import main

main()
