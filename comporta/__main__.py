"""`python -m comporta` is `comporta`."""

from comporta.cli import main

main()
