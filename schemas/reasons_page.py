"""The page `docs/contract/reasons.md`, made of the meanings."""

from __future__ import annotations

from schemas.reason_docs import GROUPS, Meaning

__all__ = ["reasons_page"]


def reasons_page() -> str:
    """`docs/contract/reasons.md`."""
    lines = ["# Reasons", "", _INTRODUCTION]
    for title, group in GROUPS.items():
        lines += ["", f"## {title}", *(_section(meaning) for meaning in group)]
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    "Made from `schemas/meanings.py` by `comporta schema --out docs/contract`; changes belong there.\n\n"
    "Whatever is refused carries one of these codes, a JSON pointer (RFC 6901) to the place, and one sentence that\n"
    "repeats no value of the message. A code never changes its meaning. New ones can be added, so that a program\n"
    "should treat a code that it doesn't know like any other refusal."
)


def _section(meaning: Meaning) -> str:
    example = f" Refused, for example: {meaning.example}." if meaning.example else ""
    return f"\n### {meaning.reason}\n\n{meaning.what}{example}\n\n{meaning.way_out}"
