"""Command line of Comporta."""

try:
    from comporta.cli.main import main
except KeyboardInterrupt:
    # Loading takes a moment: without this, Ctrl-C during it prints a traceback.
    raise SystemExit(130) from None

__all__ = ["main"]
