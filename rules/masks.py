"""Masking of documents (CPF, CNPJ): enough digits stay visible to tell two of them apart."""

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
# The text of any JSON field named as a document, with any value; also inside JSON that is itself a JSON string.
_FIELD = re.compile(r'(\\*"(?:[a-z_]*document|cpf|cnpj)\\*"\s*:\s*\\*")([^"\\]+)', re.IGNORECASE)
_BARE_FIELD = re.compile(r'(\\*"(?:[a-z_]*document|cpf|cnpj)\\*"\s*:\s*)([0-9]{5,})', re.IGNORECASE)


def plain_document(text: str) -> str | None:
    """Return a CPF or CNPJ without its mask, or None if the text is neither."""
    plain = _MASK.sub("", text).upper()
    return plain if is_cpf(plain) or is_cnpj(plain) else None


def mask_document(text: str) -> str:
    """Return a document with all but a few characters hidden: `***.456.789-**`, `12.***.***/****-35`."""
    plain = _MASK.sub("", text)
    if len(plain) == 11 and plain.isdigit():
        return f"***.{plain[3:6]}.{plain[6:9]}-**"
    if len(plain) == 14:
        return f"{plain[:2]}.***.***/****-{plain[-2:]}"
    visible = 3 if len(plain) > 6 else 0
    return "*" * (len(plain) - visible) + plain[len(plain) - visible :]


def mask_documents(text: str) -> str:
    """Return a text with every document in it masked: the JSON fields named so, and every CPF and CNPJ.

    A number of 11 or 14 digits stays unless its check digits make it a document.
    """
    for field in (_FIELD, _BARE_FIELD):
        text = field.sub(lambda match: match[1] + mask_document(match[2]), text)
    return _SHAPES.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    text = match[0]
    return mask_document(text) if not text.isalnum() or plain_document(text) is not None else text
