"""Requests to /v1, read and checked; and the body that goes on to the upstream.

The JSON is read by jiter, strictly: duplicate keys at any depth, lone surrogates, NaN, more than 200 levels and
whatever else RFC 8259 does not have are refused, so that we and the upstream cannot read a body differently. Only
the fields that we act on are checked; the others are the upstream's affair. The caller's bytes go on as they came:
where nothing changes it is the same object, what is absent is put before the last brace, and where a field changes
the other fields are still copied byte by byte, numbers like 1e999 or of 400 digits included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jiter
import msgspec

from ..errors import BadRequest
from .request_fields import CHAT, EMBEDDINGS, MESSAGE, MODERATION, PART, STREAM_OPTIONS, check_names, check_spelling

#: Most answers to one request, as at OpenAI.
MAX_CHOICES = 128

#: In `changes`, takes a field out.
ABSENT = msgspec.UNSET

_from_json = jiter.from_json
_encode = msgspec.json.Encoder().encode
#: The members of an object as they are written.
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NOTHING: Mapping[str, Any] = {}
#: Roles whose texts are the operator's or the model's, not people's.
_OWN_ROLES = frozenset({"system", "developer", "assistant"})


class Call(msgspec.Struct, gc=False):
    """A request as it came. `fields` is the whole body; whoever changes it changes nothing that is sent."""

    body: bytes
    fields: dict[str, Any]
    model: str

    def upstream_body(self, model: str, changes: Mapping[str, Any] = _NOTHING) -> bytes:
        """The body for the upstream.

        Args:
            model: The model's name there.
            changes: Fields that must have other values, or with `ABSENT` none; `msgspec.Raw` is taken as written.
        """
        if model == self.model and not changes:
            return self.body
        return _changed(self.body, self.fields, {**changes, "model": model} if model != self.model else changes)


class ChatCall(Call, gc=False):
    """A chat completion.

    `include_usage` says whether the caller asked for usage in the stream; the upstream is always asked for it.
    `choices` is OpenAI's `n`.
    """

    stream: bool
    include_usage: bool
    choices: int
    logprobs: bool

    def user_texts(self) -> Iterator[str]:
        """What people and tools say: texts of all messages but the system's, the developer's and the assistant's."""
        for message in self.fields["messages"]:
            if message["role"] in _OWN_ROLES:
                continue
            content = message.get("content")
            if content.__class__ is str:
                yield content
            elif content:
                for part in content:
                    text = part if part.__class__ is str else part.get("text")
                    if text:
                        yield text

    def upstream_body(self, model: str, changes: Mapping[str, Any] = _NOTHING) -> bytes:
        """See `Call.upstream_body`; a stream is asked to tell its usage."""
        if not self.stream or self.include_usage:
            return Call.upstream_body(self, model, changes)
        if model == self.model and not changes and "stream_options" not in self.fields:
            body = self.body
            # After a whole object there is only white space.
            end = -1 if body[-1] == _BRACE else body.rindex(b"}")
            return b"".join((memoryview(body)[:end], _ASK_USAGE))
        return Call.upstream_body(self, model, {**changes, "stream_options": self._stream_options(changes)})

    def _stream_options(self, changes: Mapping[str, Any]) -> Any:
        options = changes.get("stream_options", self.fields.get("stream_options"))
        if "stream_options" not in changes and options:
            options = _members(_members(self.body)["stream_options"])
        return {**(options or _NOTHING), "include_usage": True}


_BRACE = ord("}")
_ASK_USAGE = b',"stream_options":{"include_usage":true}}'


class EmbeddingsCall(Call, gc=False):
    """Embeddings of texts or of lists of tokens."""


class ModerationCall(Call, gc=False):
    """Texts, or parts, to be judged. `model` is empty where none is named."""

    @property
    def input(self) -> str | list[Any]:
        """As it came: a text, or a list that is not empty."""
        value: str | list[Any] = self.fields["input"]
        return value


