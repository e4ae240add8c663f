"""`comporta config` and `comporta version`."""

from __future__ import annotations

import platform

import typer

from comporta.cli.output import AsJson, console, print_json, print_rows, warn
from comporta.runtime.logs import configure_logs
from comporta.runtime.release import program_version
from comporta.runtime.settings import (
    Settings,
    SettingsError,
    UnknownSetting,
    load_settings,
    setting_sources,
    unknown_names,
)

__all__ = ["config_app", "version"]

config_app = typer.Typer(no_args_is_help=True, help="Settings: show or validate them.")

_WRONG_USAGE = 2


@config_app.command("show")
def config_show(as_json: AsJson = False) -> None:
    """Show each setting with its source; secrets are hidden."""
    rows = [setting._asdict() for setting in setting_sources(load_settings())]
    if as_json:
        print_json(rows)
        return
    print_rows(rows, ("name", "value", "source"), "")
    _warn_of_unknown(unknown_names())


@config_app.command("validate")
def config_validate(as_json: AsJson = False) -> None:
    """Check the settings as at a start, and show every fault and every unknown name."""
    faults: list[str] = []
    try:
        _check_access(load_settings())
    except SettingsError as error:
        faults = _lines(str(error))
    unknown = unknown_names()
    if as_json:
        print_json({"ok": not faults, "faults": faults, "unknown": [name._asdict() for name in unknown]})
    else:
        for fault in faults:
            warn(fault)
        _warn_of_unknown(unknown)
        if not faults:
            console.print("the settings are valid")
    if faults:
        raise typer.Exit(_WRONG_USAGE)


def version(as_json: AsJson = False) -> None:
    """Show the version."""
    # Loaded here: it takes longer than the rest of this command.
    from storage.migrate import newest_revision

    versions = {"version": program_version(), "revision": newest_revision(), "python": platform.python_version()}
    if as_json:
        print_json(versions)
    else:
        console.print(
            f"comporta {versions['version']} (database revision {versions['revision']}, Python {versions['python']})"
        )


def _check_access(settings: Settings) -> None:
    # Loaded here: only this command needs it. It logs warnings, so logging is set up first.
    from comporta.web.access import open_access

    configure_logs("WARNING", settings.log_format)
    open_access(settings)


def _lines(faults: str) -> list[str]:
    """Return the faults one by one, without the heading above several."""
    lines = faults.splitlines()
    return [line.strip() for line in lines[1:]] or lines


def _warn_of_unknown(unknown: list[UnknownSetting]) -> None:
    for name, source, suggestion in unknown:
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        warn(f"{name} ({source}) is not a setting{hint}")
