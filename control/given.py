"""Where each setting came from, what may be shown of it, and which names are no settings at all."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from comporta.runtime.settings import PREFIX, Settings
from storage import engine

__all__ = ["Given", "Unknown", "given_settings", "shown_value", "unknown_names"]

HIDDEN = "(hidden)"
# The tests' own settings stand in the same environment.
_OF_TESTS = "comporta_test_"


class Given(NamedTuple):
    """One setting: its name, its value as it may be shown, and whether environment, .env or default gave it."""

    name: str
    value: str | int | float | None
    source: str


class Unknown(NamedTuple):
    """A name with our prefix that is no setting, where it stands, and the setting that was perhaps meant."""

    name: str
    source: str
    meant: str | None


def given_settings(settings: Settings) -> list[Given]:
    """Every setting, in the order they are declared in."""
    places = _places()
    return [
        Given(PREFIX + name.upper(), shown_value(name, getattr(settings, name)), _source(name, places))
        for name in Settings.model_fields
    ]


def unknown_names() -> list[Unknown]:
    """What is misspelt, or meant for another version."""
    known = {PREFIX.lower() + name for name in Settings.model_fields}
    found: dict[str, str] = {}
    for source, names in _places().items():
        for name in names:
            if name.startswith(PREFIX.lower()) and not name.startswith(_OF_TESTS) and name not in known:
                found.setdefault(name, source)
    return [Unknown(name.upper(), source, _nearest(name, known)) for name, source in sorted(found.items())]


def shown_value(name: str, value: object) -> str | int | float | None:
    """A value without what is secret in it: passwords in addresses, and whatever stands behind their question mark."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if name == "database_url":
        return engine.masked(str(value))
    if isinstance(value, str) and "://" in value:
        return _masked(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _places() -> dict[str, Mapping[str, Any]]:
    """What environment and .env hold, by name in small letters; the first has precedence."""
    return {"environment": EnvSettingsSource(Settings).env_vars, ".env": DotEnvSettingsSource(Settings).env_vars}


def _source(name: str, places: Mapping[str, Mapping[str, Any]]) -> str:
    return next((place for place, found in places.items() if PREFIX.lower() + name in found), "default")


def _nearest(name: str, known: set[str]) -> str | None:
    meant = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return meant[0].upper() if meant else None


def _masked(url: str) -> str:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0] + (":***" if ":" in user else "")
    query = "?***" if parts.query else ""
    return f"{parts.scheme}://{name}{at}{place}{parts.path}{query}"
