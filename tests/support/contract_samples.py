"""Contract samples (`docs/contract/samples`): bodies that must be taken, and bodies that must be refused and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.control import parse_control
from schemas.domains import DOMAINS
from schemas.events import load_json, parse_event
from schemas.full_load import LOAD_TYPES, message_domain, parse_message
from schemas.order_news import CANCEL_REFUSED, CANCELLED, ERP_CANCELLED, INVOICED, SHIPPED
from schemas.orders import PLACED, parse_shop_message
from schemas.reasons import Reason, Refused
from schemas.receipts import INTERNALIZED, REJECTED, parse_receipt

__all__ = ["CONTRACT", "INVALID", "VALID", "Sample", "each_sample", "valid_sample"]

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "contract"
Parser = Callable[[bytes], object]


def _parse_load(body: bytes) -> object:
    document = load_json(body)
    if not isinstance(document, dict) or document.get("type") not in list(LOAD_TYPES):
        raise Refused(Reason.UNKNOWN_TYPE, "/type", "is none of a full load")
    return parse_message(message_domain(document), "main", body)


# What is no change event: how it is read, and its schemas.
_OTHERS: dict[str, tuple[Parser, list[str]]] = {
    "orders": (lambda body: parse_shop_message("main", body), [PLACED, CANCELLED]),
    "receipts": (
        lambda body: parse_receipt("main", body),
        [INTERNALIZED, REJECTED, ERP_CANCELLED, CANCEL_REFUSED, INVOICED, SHIPPED],
    ),
    "full_load": (_parse_load, list(LOAD_TYPES)),
    "control": (parse_control, ["comporta.control.message"]),
}


@dataclass(frozen=True)
class Sample:
    """Body with the routing key of a domain (or for a queue of its own), and its expected refusal."""

    domain: str
    name: str
    body: bytes
    reason: str = ""
    pointer: str = ""

    def parse(self) -> object:
        """Parse it as the program does; raises `Refused`."""
        if self.domain in _OTHERS:
            return _OTHERS[self.domain][0](self.body)
        return parse_event(self.domain, "main", self.body)

    @property
    def schemas(self) -> list[str]:
        """Schemas of which one must take it, or none if it is refused."""
        if self.domain in _OTHERS:
            return _OTHERS[self.domain][1]
        return [f"erp.{DOMAINS[self.domain].entity}.{action}.v1" for action in ("changed", "deleted")]


def each_sample(samples: list[Sample]) -> pytest.MarkDecorator:
    """Run a test once with every sample."""
    ids = [f"{sample.domain}: {sample.name}" for sample in samples]
    return pytest.mark.parametrize("sample", samples, ids=ids)


def _lines(kind: str) -> list[tuple[str, str]]:
    files = [CONTRACT / "samples" / kind / f"{name}.jsonl" for name in (*DOMAINS, *_OTHERS)]
    return [(path.stem, line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


def _valid(domain: str, line: str) -> Sample:
    event = json.loads(line)
    return Sample(domain, event.get("id") or event["reason"][:30], line.encode())


def _invalid(domain: str, line: str) -> Sample:
    said: dict[str, Any] = json.loads(line)
    body = said["body"] if "body" in said else json.dumps(said["event"], ensure_ascii=False)
    return Sample(domain, said["sample"], body.encode(), said["reason"], said["pointer"])


VALID = [_valid(*line) for line in _lines("valid")]
INVALID = [_invalid(*line) for line in _lines("invalid")]


def valid_sample(domain: str, name: str) -> Sample:
    """Return one valid sample."""
    return next(sample for sample in VALID if (sample.domain, sample.name) == (domain, name))
