"""`comporta config` and `comporta version`."""

from __future__ import annotations

import platform

import typer

from comporta.cli.output import AsJson, console, print_json, print_rows, warn
from comporta.runtime.logging import configure_logs
from comporta.runtime.settings import (
    Settings,
    SettingsError,
    UnknownSetting,
    load_settings,
    program_version,
    setting_sources,
    unknown_names,
)

__all__ = ["config_app", "version"]

config_app = typer.Typer(no_args_is_help=True, help="The settings: what they are, and whether they can be used.")

_WRONG_USAGE = 2


@config_app.command("show")
def config_show(as_json: AsJson = False) -> None:
    """Show each setting and where it came from; secrets are hidden."""
    given = setting_sources(load_settings())
    if as_json:
        print_json([each._asdict() for each in given])
        return
    print_rows([each._asdict() for each in given], ("name", "value", "source"), "")
    _warn_of_unknown(unknown_names())


@config_app.command("validate")
def config_validate(as_json: AsJson = False) -> None:
    """Check the settings as at a start: every fault at once, and names that are no settings."""
    faults: list[str] = []
    try:
        _check_access(load_settings())
    except SettingsError as error:
        faults = _lines(str(error))
    unknown = unknown_names()
    if as_json:
        print_json({"ok": not faults, "faults": faults, "unknown": [each._asdict() for each in unknown]})
    else:
        for fault in faults:
            warn(fault)
        _warn_of_unknown(unknown)
        if not faults:
            console.print("the settings can be used")
    if faults:
        raise typer.Exit(_WRONG_USAGE)


def version(as_json: AsJson = False) -> None:
    """Show the version."""
    # Loaded here: it takes longer than all else that this command does.
    from storage.migrate import newest_revision

    found = {"version": program_version(), "revision": newest_revision(), "python": platform.python_version()}
    if as_json:
        print_json(found)
    else:
        console.print(f"comporta {found['version']} (database revision {found['revision']}, Python {found['python']})")


def _check_access(settings: Settings) -> None:
    # Loaded here: only this command needs it, and it logs what it finds odd.
    from comporta.web.access import open_access

    configure_logs("WARNING", settings.log_format)
    open_access(settings)


def _lines(faults: str) -> list[str]:
    """The faults one by one: a heading above several is left out."""
    lines = faults.splitlines()
    return [line.strip() for line in lines[1:]] or lines


def _warn_of_unknown(unknown: list[UnknownSetting]) -> None:
    for name, source, meant in unknown:
        hint = f"; did you mean {meant}?" if meant else ""
        warn(f"{name} ({source}) is not a setting{hint}")
