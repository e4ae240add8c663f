"""Schema compatibility: a change that can't be shown to take all that the old schema took counts as breaking.

jsonsubschema was tried for this: it passes over `propertyNames`, `if` and `format`, and can't read our patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["breaking_changes", "rewritten"]

Schema = dict[str, Any]
_SILENT = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"})
_LOWER = ("minLength", "minItems", "minimum")
_UPPER = ("maxLength", "maxItems", "maximum")
_TYPES = {"null", "boolean", "object", "array", "number", "integer", "string"}


def rewritten(schema: Any) -> Any:
    """Return a schema in today's notation, which takes the same: of a decimal one pattern, of "or null" two types."""
    if isinstance(schema, list):
        return [rewritten(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: rewritten(value) for name, value in schema.items()}
    branches = schema.get("anyOf", [])
    if branches == [_required_text("sequence"), _required_text("time")]:
        schema["if"] = {"properties": {"sequence": {"type": "null"}}}
        schema["then"] = _required_text("time")
        del schema["anyOf"]
    if len(branches) == 2 and str(branches[-1].get("format", "")).startswith("decimal-"):
        digits = [branch["pattern"].removeprefix("^-?").removesuffix("$") for branch in branches]
        least = {"": "", "^[0.]*[1-9]": "(?=[0.]*[1-9])", "^([0-9]|-[0.]+([eE]|$))": "(?=[0-9]|-[0.]+([eE]|$))"}
        schema["pattern"] = f"^{least[schema.get('pattern', '')]}-?({'|'.join(digits)})$"
        schema["format"] = branches[-1]["format"]
        del schema["anyOf"]
    return _one_pattern(_two_types(schema))


def _two_types(schema: Schema) -> Schema:
    branches = schema.get("anyOf", [])
    kinds = [branch for branch in branches if branch != {"type": "null"}]
    if len(branches) != 2 or len(kinds) != 1 or not isinstance(kinds[0].get("type"), str):
        return schema
    [kind] = kinds
    values = {"enum": [*kind["enum"], None]} if "enum" in kind else {}
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**kind, **rest, **values, "type": [kind["type"], "null"]}


def _one_pattern(schema: Schema) -> Schema:
    # A text of one line was written with a `not`.
    if schema.get("not") == {"pattern": r"\n"}:
        schema["pattern"] = rf"{schema['pattern']}(?!\n)"
        del schema["not"]
    return schema


def _required_text(name: str) -> Schema:
    return {"required": [name], "properties": {name: {"type": "string"}}}


def breaking_changes(old: Schema, new: Schema, at: str = "") -> list[str]:
    """List what of the old schema the new one may refuse, or would silently stop reading: pointer and keyword."""
    old, new = _spoken(old), _spoken(new)
    if old == new:
        return []
    if set(old) == {"anyOf"}:
        return [fault for branch in old["anyOf"] for fault in breaking_changes(branch, new, at)]
    gone = _fault(at, "default", "default" in old and "default" not in new) + _gone(old, new, at)
    return gone + [fault for keyword in new for fault in _CHECKS.get(keyword, _equal(keyword))(old, new, at)]


def _spoken(schema: Schema) -> Schema:
    return {keyword: value for keyword, value in schema.items() if keyword not in _SILENT}


def _fault(at: str, keyword: str, broken: bool) -> list[str]:
    return [f"{at}: {keyword}"] if broken else []


def _equal(keyword: str) -> Callable[[Schema, Schema, str], list[str]]:
    return lambda old, new, at: _fault(at, keyword, keyword not in old or old[keyword] != new[keyword])


def _lower(keyword: str) -> Callable[[Schema, Schema, str], list[str]]:
    return lambda old, new, at: _fault(at, keyword, old.get(keyword, float("-inf")) < new[keyword])


def _upper(keyword: str) -> Callable[[Schema, Schema, str], list[str]]:
    return lambda old, new, at: _fault(at, keyword, old.get(keyword, float("inf")) > new[keyword])


def _type(old: Schema, new: Schema, at: str) -> list[str]:
    taken = _names(new["type"])
    if "number" in taken:
        taken = taken | {"integer"}
    return _fault(at, "type", not _names(old.get("type", sorted(_TYPES))) <= taken)


def _names(said: Any) -> set[str]:
    return {said} if isinstance(said, str) else set(said)


def _values(old: Schema, new: Schema, at: str) -> list[str]:
    return _fault(at, "enum", not _listed(old) or any(value not in _listed(new) for value in _listed(old)))


def _listed(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _required(old: Schema, new: Schema, at: str) -> list[str]:
    return [f"{at}/{name}: required" for name in new["required"] if name not in old.get("required", ())]


def _properties(old: Schema, new: Schema, at: str) -> list[str]:
    # A name that is new may break a sender who used it for something of its own: the contract leaves it to us.
    # Not so in a map, whose names are the sender's.
    before, after, others = old.get("properties", {}), new["properties"], old.get("additionalProperties")
    known = {name: before.get(name, others) for name in after if name in before or isinstance(others, dict)}
    return [fault for name, was in known.items() for fault in breaking_changes(was, after[name], f"{at}/{name}")]


def _gone(old: Schema, new: Schema, at: str) -> list[str]:
    if "anyOf" in new and "properties" not in new:
        return []  # Each branch is compared on its own.
    return [
        f"{at}/{name}: no longer read" for name in old.get("properties", {}) if name not in new.get("properties", {})
    ]


def _branch(old: Schema, new: Schema, at: str) -> list[str]:
    # A branch that begins to speak of a field may well mean one that there was.
    names = {*old.get("properties", {}), *new.get("properties", {})}
    return breaking_changes(_naming(names, old), _naming(names, new), at)


def _naming(names: set[str], schema: Schema) -> Schema:
    return {**schema, "properties": {**{name: {} for name in names}, **schema.get("properties", {})}}


def _inner(keyword: str) -> Callable[[Schema, Schema, str], list[str]]:
    return lambda old, new, at: breaking_changes(old.get(keyword, {}), new[keyword], f"{at}/{keyword}")


def _additional(old: Schema, new: Schema, at: str) -> list[str]:
    before, after = old.get("additionalProperties", True), new["additionalProperties"]
    if before is False or after is True:
        return []
    if after is False or before is True:
        return [f"{at}: additionalProperties"]
    return breaking_changes(before, after, f"{at}/*")


def _any_of(old: Schema, new: Schema, at: str) -> list[str]:
    branches = old.get("anyOf", [old])
    fits = all(any(not _branch(branch, other, at) for other in new["anyOf"]) for branch in branches)
    return _fault(at, "anyOf", not fits and all(_branch(old, other, at) for other in new["anyOf"]))


def _all_of(old: Schema, new: Schema, at: str) -> list[str]:
    return _fault(at, "allOf", any(part not in old.get("allOf", []) for part in new["allOf"]))


def _then(old: Schema, new: Schema, at: str) -> list[str]:
    if old.get("if") != new.get("if") or "then" not in old:
        return [f"{at}: if"]
    return _branch(old["then"], new["then"], f"{at}/then")


_CHECKS: dict[str, Callable[[Schema, Schema, str], list[str]]] = {
    **{keyword: _lower(keyword) for keyword in _LOWER},
    **{keyword: _upper(keyword) for keyword in _UPPER},
    "type": _type,
    "const": _values,
    "enum": _values,
    "required": _required,
    "properties": _properties,
    "items": _inner("items"),
    "propertyNames": _inner("propertyNames"),
    "additionalProperties": _additional,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": lambda old, new, at: [],  # Read together with `then`; without one it says nothing.
    "then": _then,
}
