"""Readers of events: an envelope's attributes as they are written, and its data as a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Annotated, Any, NamedTuple, Required, Union

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from schemas.domains import Domain
from schemas.fields import Message
from schemas.unknown_fields import nested_fields

__all__ = ["EventReader", "event_reader"]

Validate = Callable[[Any], Any]


class EventReader(NamedTuple):
    """The validators of a domain's events.

    `of_type` has one for each type, and whether it is of deleted events: it returns the attributes that the event has,
    but for the type. `validate` returns the whole event as its model, or the fault, and costs more. `key_of` returns
    the key from the data's fields; `nested` are the data's fields with objects.
    """

    of_type: Mapping[str, tuple[bool, Validate]]
    validate: Validate
    key_of: Callable[[Any], tuple[Any, ...]]
    nested: tuple[str, ...]


def event_reader(domain: Domain, changed: type[Message], deleted: type[Message]) -> EventReader:
    """Return the reader of a domain's events, by the models of its two types."""
    union: Any = Union[changed, deleted]  # noqa: UP007  made at run time
    first, *rest = domain.key_fields
    key_of = itemgetter(first, *rest) if rest else lambda fields: (fields[first],)
    of_type = {
        f"erp.{domain.entity}.changed.v1": (False, _validator(_attributes(changed))),
        f"erp.{domain.entity}.deleted.v1": (True, _validator(_attributes(deleted))),
    }
    validate = _validator(Annotated[union, Field(discriminator="type")])
    return EventReader(of_type, validate, key_of, nested_fields(domain.state))


def _validator(kind: Any) -> Validate:
    # The method of `TypeAdapter` itself would pass on eight unset options for each event.
    return TypeAdapter(kind).validator.validate_python


def _attributes(model: type[Message]) -> Any:
    """Return the model's fields as those of a dict, without the type, by which the validator is chosen.

    A dict is made a quarter faster than a model, and holds only what was given: none has to be counted apart.
    """
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        fields[name] = Required[kind] if field.is_required() else kind
    del fields["type"]
    written: Any = TypedDict(model.__name__, fields, total=False)  # type: ignore[misc]  # made at run time
    return with_config(ConfigDict(strict=True, extra="ignore"))(written)
