"""Hides documents of people and companies in what is shown: enough is left to tell two of them apart."""

from __future__ import annotations

import re

from schemas.check_digits import is_cnpj, is_cpf

__all__ = ["mask_document", "mask_documents", "plain_document"]

_MASK = re.compile(r"[./\s-]", re.ASCII)
# Anything in the shape of a CPF or a CNPJ, with or without its mask, that is not part of a longer word.
_SHAPES = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}"
    r"|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}|[0-9A-Z]{12}[0-9]{2})(?![0-9A-Za-z])",
    re.ASCII,
)
# … and the text of any JSON field that is called document, whatever it holds; one inside a JSON text, too.
_FIELD = re.compile(r'(\\*"(?:[a-z_]*document|cpf|cnpj)\\*"\s*:\s*\\*")([^"\\]+)', re.IGNORECASE)
_BARE_FIELD = re.compile(r'(\\*"(?:[a-z_]*document|cpf|cnpj)\\*"\s*:\s*)([0-9]{5,})', re.IGNORECASE)


def plain_document(text: str) -> str | None:
    """A CPF or CNPJ without its mask, or None if the text is neither."""
    plain = _MASK.sub("", text).upper()
    return plain if is_cpf(plain) or is_cnpj(plain) else None


def mask_document(text: str) -> str:
    """A document with all but a few characters hidden: `***.456.789-**`, `12.***.***/****-35`."""
    plain = _MASK.sub("", text)
    if len(plain) == 11 and plain.isdigit():
        return f"***.{plain[3:6]}.{plain[6:9]}-**"
    if len(plain) == 14:
        return f"{plain[:2]}.***.***/****-{plain[-2:]}"
    shown = 3 if len(plain) > 6 else 0
    return "*" * (len(plain) - shown) + plain[len(plain) - shown :]


def mask_documents(text: str) -> str:
    """A text with every document in it hidden: those of JSON fields called so, and every CPF and CNPJ.

    A number of 11 or 14 digits is left as it is unless its check digits make it a document.
    """
    for field in (_FIELD, _BARE_FIELD):
        text = field.sub(lambda found: found[1] + mask_document(found[2]), text)
    return _SHAPES.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    text = found[0]
    return mask_document(text) if not text.isalnum() or plain_document(text) is not None else text
