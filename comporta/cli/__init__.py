"""Command line of Comporta."""

import gc

# As `comporta.cli.commands.uncollected`, which is yet to be loaded.
_collecting = gc.isenabled()
gc.disable()
try:
    from comporta.cli.main import main
except KeyboardInterrupt:
    # Loading takes a moment: without this, Ctrl-C during it prints a traceback.
    raise SystemExit(130) from None
finally:
    if _collecting:
        gc.enable()

__all__ = ["main"]
