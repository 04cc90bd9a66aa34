"""Types and ranges of the fields of a request that we act on. Each check raises BadRequest, invalid_request_error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ..errors import BadRequest
from .request_fields import MESSAGE, PART, STREAM_OPTIONS, check_spelling


def model_of(fields: Mapping[str, Any]) -> str:
    """The model's name."""
    model = fields.get("model")
    if model.__class__ is not str or not model:
        if model is None:
            _missing("model")
        _wrong("model", "a string that is not empty", model)
    name: str = model
    return name


def check_input(fields: Mapping[str, Any]) -> None:
    """A text, or a list that is not empty."""
    value = fields.get("input")
    if value is None:
        _missing("input")
    if value.__class__ is not str and (value.__class__ is not list or not value):
        _wrong("input", "a string, or a list that is not empty", value)


def check_messages(messages: Any) -> None:
    """Objects with a role, their content a text, a list of parts, or none."""
    if messages.__class__ is not list or not messages:
        if messages is None:
            _missing("messages")
        _wrong("messages", "a list that is not empty", messages)
    for message in messages:
        if (
            message.__class__ is not dict
            or not message.keys() <= MESSAGE
            or message.get("role").__class__ is not str
            or message.get("content").__class__ is not str
        ):
            break
    else:
        return
    for number, message in enumerate(messages):
        if message.__class__ is not dict:
            _wrong(f"messages[{number}]", "an object", message)
        check_spelling(message, MESSAGE, f"messages[{number}]")
        role = message.get("role")
        if role.__class__ is not str:
            if role is None:
                _missing(f"messages[{number}].role")
            _wrong(f"messages[{number}].role", "a string", role)
        content = message.get("content")
        if content.__class__ is not str and content is not None:
            _check_parts(content, f"messages[{number}].content")


def _check_parts(parts: Any, where: str) -> None:
    if parts.__class__ is not list:
        _wrong(where, "a string, a list of parts or null", parts)
    for number, part in enumerate(parts):
        if part.__class__ is str:
            continue
        if part.__class__ is not dict:
            _wrong(f"{where}[{number}]", "an object", part)
        check_spelling(part, PART, f"{where}[{number}]")
        if "text" in part and part["text"].__class__ is not str:
            _wrong(f"{where}[{number}].text", "a string", part["text"])


def include_usage_of(options: Any) -> bool:
    """Whether the options of a stream ask for its usage."""
    if options.__class__ is not dict:
        _wrong("stream_options", "an object", options)
    check_spelling(options, STREAM_OPTIONS, "stream_options")
    return switch(options.get("include_usage"), "stream_options.include_usage")


def switch(value: Any, name: str) -> bool:
    """true or false; none is false."""
    if value is not None and value is not True and value is not False:
        _wrong(name, "true or false", value)
    return value is True


def check_whole(value: Any, name: str, most: int = 2**31 - 1, least: int = 1) -> None:
    """A whole number."""
    if value.__class__ is not int or not least <= value <= most:
        _wrong(name, f"a whole number from {least} to {most}", value)


def check_user(value: Any) -> None:
    """A string."""
    if value.__class__ is not str:
        _wrong("user", "a string", value)


def check_temperature(value: Any) -> None:
    """A number from 0 to 2."""
    # An infinity, from a number like 1e999, is outside of the range.
    if (value.__class__ is not float and value.__class__ is not int) or not 0 <= value <= 2:
        _wrong("temperature", "a number from 0 to 2", value)


def _missing(name: str) -> NoReturn:
    raise BadRequest(f"Missing required parameter: '{name}'.", code="invalid_request_error", param=name)


def _wrong(name: str, allowed: str, value: Any) -> NoReturn:
    message = f"Invalid value for '{name}': expected {allowed}, but got {kind(value)} instead."
    raise BadRequest(message, code="invalid_request_error", param=name)


def kind(value: Any) -> str:
    """What a value is, in JSON's words; short, for what stands in it may be long or private."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:.6g}" if abs(value) < 1e300 else "a number out of range"
        case str():
            return "a string" if value else "an empty string"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "an object"
