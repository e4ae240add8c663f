"""Change events: CloudEvents 1.0 in structured JSON, parsed strictly and in one pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import jiter
from pydantic import Field, GetCoreSchemaHandler, ValidationError, create_model
from pydantic_core import CoreSchema, core_schema

from schemas.domains import DOMAINS, Domain
from schemas.event_readers import EventReader, event_reader
from schemas.fields import Id, Message, Text, Time
from schemas.load_parts import LoadPart, load_part
from schemas.reasons import Reason, Refusal, Refused
from schemas.unknown_fields import STANDARD_ATTRIBUTES, UnknownField, misspelt_sibling, unknown_fields
from schemas.validation_errors import document_refused, json_refused, member_pointer

__all__ = [
    "CONTENT_TYPES",
    "MAX_BODY",
    "MAX_SEQUENCE",
    "NOT_AN_EVENT",
    "SHOP",
    "STRUCTURED",
    "Attributes",
    "ChangeEvent",
    "Envelope",
    "domain_of",
    "domain_of_type",
    "load_json",
    "parse_event",
    "read_event",
    "version_of_time",
]

STRUCTURED = "application/cloudevents+json"
CONTENT_TYPES = frozenset({STRUCTURED, "application/json"})
MAX_BODY = 1024 * 1024
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_TYPE = re.compile(r"erp\.([a-z_]+)\.(changed|deleted)\.v([0-9]+)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Far above any counter, and far from the end of 64 bits: a counter that stands at its end can never be followed.
MAX_SEQUENCE = 2**62
_MOST_UNKNOWN = 50
_new = tuple.__new__
NOT_AN_EVENT = "the body is not a CloudEvent: a JSON object with a type is needed"


class _DecimalDigits:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.str_schema(pattern=r"^0*[0-9]{1,19}$", max_length=255, strict=True),
            custom_error_type=Reason.SEQUENCE_FORMAT.value,
            custom_error_message="must be a JSON string of decimal digits, at most 2^62",
        )


class Attributes(Message):
    """The attributes that Comporta reads of every CloudEvent (CloudEvents 1.0.2, section 3.1)."""

    specversion: Literal["1.0"]
    id: Id
    source: Annotated[Text, Field(min_length=1)]
    type: str
    time: Time | None = None


class Envelope(Attributes):
    """The attributes of a CloudEvent that Comporta reads (CloudEvents 1.0.2, section 3.1)."""

    sequence: Annotated[str, _DecimalDigits] | None = None
    subject: Text | None = None


class ChangeEvent(NamedTuple):
    """A change of one entity: its key, its version and its state (or only the key, if deleted).

    `key` holds the values in the order of `Domain.key_fields`; `unknown` has the fields that Comporta ignores, at most
    50 of them. `by_time` says that the version is the event's time, in microseconds since 1970, for want of a sequence.
    `load` is the part of a full load that the event belongs to.
    """

    domain: str
    shop: str
    key: tuple[Any, ...]
    version: int
    event_id: str
    occurred_at: datetime | None
    deleted: bool
    data: Message
    unknown: tuple[UnknownField, ...]
    by_time: bool = False
    load: LoadPart | None = None


@cache
def event_models(domain: Domain) -> tuple[type[Envelope], type[Envelope]]:
    """Return the models of a domain's changed and deleted events."""
    return _event_model(domain, "changed", domain.state), _event_model(domain, "deleted", domain.key)


def _event_model(domain: Domain, action: str, data: type[Message]) -> type[Envelope]:
    fields: dict[str, Any] = {"type": (Literal[f"erp.{domain.entity}.{action}.v1"], ...), "data": (data, ...)}
    return create_model(f"{data.__name__}{action.title()}", __base__=Envelope, __module__=__name__, **fields)


@cache
def _reader(name: str) -> EventReader:
    domain = DOMAINS[name]
    return event_reader(domain, *event_models(domain))


@lru_cache(maxsize=256)
def domain_of_type(kind: str) -> Domain:
    """Return the domain that an event type belongs to. Raises `Refused` if the type or its version is unknown."""
    match = _TYPE.fullmatch(kind)
    domain = match and next((domain for domain in DOMAINS.values() if domain.entity == match[1]), None)
    if match is None or domain is None:
        raise Refused(Reason.UNKNOWN_TYPE, "/type", "must be erp.<entity>.changed.v1 or erp.<entity>.deleted.v1")
    if match[3] != "1":
        raise Refused(Reason.UNKNOWN_VERSION, "/type", "this major version is unknown: v1 is understood")
    return domain


def domain_of(document: Any) -> str:
    """Return the name of an event's domain, by its type. Raises `Refused` if the type is missing or unknown."""
    if not isinstance(document, dict) or "type" not in document:
        raise _not_an_event(document)
    kind = document["type"]
    return domain_of_type(kind if isinstance(kind, str) else "").name


def load_json(body: bytes, limit: int = MAX_BODY) -> Any:
    """Return the value of a JSON text (RFC 8259, no duplicate key, no NaN) of at most `limit` bytes.

    Raises `Refused` for any other body.
    """
    if len(body) > limit:
        raise Refused(Reason.TOO_LARGE, "", f"the body has more than {limit} bytes")
    try:
        # Only keys are cached: they are few. Texts differ by event, and a cache of them costs more than it saves.
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise json_refused(error, body) from None


