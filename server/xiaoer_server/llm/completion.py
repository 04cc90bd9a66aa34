"""A whole answer of an upstream: read as far as the gateway must, and its text held to the word filter."""

from __future__ import annotations

from typing import Any

import msgspec

from xiaoer import WordFilter

from .events import Usage
from .receiver import UpstreamError

#: The texts of a message that people read.
TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Usage | None = None


class _Embeddings(msgspec.Struct):
    data: list[msgspec.Raw]
    usage: Usage | None = None


_completion = msgspec.json.Decoder(_Completion).decode
_embeddings = msgspec.json.Decoder(_Embeddings).decode


def read_completion(body: bytes, words: WordFilter | None) -> tuple[bytes, Usage | None, str]:
    """Look into a chat completion.

    Returns:
        The body to pass on, which is the same one unless a word had to be masked; the usage; the finish reason of
        the first choice.

    Raises:
        UpstreamError: malformed, or truncated where no choice has a finish reason.
    """
    try:
        completion = _completion(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("malformed", "the upstream's answer is no chat completion", answered=True) from error
    choices = completion.choices
    if not choices:
        raise UpstreamError("malformed", "the upstream's answer has no choices", answered=True)
    for choice in choices:
        if choice.finish_reason is None:
            raise UpstreamError("truncated", "the upstream's answer has no finish reason", answered=True)
        if words is None:
            continue
        message = choice.message
        content = message.content
        if content.__class__ is not str and content is not None and _unclean(content, words):
            return _masked(body, words), completion.usage, choice.finish_reason
        for text in (content, message.reasoning_content, message.reasoning, message.refusal):
            if text and text.__class__ is str and words.contains(text):
                return _masked(body, words), completion.usage, choice.finish_reason
    return body, completion.usage, choices[0].finish_reason or ""


def read_embeddings(body: bytes) -> Usage | None:
    """The usage of an answer with embeddings.

    Raises:
        UpstreamError: malformed.
    """
    try:
        return _embeddings(body).usage
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("malformed", "the upstream's answer has no embeddings", answered=True) from error


def _unclean(parts: Any, words: WordFilter) -> bool:
    return any(words.contains(part["text"]) for part in _text_parts(parts))


def _text_parts(parts: Any) -> list[dict[str, str]]:
    if not isinstance(parts, list):
        return []
    return [part for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _masked(body: bytes, words: WordFilter) -> bytes:
    """The same answer with its texts masked. Token probabilities would tell them again, so those go."""
    answer = msgspec.json.decode(body)
    for choice in answer["choices"]:
        choice.pop("logprobs", None)
        message = choice["message"]
        for kind in TEXTS:
            text = message.get(kind)
            if isinstance(text, str):
                message[kind] = words.replace(text)
        for part in _text_parts(message.get("content")):
            part["text"] = words.replace(part["text"])
    return msgspec.json.encode(answer)
