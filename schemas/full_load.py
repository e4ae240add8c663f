"""Full load: the messages that begin it, announce its chunks and complete it (contract, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from schemas.domains import DOMAINS
from schemas.events import MAX_SEQUENCE, Attributes, ChangeEvent, domain_of, load_json, read_event
from schemas.fields import Id, Message, Text, fault
from schemas.key_ranges import KeyRange, read_range
from schemas.reasons import Reason, Refused
from schemas.unknown_fields import fold
from schemas.validation_errors import document_refused, member_pointer

__all__ = [
    "BEGUN",
    "CHUNK",
    "COMPLETED",
    "LOAD_TYPES",
    "LoadBegun",
    "LoadChunk",
    "LoadCompleted",
    "LoadMessage",
    "message_domain",
    "parse_message",
    "read_load_message",
    "read_message",
]

BEGUN, CHUNK, COMPLETED = "erp.full_load.begun.v1", "erp.full_load.chunk.v1", "erp.full_load.completed.v1"


@dataclass(frozen=True, slots=True)
class LoadBegun:
    """The beginning of a load: `version` is the ERP's counter before it began to read."""

    domain: str
    shop: str
    event_id: str
    load_id: str
    version: int


@dataclass(frozen=True, slots=True)
class LoadChunk:
    """A chunk: the range that it covers, its number of distinct keys, and the counter before it was read."""

    domain: str
    shop: str
    event_id: str
    load_id: str
    chunk: int
    version: int
    range: KeyRange
    count: int


@dataclass(frozen=True, slots=True)
class LoadCompleted:
    """The end of a load: its number of chunks (None: it has none) and of distinct keys."""

    domain: str
    shop: str
    event_id: str
    load_id: str
    chunks: int | None
    count: int


LoadMessage = LoadBegun | LoadChunk | LoadCompleted


def _counter(value: object) -> object:
    # Where an event has its counter in text, since many languages lose the digits of a large number.
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 255:
        return int(value)
    if isinstance(value, str):
        raise fault(Reason.SEQUENCE_FORMAT, "must be a JSON string of decimal digits, at most 2^62")
    return value


def _in_range(value: int) -> int:
    if not 0 <= value <= MAX_SEQUENCE:
        raise fault(Reason.SEQUENCE_FORMAT, "must be a JSON string of decimal digits, at most 2^62")
    return value


Counter = Annotated[int, BeforeValidator(_counter), AfterValidator(_in_range)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=0, le=2**53)]
_Bound = Annotated[list[Any] | None, Field(description="Key values in the order of the key fields; null: open.")]
_DomainName = Literal["products", "images", "packagings", "price_tables", "prices", "stock", "customers"]


class _Data(Message):
    load_id: Id
    domain: _DomainName


class _BegunData(_Data):
    version: Counter


class _ChunkData(_Data):
    chunk: Number
    version: Counter
    start: _Bound = Field(default=None, alias="from")
    end: _Bound = Field(default=None, alias="to")
    count: Count


class _CompletedData(_Data):
    chunks: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    count: Count


class _LoadEvent(Attributes):
    subject: Text | None = None


class _BegunEvent(_LoadEvent):
    """The ERP begins to send everything that it has of a domain."""

    type: Literal["erp.full_load.begun.v1"]
    data: _BegunData


class _ChunkEvent(_LoadEvent):
    """The ERP says which keys a chunk of a load covers, and how many it names."""

    type: Literal["erp.full_load.chunk.v1"]
    data: _ChunkData


class _CompletedEvent(_LoadEvent):
    """The ERP has sent a whole load."""

    type: Literal["erp.full_load.completed.v1"]
    data: _CompletedData


LOAD_TYPES: dict[str, type[_LoadEvent]] = {BEGUN: _BegunEvent, CHUNK: _ChunkEvent, COMPLETED: _CompletedEvent}
# A list, since a document's type may be anything, also what can't be hashed.
_TYPES = list(LOAD_TYPES)


def parse_message(
    domain: str, shop: str, body: bytes, attributes: Mapping[str, str] | None = None
) -> ChangeEvent | LoadMessage:
    """Return the change event or the load's message in a body. Raises `Refused` with the first fault.

    With `attributes` (binary mode) the body is only the event's data.
    """
    loaded = load_json(body)
    return read_message(domain, shop, loaded if attributes is None else {**attributes, "data": loaded})


def read_message(domain: str, shop: str, document: Any) -> ChangeEvent | LoadMessage:
    """Return the change event or the load's message in a JSON value. Raises `Refused` with the first fault."""
    try:
        return read_event(domain, shop, document)
    except Refused:
        # Afterwards, since they are rare, and no event has their types.
        if isinstance(document, dict) and document.get("type") in _TYPES:
            return read_load_message(domain, shop, document)
        raise


def read_load_message(domain: str, shop: str, document: dict[str, Any]) -> LoadMessage:
    """Return the load's message in a JSON object of its type. Raises `Refused` with the first fault."""
    model = LOAD_TYPES[document["type"]]
    _check_spelling(model, document)
    try:
        event = model.model_validate(document)
    except ValidationError as error:
        raise document_refused(document, error) from None
    data = event.__dict__["data"]
    if data.domain != domain:
        raise Refused(Reason.WRONG_DOMAIN, "/data/domain", f"a message of {data.domain} came to {domain}")
    match data:
        case _BegunData():
            return LoadBegun(domain, shop, event.id, data.load_id, data.version)
        case _ChunkData():
            keys = read_range(domain, data.start, data.end)
            return LoadChunk(domain, shop, event.id, data.load_id, data.chunk, data.version, keys, data.count)
        case _:
            return LoadCompleted(domain, shop, event.id, data.load_id, data.chunks or None, data.count)


def message_domain(document: Any) -> str:
    """Return the domain of a change event, by its type, or the one that a load's message names. Raises `Refused`."""
    if not (isinstance(document, dict) and document.get("type") in _TYPES):
        return domain_of(document)
    data = document.get("data")
    domain = data.get("domain") if isinstance(data, dict) else None
    if not isinstance(domain, str) or domain not in DOMAINS:
        raise Refused(Reason.WRONG_VALUE, "/data/domain", f"must be one of {', '.join(DOMAINS)}")
    return domain


def _check_spelling(model: type[_LoadEvent], document: Mapping[str, Any]) -> None:
    """Refuse a field that is a known one but for case, `_` or `-`: a misspelt `to` would mean everything."""
    inner: Any = model.model_fields["data"].annotation
    data = document.get("data")
    for fields, found, pointer in ((model, document, ""), (inner, data, "/data")):
        if isinstance(found, Mapping):
            known = {field.alias or name for name, field in fields.model_fields.items()}
            spellings = {fold(name): name for name in known}
            for name in found:
                if name not in known and (meant := spellings.get(fold(name))):
                    place = f"{pointer}/{member_pointer(name)}"
                    raise Refused(Reason.MISSPELT_FIELD, place, f"is misspelt: the field is {meant}")
