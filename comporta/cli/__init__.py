"""The command line."""

try:
    from comporta.cli.main import main
except KeyboardInterrupt:
    # Loading takes a moment, and who changes their mind in it wants no traceback.
    raise SystemExit(130) from None

__all__ = ["main"]
