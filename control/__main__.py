"""`python -m control` is `comporta`."""

from control.cli import main

main()
