"""Resync after a resume: which shops' ERPs are asked by themselves, and how many keys may be asked for at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.events import SHOP

__all__ = ["MOST_ASKED", "MOST_OUTSTANDING", "ResyncMode", "ResyncModes", "ResyncPace", "parse_resync_modes"]

MOST_OUTSTANDING = 5_000
# A key that the ERP does not answer so often is left to an operator.
MOST_ASKED = 5
_FIRST, _LEAST = 200, 50
_LATE_SECONDS = 30.0


class ResyncMode(StrEnum):
    """Consequence of a resume: nothing, a question to the operator, or requests to the ERP."""

    OFF = "off"
    ASK = "ask"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ResyncModes:
    """Mode of each shop, and of those that are not named."""

    default: ResyncMode = ResyncMode.ASK
    shops: Mapping[str, ResyncMode] = field(default_factory=dict)

    def of(self, shop: str) -> ResyncMode:
        """Return the mode of a shop."""
        return self.shops.get(shop, self.default)

    @property
    def any_auto(self) -> bool:
        """Return whether any shop's ERP is asked without an operator."""
        return ResyncMode.AUTO in (self.default, *self.shops.values())


def parse_resync_modes(value: str) -> ResyncModes:
    """Return the modes of the setting COMPORTA_RESYNC_ON_RESUME; raises `ValueError` with the remedy."""
    default, shops = ResyncMode.ASK, dict[str, ResyncMode]()
    for number, part in enumerate(value.split(",") if value.strip() else ()):
        shop, equals, mode = (each.strip() for each in part.rpartition("="))
        if mode not in tuple(ResyncMode) or (equals and not SHOP.fullmatch(shop)) or (number and not equals):
            raise ValueError(
                f"must be off, ask or auto, and others for single shops after commas, such as ask,north=auto; {part!r} "
                "is neither"
            )
        if equals:
            shops[shop] = ResyncMode(mode)
        else:
            default = ResyncMode(mode)
    return ResyncModes(default, shops)


@dataclass(slots=True)
class ResyncPace:
    """Number of keys that one shop's ERP may be asked for; every time is in seconds of one clock, passed in.

    The window of keys that are asked for and not answered begins at 200. It grows by the answers that come while it is
    in use, up to `most`. While the oldest request is late, it is halved every 30 seconds, down to 50.
    """

    most: int = MOST_OUTSTANDING
    window: int = _FIRST
    _asked: int = 0
    _slowed_at: float = float("-inf")

    def allows(self, outstanding: int, oldest_seconds: float, now: float) -> int:
        """Return how many more keys may be asked for, with so many unanswered, the oldest for so long."""
        answered = max(0, self._asked - outstanding)
        if oldest_seconds > _LATE_SECONDS:
            if now - self._slowed_at >= _LATE_SECONDS:
                self._slowed_at = now
                self.window = max(_LEAST, self.window // 2)
        elif answered and self._asked >= self.window // 2:
            self.window = self.window + answered
        self.window = min(self.window, self.most)
        self._asked = outstanding
        return max(0, self.window - outstanding)

    def asked(self, number: int) -> None:
        """Note keys that were asked for."""
        self._asked += number
