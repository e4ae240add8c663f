"""Unknown and misspelt fields: those of a message that its models don't know."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from functools import cache, lru_cache
from types import NoneType
from typing import Any, NamedTuple, get_args

from schemas.fields import Message
from schemas.load_parts import LOAD_ATTRIBUTES
from schemas.text import printable
from schemas.validation_errors import member_pointer

__all__ = [
    "LONGEST_NAME",
    "STANDARD_ATTRIBUTES",
    "UnknownField",
    "field_label",
    "fold",
    "misspelt_pattern",
    "misspelt_sibling",
    "nested_fields",
    "nested_model",
    "unknown_fields",
]

LONGEST_NAME = 64
# Attributes that Comporta does not read, but other programs on the way do: CloudEvents 1.0.2, section 3.1, the
# extension Distributed Tracing, and those of a full load.
STANDARD_ATTRIBUTES = frozenset({"datacontenttype", "dataschema", "traceparent", "tracestate", *LOAD_ATTRIBUTES})
_ENVELOPE = "ce-"
_Object = Mapping[str, Any]
# An object as it was read: by its model, or as `PlainObjects`.
_Read = Message | dict[str, Any]


class UnknownField(NamedTuple):
    """A field that Comporta ignores: its JSON pointer, its label, and the names that it may stand for.

    `label` names it among a shop's and domain's fields: `colour` in the data, `addresses.colour` in an object inside
    it, `ce-colour` beside the data. `misspells` is the field that differs only in letter case, `_` or `-`;
    `suggestion` is the most similar one.
    """

    pointer: str
    label: str
    misspells: str | None
    suggestion: str | None


def unknown_fields(document: Mapping[str, Any], event: Message) -> Iterator[UnknownField]:
    """Yield the fields of an event and its data that were ignored when `event` was read from `document`."""
    data: Message = event.__dict__["data"]
    for name in _ignored(document, event):
        if name not in STANDARD_ATTRIBUTES:
            yield _unknown(type(event), name, f"/{member_pointer(name)}", _ENVELOPE)
    yield from _inside(type(data), document["data"], data, "/data", "")


def _inside(model: type[Message], raw: _Object, read: _Read, pointer: str, prefix: str) -> Iterator[UnknownField]:
    for name in _ignored(raw, read):
        yield _unknown(model, name, f"{pointer}/{member_pointer(name)}", prefix)
    values = _values(read)
    for name, inner in _nested(model).items():
        value = values.get(name)
        if isinstance(value, list):
            for index in _with_more(inner, raw[name], value):
                yield from _inside(
                    inner, raw[name][index], value[index], f"{pointer}/{name}/{index}", f"{prefix}{name}."
                )
        elif value is not None:
            yield from _inside(inner, raw[name], value, f"{pointer}/{name}", f"{prefix}{name}.")


def _with_more(model: type[Message], raw: list[_Object], read: list[_Read]) -> list[int]:
    """Return the places of the objects that have a field that was ignored, or one that may hold such a field."""
    if raw == read:
        # Plain objects, of which every field was read: so are most.
        return []
    nested = _nested(model)
    return [
        index
        for index, (part, item) in enumerate(zip(raw, read, strict=True))
        if len(part) > len(_known(item)) or any(map(_values(item).get, nested))
    ]


def _ignored(raw: _Object, read: _Read) -> list[str]:
    known = _known(read)
    return [name for name in raw if name not in known] if len(raw) > len(known) else []


def _known(read: _Read) -> Collection[str]:
    """Return the names of the fields that were read of an object."""
    return read if isinstance(read, dict) else read.__pydantic_fields_set__


def _values(read: _Read) -> Mapping[str, Any]:
    return read if isinstance(read, dict) else read.__dict__


def _unknown(model: type[Message], name: str, pointer: str, prefix: str) -> UnknownField:
    return UnknownField(pointer, field_label(prefix + name), _misspells(model, name), _suggestion(model, name))


@lru_cache(maxsize=4096)
def field_label(name: str) -> str:
    """Return a name that any database, terminal or label may hold: printable, at most 64 characters."""
    label = printable(name)
    return label if len(label) <= LONGEST_NAME else f"{label[: LONGEST_NAME - 1]}…"


def fold(name: str) -> str:
    """Return a name without what spellings differ in: letter case, `_` and `-`."""
    # Only ASCII: the generated schemas express the same rule as a pattern.
    return name.replace("_", "").replace("-", "").lower() if name.isascii() else name


@cache
def _spellings(model: type[Message]) -> dict[str, str]:
    # A change event, which alone has a sequence, may name a full load too: outside its model, since few do.
    names = (*model.model_fields, *(LOAD_ATTRIBUTES if "sequence" in model.model_fields else ()))
    return {fold(name): name for name in names}


@lru_cache(maxsize=4096)
def _misspells(model: type[Message], name: str) -> str | None:
    return _spellings(model).get(fold(name))


@lru_cache(maxsize=4096)
def _suggestion(model: type[Message], name: str) -> str | None:
    spellings = _spellings(model)
    found = difflib.get_close_matches(fold(name[:LONGEST_NAME]), spellings, n=1, cutoff=0.75)
    return spellings[found[0]] if found else None


def misspelt_sibling(holder: Mapping[str, Any], missing: str) -> str | None:
    """Return the member of an object that spells a missing field in another way; None if there is none."""
    wanted = fold(missing)
    return next((name for name in holder if name != missing and fold(name) == wanted), None)


def misspelt_pattern(names: Collection[str]) -> str:
    """Return a pattern of the misspelt names, for validators of JSON Schema in any language."""
    # A `$` of Python and Perl also matches before a final line break.
    spellings = "|".join(_any_spelling(fold(name)) for name in names)
    return rf"^(?!({'|'.join(names)})$)[_-]*({spellings})$(?!\n)"


def _any_spelling(folded: str) -> str:
    return "".join(f"[{char}{char.upper()}][_-]*" if char.isalpha() else f"{char}[_-]*" for char in folded)


@cache
def nested_fields(model: type[Message]) -> tuple[str, ...]:
    """Return the fields of a model that hold objects with fields of their own, singly or in a list."""
    return tuple(_nested(model))


@cache
def _nested(model: type[Message]) -> dict[str, type[Message]]:
    models = {name: nested_model(field.annotation) for name, field in model.model_fields.items()}
    return {name: inner for name, inner in models.items() if inner is not None}


def nested_model(annotation: Any) -> type[Message] | None:
    """Return the model of the objects that a field of this type holds, singly or in a list; None if it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return annotation
    found = (nested_model(part) for part in get_args(annotation) if part is not NoneType)
    return next((model for model in found if model is not None), None)
