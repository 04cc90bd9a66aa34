"""A part of JSON Schema, enough for what a webhook answers. What it does not know, it refuses.

Known: `type`, `properties`, `required`, `items`, `enum`, `maxLength`, `minimum`, `maximum`, `maxItems`, after the
2020-12 draft (https://json-schema.org/draft/2020-12). Properties that are not named may be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_NUMBERS = ("maxLength", "minimum", "maximum", "maxItems")
_KNOWN = {"type", "properties", "required", "items", "enum", *_NUMBERS}
DEEPEST = 8


class SchemaError(ValueError):
    """A schema that is none, or is more than is known here."""


class Mismatch(ValueError):
    """The value is not as the schema says; the message names the place."""


def check_schema(schema: object, depth: int = DEEPEST) -> None:
    """Raise SchemaError unless `schema` can be used with `validate`."""
    if not isinstance(schema, Mapping):
        raise SchemaError("a schema is a mapping")
    if depth == 0:
        raise SchemaError("the schema is nested too deeply")
    for key, value in schema.items():
        if key not in _KNOWN:
            raise SchemaError(f"{key!r} is not known; known: {', '.join(sorted(_KNOWN))}")
        if key == "type" and any(not isinstance(kind, str) or kind not in _TYPES for kind in _kinds(value)):
            raise SchemaError(f"type {value!r} is none of {', '.join(_TYPES)}")
        if key in ("required", "enum") and not isinstance(value, list):
            raise SchemaError(f"{key} is a list")
        if key in _NUMBERS and (not isinstance(value, int | float) or isinstance(value, bool)):
            raise SchemaError(f"{key} is a number")
        if key == "items":
            check_schema(value, depth - 1)
        if key == "properties":
            if not isinstance(value, Mapping):
                raise SchemaError("properties is a mapping")
            for inner in value.values():
                check_schema(inner, depth - 1)


def validate(value: Any, schema: Mapping[str, Any], place: str = "answer") -> None:
    """Raise Mismatch unless `value` is as `schema`, which `check_schema` let pass, says."""
    kinds = _kinds(schema.get("type", []))
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise Mismatch(f"{place} is not of type {' or '.join(kinds)}")
    if "enum" in schema and not any(value == allowed and type(value) is type(allowed) for allowed in schema["enum"]):
        raise Mismatch(f"{place} is none of the values allowed")
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        raise Mismatch(f"{place} is too long")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise Mismatch(f"{place} is out of range")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                raise Mismatch(f"{place} has no {name!r}")
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                validate(value[name], inner, f"{place}.{name}")
    if isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            raise Mismatch(f"{place} has too many items")
        if "items" in schema:
            for at, item in enumerate(value):
                validate(item, schema["items"], f"{place}[{at}]")


def _kinds(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
