"""Texts in messages: of the chat, which are `ChatMessage`s, and of the gateway, which are what a caller sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec


class Shortened(msgspec.Struct, frozen=True):
    """What to send instead.

    `messages` are the given ones but for number `index`. `notice` is a sentence for people and `header` the value of
    an `x-xiaoer-long-input` header; both are empty where nothing was shortened, and `index` is -1.
    """

    messages: list[Any]
    index: int = -1
    notice: str = ""
    header: str = ""


class Place(msgspec.Struct, frozen=True):
    """The text that is shortened: in which message, in which part of it (-1: the content is the text)."""

    message: int
    part: int
    text: str
    tokens: int


def raw_messages(body: bytes, shortened: Shortened) -> list[Any]:
    """For `ChatCall.upstream_body`'s changes: the messages as the caller wrote them, but for the shortened one."""
    messages: list[Any] = list(_raw(body).messages)
    if shortened.index >= 0:
        messages[shortened.index] = shortened.messages[shortened.index]
    return messages


class _Messages(msgspec.Struct):
    messages: list[msgspec.Raw]


_raw = msgspec.json.Decoder(_Messages).decode


def role_of(message: Any) -> Any:
    """Whose message it is."""
    return message["role"] if isinstance(message, dict) else message.role


def texts_of(message: Any) -> list[tuple[int, str]]:
    """The texts of a message with their part's number; -1 where the content is the text."""
    if not isinstance(message, dict):
        return [(-1, message.content)]
    content = message.get("content")
    if isinstance(content, str):
        found = [(-1, content)]
    else:
        parts = [part if isinstance(part, str) else part.get("text") for part in content or ()]
        found = [(number, text) for number, text in enumerate(parts) if text]
    # What an assistant called is read by the model as well.
    calls = message.get("tool_calls")
    return [*found, (-2, json.dumps(calls, ensure_ascii=False))] if calls else found


def changed(messages: Sequence[Any], place: Place, text: str) -> list[Any]:
    """The messages with another text in that place; the given ones stay as they are."""
    made = list(messages)
    message = made[place.message]
    if not isinstance(message, dict):
        made[place.message] = msgspec.structs.replace(message, content=text)
    elif place.part < 0:
        made[place.message] = {**message, "content": text}
    else:
        parts = list(message["content"])
        part = parts[place.part]
        parts[place.part] = text if isinstance(part, str) else {**part, "text": text}
        made[place.message] = {**message, "content": parts}
    return made
