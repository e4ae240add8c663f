"""Reasons for a refusal: the closed list of codes, and the refusal that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["REASONS_PAGE", "Reason", "ReasonDoc", "Refusal", "Refused"]

# On the page's port, without a login; docs/contract/reasons.md has the same text.
REASONS_PAGE = "/docs/reasons"


class Reason(StrEnum):
    """A stable code that programs may rely on; the value never changes its meaning.

    `schemas/reason_docs.py` has the description and the remedy of each.
    """

    TOO_LARGE = "too_large"
    COMPRESSED = "compressed"
    CONTENT_TYPE = "content_type"
    CONTENT_ENCODING = "content_encoding"
    BINARY_ATTRIBUTE = "binary_attribute"
    BATCH_FORMAT = "batch_format"
    ROUTING_KEY = "routing_key"
    MALFORMED_JSON = "malformed_json"
    DUPLICATE_KEY = "duplicate_key"
    NOT_AN_EVENT = "not_an_event"
    DATA_BASE64 = "data_base64"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    WRONG_DOMAIN = "wrong_domain"
    UNKNOWN_SHOP = "unknown_shop"
    NO_VERSION = "no_version"
    VERSION_KIND = "version_kind"
    TIME_AHEAD = "time_ahead"
    CONTENT_CHANGED = "content_changed"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    WRONG_VALUE = "wrong_value"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    NUL_CHARACTER = "nul_character"
    NUMBER_NOT_STRING = "number_not_string"
    NUMBER_FORMAT = "number_format"
    NUMBER_RANGE = "number_range"
    NOT_POSITIVE = "not_positive"
    TIME_FORMAT = "time_format"
    SEQUENCE_FORMAT = "sequence_format"
    KEY_FORMAT = "key_format"
    URL_FORMAT = "url_format"
    NCM_FORMAT = "ncm_format"
    GTIN_CHECK_DIGIT = "gtin_check_digit"
    CPF_CHECK_DIGIT = "cpf_check_digit"
    CNPJ_CHECK_DIGIT = "cnpj_check_digit"
    CURRENCY_UNKNOWN = "currency_unknown"
    WINDOW_EMPTY = "window_empty"
    AVAILABLE_MISMATCH = "available_mismatch"
    ORDER_SUM = "order_sum"
    LINE_SUM = "line_sum"
    NEGATIVE_TOTAL = "negative_total"
    LINE_TWICE = "line_twice"
    ORDER_CHANGED = "order_changed"
    ORDER_UNKNOWN = "order_unknown"
    UNKNOWN_FIELD = "unknown_field"
    MISSPELT_FIELD = "misspelt_field"
    TOO_MANY_FAULTS = "too_many_faults"
    STALE = "stale"
    EXPIRED = "expired"
    QUEUE_OVERFLOW = "queue_overflow"
    REJECTED = "rejected"
    UNROUTABLE = "unroutable"
    UNCONFIRMED = "unconfirmed"
    REFUSED_BY_DATABASE = "refused_by_database"
    DELIVERY_LIMIT = "delivery_limit"

    @property
    def doc(self) -> str:
        """Return the link to the explanation: a path below the address of the page, and the heading on it."""
        return f"{REASONS_PAGE}#{self.value}"


class ReasonDoc(NamedTuple):
    """One reason: its description, its remedy and, where it helps, a value that is refused for it."""

    reason: Reason
    description: str
    remedy: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refusal of a message: a code, a JSON pointer (RFC 6901) to the fault, and one sentence.

    The sentence never repeats a value of the message, so that it may be logged.
    """

    reason: Reason
    pointer: str
    sentence: str

    @property
    def doc(self) -> str:
        """Return the link to the explanation of the reason."""
        return self.reason.doc

    def as_json(self) -> dict[str, str]:
        """Return the refusal in its form for programs."""
        return {"reason": self.reason.value, "pointer": self.pointer, "sentence": self.sentence, "doc": self.doc}

    def __str__(self) -> str:
        place = f" at {self.pointer}" if self.pointer else ""
        return f"{self.reason}{place}: {self.sentence}"


class Refused(ValueError):
    """Refusal of a message, raised; `refusal` holds the reason."""

    def __init__(self, reason: Reason, pointer: str, sentence: str) -> None:
        self.refusal = Refusal(reason, pointer, sentence)
        super().__init__(str(self.refusal))