def parse_event(domain: str, shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ChangeEvent:
    """Return the change event in a message's body. Raises `Refused` with the first fault.

    With `attributes` (binary mode) the body is only the event's data.
    """
    if attributes is None:
        return read_event(domain, shop, load_json(body))
    return read_event(domain, shop, {**attributes, "data": load_json(body)})


def read_event(domain: str, shop: str, document: Any) -> ChangeEvent:
    """Return the change event in a JSON value. Raises `Refused` with the first fault."""
    of_type, _, key_of, nested = reader = _reader(domain)
    try:
        deleted, validate = of_type[document["type"]]
        fields = validate(document)
    except (KeyError, TypeError, ValidationError):
        deleted, fields = _read_by_model(reader, domain, document)
    data: Message = fields["data"]
    # The set is read directly: `model_fields_set` would cost two calls for each event. The type is not in `fields`.
    surplus = len(document) + len(document["data"]) - len(fields) - len(data.__pydantic_fields_set__) - 1
    sequence, time = fields.get("sequence"), fields.get("time")
    unknown: tuple[UnknownField, ...] = ()
    load: LoadPart | None = None
    if surplus:
        # Here, so that an event that belongs to no load costs nothing more.
        load = load_part(document)
        surplus -= len(STANDARD_ATTRIBUTES & document.keys())
    if surplus or (nested and _any_inside(document, data, nested)):
        unknown = _ignored_fields(document, reader.validate(document))
    key, version = key_of(data.__dict__), _version(sequence, time)
    # As `ChangeEvent(…)`, which is a function in Python and costs three times as much.
    return _new(
        ChangeEvent,
        (domain, shop, key, version, fields["id"], time, deleted, data, unknown, sequence is None, load),
    )


def _read_by_model(reader: EventReader, domain: str, document: Any) -> tuple[bool, dict[str, Any]]:
    """Return whether an event is a deleted one, and its attributes. Raises `Refused` with the first fault."""
    try:
        envelope = reader.validate(document)
    except ValidationError as error:
        raise _refused(domain, document, error) from None
    given = envelope.__pydantic_fields_set__ - {"type"}
    return envelope.type.endswith(".deleted.v1"), {name: envelope.__dict__[name] for name in given}


def _any_inside(document: Any, data: Message, nested: tuple[str, ...]) -> bool:
    """Return whether an object inside the data has a field that its model does not know."""
    for name in nested:
        for raw, read in zip(document["data"].get(name) or (), data.__dict__.get(name) or (), strict=False):
            if len(raw) > len(read.__pydantic_fields_set__):
                return True
    return False


def _ignored_fields(document: Any, envelope: Envelope) -> tuple[UnknownField, ...]:
    """Return the unknown fields. Raises `Refused` if one is misspelt, or beside the key of a deleted event."""
    found = list(unknown_fields(document, envelope))
    misspelt = next((field for field in found if field.misspells), None)
    if misspelt is not None:
        raise Refused(Reason.MISSPELT_FIELD, misspelt.pointer, f"is misspelt: the field is {misspelt.misspells}")
    if envelope.type.endswith(".deleted.v1"):
        for field in found:
            if field.pointer.startswith("/data/"):
                raise Refused(Reason.UNKNOWN_FIELD, field.pointer, "is no key field: a deleted event has only the key")
    return tuple(found[:_MOST_UNKNOWN])


def _version(sequence: str | None, time: datetime | None) -> int:
    if sequence is not None:
        version = int(sequence)
        if version > MAX_SEQUENCE:
            raise Refused(Reason.SEQUENCE_FORMAT, "/sequence", "must be at most 2^62: no counter gets that far")
        return version
    if time is None:
        raise Refused(Reason.NO_VERSION, "", "neither sequence nor time is given: one of them orders the changes")
    return version_of_time(time)


def version_of_time(time: datetime) -> int:
    """Return the version that a time stands for: microseconds since 1970."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _refused(domain: str, document: Any, error: ValidationError) -> Refused:
    kind = error.errors(include_input=False, include_url=False)[0]["type"] if error.error_count() == 1 else ""
    if kind in {"model_attributes_type", "union_tag_not_found"}:
        return _not_an_event(document)
    if kind == "union_tag_invalid":
        try:
            actual = domain_of_type(document["type"] if isinstance(document["type"], str) else "")
        except Refused as refused:
            return refused
        return Refused(Reason.WRONG_DOMAIN, "/type", f"an event of {actual.name} came with a routing key of {domain}")
    found = document_refused(document, error)
    return _misspelt(document, found.refusal) or found


def _not_an_event(document: Any) -> Refused:
    missing = Refusal(Reason.MISSING_FIELD, "/type", "")
    misspelt = _misspelt(document, missing) if isinstance(document, dict) else None
    return misspelt or Refused(Reason.NOT_AN_EVENT, "", NOT_AN_EVENT)


def _misspelt(document: Any, refusal: Refusal) -> Refused | None:
    """Return the refusal of the field that stands, misspelt, where one is missing; None if there is no such field."""
    if refusal.reason is not Reason.MISSING_FIELD:
        return None
    *parents, missing = refusal.pointer.split("/")[1:]
    holder = document
    for part in parents:
        holder = holder[int(part) if isinstance(holder, list) else part]
    name = misspelt_sibling(holder, missing)
    if name is None:
        return None
    pointer = "/".join(["", *parents, member_pointer(name)])
    return Refused(Reason.MISSPELT_FIELD, pointer, f"is misspelt: the field is {missing}")
