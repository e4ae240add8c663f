"""Comparison of an entity here with the ERP's: the difference by field, and the missed key that would repair it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

__all__ = ["Difference", "DifferenceKind", "Here", "MissedToFile", "Stamp", "There", "compare_entity"]

DifferenceKind = Literal["differs", "only_here", "only_there"]
# The version and the event id, by which the newest event of a key wins.
Stamp = tuple[int, str]


class Here(NamedTuple):
    """A row of ours: its stamp, and its canonical JSON (None: a tombstone)."""

    stamp: Stamp
    content: bytes | None


class There(NamedTuple):
    """The newest event of a key in the ERP's file: its stamp, and its canonical JSON (None: deleted)."""

    stamp: Stamp
    content: bytes | None


class MissedToFile(NamedTuple):
    """A missed key to file: its stamp, and the row's stamp that it holds for (None: no row).

    `reopen` says that the row has the version itself: its event id must give way to the ERP's answer at that version.
    """

    key: str
    stamp: Stamp
    row: Stamp | None
    reopen: bool


class Difference(NamedTuple):
    """A key that is not equal on both sides; `fields` has the values here and there of each field that differs.

    `newer` is the side with the higher version, None if the versions say nothing.
    """

    key: str
    kind: DifferenceKind
    fields: Mapping[str, tuple[Any, Any]]
    here: int | None
    there: int | None
    newer: Literal["here", "there"] | None
    missed: MissedToFile | None

    def as_json(self) -> dict[str, Any]:
        """Return the difference as a line of the report."""
        return {
            "key": orjson.Fragment(self.key),
            "difference": self.kind,
            "fields": {name: {"here": here, "there": there} for name, (here, there) in self.fields.items()},
            "version": {"here": self.here, "there": self.there},
            "newer": self.newer,
        }


def compare_entity(key: str, here: Here | None, there: There | None, horizon: int | None) -> Difference | None:
    """Return the difference of a key, None if there is none; `horizon` is the highest version of the ERP's file.

    A key that the file leaves out does not exist there, unless its row is newer than the whole file.
    """
    mine, yours = here and here.content, there and there.content
    if mine == yours:
        return None
    newer = _newer(here, there, horizon)
    kind: DifferenceKind = "only_there" if mine is None else "only_here" if yours is None else "differs"
    return Difference(
        key,
        kind,
        _fields(mine, yours) if kind == "differs" else {},
        here and here.stamp[0],
        there and there.stamp[0],
        newer,
        None if newer == "here" else _missed(key, here, there),
    )


def _newer(here: Here | None, there: There | None, horizon: int | None) -> Literal["here", "there"] | None:
    if here is None:
        return "there"
    other = horizon if there is None else there.stamp[0]
    if other is None or here.stamp[0] == other:
        return None
    if here.stamp[0] > other:
        return "here"
    return None if there is None else "there"


def _fields(mine: bytes | None, yours: bytes | None) -> dict[str, tuple[Any, Any]]:
    here, there = orjson.loads(mine or b"{}"), orjson.loads(yours or b"{}")
    names = sorted(here.keys() | there.keys())
    return {name: (here.get(name), there.get(name)) for name in names if here.get(name) != there.get(name)}


def _missed(key: str, here: Here | None, there: There | None) -> MissedToFile:
    # The ERP's version where it is known. A row that has that version itself, or whose key the file leaves out, is
    # reopened: the ERP may answer with the very version that it has sent before.
    row = here and here.stamp
    stamp = there.stamp if there is not None else row
    assert stamp is not None
    return MissedToFile(key, stamp, row, row is not None and row[0] >= stamp[0])
