"""What the terminal says to people, in Portuguese or English by the locale."""

from __future__ import annotations

import os

__all__ = ["say"]

_TEXTS: dict[str, tuple[str, str]] = {
    "off": ("Integration off (epoch {epoch})", "Integração Desligada (época {epoch})"),
    "on": ("Integration on (epoch {epoch})", "Integração Ligada (época {epoch})"),
    "unchanged": (
        "It was so already; an end may have moved (epoch {epoch})",
        "Já estava assim; o fim pode ter mudado (época {epoch})",
    ),
    "refused": ("Refused: {error}", "Recusado: {error}"),
    "in_flight": ("{count} orders are still on their way to the ERP", "{count} pedidos ainda a caminho do ERP"),
    "still_off": (
        "still off: shop {shop}, domain {domain}, since {since}, until {until}, by {by}: {reason}",
        "ainda desligado: loja {shop}, domínio {domain}, desde {since}, até {until}, por {by}: {reason}",
    ),
    "open_end": ("open", "sem fim"),
    "switched_on": ("On", "Ligada"),
    "switched_off": ("Off", "Desligada"),
    "partly_off": ("Partly off", "Parcialmente desligada"),
    "integration": ("Integration", "Integração"),
    "no_answer": ("No answer, trying again", "Sem resposta, tentando de novo"),
    "nothing": ("nothing", "nada"),
}


def say(name: str, **values: object) -> str:
    """One text with its values; Portuguese where the locale says so."""
    return _TEXTS[name][_portuguese()].format(**values)


def _portuguese() -> bool:
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((value for value in named if value), "").lower().startswith("pt")
