"""Regular expressions of text fields, for the parser (in Rust) and for JSON Schema (ECMA-262)."""

from __future__ import annotations

__all__ = ["HTTP", "NCM", "NOT_BLANK", "NO_NUL", "RFC3339", "RFC3339_NEAR", "RFC3339_RANGES", "SHOP_OR_ANY", "one_line"]

NO_NUL = r"^[^\x00]*$"
SHOP_OR_ANY = r"^(\*|[a-z0-9][a-z0-9-]{0,62})$"
NCM = r"^[0-9]{8}$"
# Unicode's white space, listed: `\s` matches other characters in each language.
_SPACE = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_BLANK = rf"[^{_SPACE}\x00]"
HTTP = rf"^[Hh][Tt][Tt][Pp][Ss]?://[^{_SPACE}\x00/?#]+[^{_SPACE}\x00]*$"
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
RFC3339 = rf"^{_DATE_TIME}([Zz]|[+-][0-9]{{2}}:[0-9]{{2}})$"
# Zones of less than ten hours: all but a few of the real ones, and far within the sixteen that PostgreSQL reads.
RFC3339_NEAR = rf"^{_DATE_TIME}([Zz]|[+-]0[0-9]:[0-9]{{2}})$"
# The same for validators that ignore `format`: each part in its range; the length of the month is not checked.
RFC3339_RANGES = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


def one_line(pattern: str) -> str:
    """Return a pattern ending in `$` as one that no line break follows, where `$` also matches before the last one.

    So it does in Python and Perl. A `not` beside the pattern would say the same, of null as well.
    """
    return rf"{pattern}(?!\n)"
