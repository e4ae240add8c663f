"""Check digits (GTIN, CPF, CNPJ) and currency codes: checks that no pattern can express."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["is_cnpj", "is_cpf", "is_currency", "is_gtin"]


# stdnum accepts spaces, masks, digits of other scripts and repeated digits: the shape is checked first.
def is_gtin(value: str) -> bool:
    """Return whether a text is a GTIN (8, 12, 13, 14 digits, GS1 check digit) or `SEM GTIN`."""
    # Loaded here, as below: only those who read events need them.
    from stdnum import ean

    if value == "SEM GTIN":
        return True
    digits = re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", value) is not None
    return digits and len(set(value)) > 1 and ean.is_valid(value)


def is_cpf(value: str) -> bool:
    """Return whether a text is a CPF: 11 digits, the last two computed."""
    from stdnum.br import cpf

    return re.fullmatch(r"[0-9]{11}", value) is not None and len(set(value)) > 1 and cpf.is_valid(value)


def is_cnpj(value: str) -> bool:
    """Return whether a text is a CNPJ: 12 digits or capitals, and two computed digits."""
    from stdnum.br import cnpj

    return re.fullmatch(r"[0-9A-Z]{12}[0-9]{2}", value) is not None and len(set(value)) > 1 and cnpj.is_valid(value)


def is_currency(value: str) -> bool:
    """Return whether a text is a currency code of ISO 4217 that is in use."""
    return value in _currencies()


@cache
def _currencies() -> frozenset[str]:
    from iso4217 import Currency

    return frozenset(currency.code for currency in Currency)