def read_chat(body: bytes) -> ChatCall:
    """Read the body of POST /v1/chat/completions.

    Raises:
        BadRequest: invalid_json; invalid_request_error, with the field in `param`; unsupported_parameter.
    """
    fields = _object(body)
    if not fields.keys() <= CHAT:
        check_names(fields, CHAT)
    get = fields.get
    model: Any = get("model")
    if model.__class__ is not str or not model:
        _model(fields)
    _check_messages(get("messages"))
    # Most requests have few of these, and each check of an absent one that is spared counts.
    stream: Any = get("stream")
    if stream is not False and stream is not True:
        stream = _switch(stream, "stream")
    logprobs = get("logprobs")
    if logprobs is not None:
        _switch(logprobs, "logprobs")
    choices = get("n")
    if choices is not None:
        _check_whole(choices, "n", MAX_CHOICES)
    length = get("max_tokens")
    if length is not None:
        _check_whole(length, "max_tokens")
    length = get("max_completion_tokens")
    if length is not None:
        _check_whole(length, "max_completion_tokens")
    temperature = get("temperature")
    if temperature is not None:
        _check_temperature(temperature)
    user = get("user")
    if user is not None and user.__class__ is not str:
        _wrong("user", "a string", user)
    options = get("stream_options")
    include_usage = options is not None and _include_usage(options)
    return ChatCall(body, fields, model, stream, include_usage, choices or 1, logprobs is True)


def read_embeddings(body: bytes) -> EmbeddingsCall:
    """Read the body of POST /v1/embeddings.

    Raises:
        BadRequest: as `read_chat`.
    """
    fields = _object(body)
    check_names(fields, EMBEDDINGS)
    model = _model(fields)
    _input(fields)
    return EmbeddingsCall(body, fields, model)


def read_moderation(body: bytes) -> ModerationCall:
    """Read the body of POST /v1/moderations.

    Raises:
        BadRequest: as `read_chat`.
    """
    fields = _object(body)
    check_names(fields, MODERATION)
    _input(fields)
    return ModerationCall(body, fields, "" if fields.get("model") is None else _model(fields))


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = _from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {str(error)[:200]}.", code="invalid_json") from None
    if fields.__class__ is not dict:
        raise BadRequest(f"The body must be a JSON object, not {_kind(fields)}.", code="invalid_json")
    result: dict[str, Any] = fields
    return result


def _changed(body: bytes, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> bytes:
    if fields.keys().isdisjoint(changes):
        added = _encode({name: value for name, value in changes.items() if value is not ABSENT})
        if len(added) == 2:
            return body
        return b"".join((memoryview(body)[: body.rindex(b"}")], b"," if fields else b"", memoryview(added)[1:]))
    members: dict[str, Any] = _members(body)
    for name, value in changes.items():
        if value is ABSENT:
            members.pop(name, None)
        else:
            members[name] = value
    return _encode(members)


def _model(fields: Mapping[str, Any]) -> str:
    model = fields.get("model")
    if model.__class__ is not str or not model:
        if model is None:
            _missing("model")
        _wrong("model", "a string that is not empty", model)
    name: str = model
    return name


def _input(fields: Mapping[str, Any]) -> None:
    value = fields.get("input")
    if value is None:
        _missing("input")
    if value.__class__ is not str and (value.__class__ is not list or not value):
        _wrong("input", "a string, or a list that is not empty", value)


def _check_messages(messages: Any) -> None:
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


def _include_usage(options: Any) -> bool:
    if options.__class__ is not dict:
        _wrong("stream_options", "an object", options)
    check_spelling(options, STREAM_OPTIONS, "stream_options")
    return _switch(options.get("include_usage"), "stream_options.include_usage")


def _switch(value: Any, name: str) -> bool:
    if value is not None and value is not True and value is not False:
        _wrong(name, "true or false", value)
    return value is True


def _check_whole(value: Any, name: str, most: int = 2**31 - 1) -> None:
    if value.__class__ is not int or not 1 <= value <= most:
        _wrong(name, f"a whole number from 1 to {most}", value)


def _check_temperature(value: Any) -> None:
    # An infinity, from a number like 1e999, is outside of the range.
    if (value.__class__ is not float and value.__class__ is not int) or not 0 <= value <= 2:
        _wrong("temperature", "a number from 0 to 2", value)


def _missing(name: str) -> NoReturn:
    raise BadRequest(f"Missing required parameter: '{name}'.", code="invalid_request_error", param=name)


def _wrong(name: str, allowed: str, value: Any) -> NoReturn:
    message = f"Invalid value for '{name}': expected {allowed}, but got {_kind(value)} instead."
    raise BadRequest(message, code="invalid_request_error", param=name)


def _kind(value: Any) -> str:
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
