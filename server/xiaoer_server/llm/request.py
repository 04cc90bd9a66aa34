"""Requests to /v1, read and checked; and the body that goes on to the upstream.

The JSON is read by jiter, strictly: duplicate keys at any depth, lone surrogates, NaN, more than 200 levels and
whatever else RFC 8259 does not have are refused, so that we and the upstream cannot read a body differently. Only
the fields that we act on are checked; the others are the upstream's affair. The caller's bytes go on as they came:
where nothing changes it is the same object, what is absent is put before the last brace, and where a field changes
the other fields are still copied byte by byte, numbers like 1e999 or of 400 digits included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jiter
import msgspec

from ..errors import BadRequest
from .request_checks import (
    check_input,
    check_messages,
    check_temperature,
    check_user,
    check_whole,
    include_usage_of,
    kind,
    model_of,
    switch,
)
from .request_fields import CHAT, EMBEDDINGS, MODERATION, check_names

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
        model_of(fields)
    check_messages(get("messages"))
    # Most requests have few of these, and each check of an absent one that is spared counts.
    stream: Any = get("stream")
    if stream is not False and stream is not True:
        stream = switch(stream, "stream")
    logprobs = get("logprobs")
    if logprobs is not None:
        switch(logprobs, "logprobs")
    choices = get("n")
    if choices is not None:
        check_whole(choices, "n", MAX_CHOICES)
    length = get("max_tokens")
    if length is not None:
        check_whole(length, "max_tokens", least=0)
    length = get("max_completion_tokens")
    if length is not None:
        check_whole(length, "max_completion_tokens", least=0)
    temperature = get("temperature")
    if temperature is not None:
        check_temperature(temperature)
    user = get("user")
    if user is not None:
        check_user(user)
    options = get("stream_options")
    include_usage = options is not None and include_usage_of(options)
    return ChatCall(body, fields, model, stream, include_usage, choices or 1, logprobs is True)


def read_embeddings(body: bytes) -> EmbeddingsCall:
    """Read the body of POST /v1/embeddings.

    Raises:
        BadRequest: as `read_chat`.
    """
    fields = _object(body)
    check_names(fields, EMBEDDINGS)
    model = model_of(fields)
    check_input(fields)
    return EmbeddingsCall(body, fields, model)


def read_moderation(body: bytes) -> ModerationCall:
    """Read the body of POST /v1/moderations.

    Raises:
        BadRequest: as `read_chat`.
    """
    fields = _object(body)
    check_names(fields, MODERATION)
    check_input(fields)
    return ModerationCall(body, fields, "" if fields.get("model") is None else model_of(fields))


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = _from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise BadRequest(f"The body is not valid JSON: {str(error)[:200]}.", code="invalid_json") from None
    if fields.__class__ is not dict:
        raise BadRequest(f"The body must be a JSON object, not {kind(fields)}.", code="invalid_json")
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
