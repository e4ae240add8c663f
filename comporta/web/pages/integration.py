"""Whether the integration is on, off or partly off: what the header says of a status document."""

from __future__ import annotations

from typing import Literal, NamedTuple

from schemas.control import ANY, StatusDocument, SwitchState

__all__ = ["Integration", "integration"]


class Integration(NamedTuple):
    """The state in one word, and the switches that are off, the widest first."""

    state: Literal["on", "off", "partly"]
    off: tuple[SwitchState, ...]

    @property
    def pauses(self) -> list[list[SwitchState]]:
        """The switches that were turned together: one shop, several domains, one reason and one end."""
        together: dict[tuple[object, ...], list[SwitchState]] = {}
        for switch in self.off:
            said = (switch.shop, switch.since, switch.until, switch.by, switch.reason)
            together.setdefault(said, []).append(switch)
        return list(together.values())

    @property
    def whole(self) -> SwitchState | None:
        """The switch over everything, if that one is off."""
        return next((switch for switch in self.off if (switch.shop, switch.domain) == (ANY, ANY)), None)


def integration(document: StatusDocument) -> Integration:
    """Off means that nothing at all comes through; partly off, that something does."""
    off = tuple(sorted((switch for switch in document.switches if switch.off), key=_narrowness))
    if not off:
        return Integration("on", ())
    through = any(state == "on" for domains in document.effective.values() for state in domains.values())
    return Integration("partly" if through else "off", off)


def _narrowness(switch: SwitchState) -> tuple[int, str, str]:
    return (switch.shop != ANY) + (switch.domain != ANY), switch.shop, switch.domain
