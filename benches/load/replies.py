"""What the simulator is asked and what it says: requests, texts cut into tokens, and their bytes on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

import msgspec

MODEL = "simulated"
SAMPLE = "您好，您的订单已经发货，预计两到三天送达。Your order has left our house and will be with you in two days. "

_reply_marker = re.compile(r"\[\[reply:(.*?)\]\]", re.DOTALL)
_fault_marker = re.compile(r"\[\[fault:(.*?)\]\]")
_encode = msgspec.json.encode


class Part(msgspec.Struct):
    """One part of a message made of several."""

    text: str = ""


class Message(msgspec.Struct):
    """One message of a conversation."""

    role: str = ""
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct):
    """What a client wants of a stream."""

    include_usage: bool = False


class ChatRequest(msgspec.Struct):
    """What the simulator reads of a request; the rest is only kept."""

    messages: list[Message]
    model: str = MODEL
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: StreamOptions | None = None

    def markers(self) -> tuple[str | None, str | None]:
        """The reply and the fault asked for in the user's messages since the last answer; the last ones count."""
        reply = fault = None
        for message in reversed(self.messages):
            if message.role != "user":
                break
            text = message.content
            if isinstance(text, list):
                text = "".join(part.text for part in text)
            if text and "[[" in text:
                reply = reply or _last(_reply_marker, text)
                fault = fault or _last(_fault_marker, text)
        return reply, fault

    @property
    def limit(self) -> int | None:
        """The most tokens wanted."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


def _last(marker: re.Pattern[str], text: str) -> str | None:
    found = marker.findall(text)
    return found[-1] if found else None


def cut(text: str, random: Random) -> Iterator[str]:
    """Cut a text into tokens of one to three code points."""
    at = 0
    while at < len(text):
        size = random.randint(1, 3)
        yield text[at : at + size]
        at += size


def sample(tokens: int) -> list[str]:
    """The default reply, in so many tokens."""
    random = Random(1)
    found: list[str] = []
    while len(found) < tokens:
        found.extend(cut(SAMPLE, random))
    return found[:tokens]


class Wire:
    """The bytes of one stream. Everything that doesn't change from token to token is made once."""

    __slots__ = ("_head", "_start", "_tail")

    def __init__(self, number: int, created: int, model: str) -> None:
        self._start = (
            b'data: {"id":"chatcmpl-%d","object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
            % (number, created, _encode(model))
        )
        self._head = self._start + b'{"index":0,"delta":'
        self._tail = b',"logprobs":null,"finish_reason":null}]}\n\n'

    def first(self) -> bytes:
        """The event that names the role."""
        return chunk(self._head + b'{"role":"assistant","content":""}' + self._tail)

    def token(self, text: str) -> bytes:
        """The event of one token."""
        return chunk(self._head + b'{"content":' + _encode(text) + b"}" + self._tail)

    def malformed(self) -> bytes:
        """An event that breaks off in the middle of its JSON."""
        return chunk(self._head + b'{"content":"\n\n')

    def finish(self, reason: str) -> bytes:
        """The event with the finish reason."""
        return chunk(self._head + b'{},"logprobs":null,"finish_reason":%b}]}\n\n' % _encode(reason))

    def usage(self, prompt: int, tokens: int) -> bytes:
        """The event of those who asked for the usage."""
        return chunk(self._start + b'],"usage":%b}\n\n' % _usage(prompt, tokens))


def whole(number: int, created: int, model: str, text: str, reason: str, prompt: int, tokens: int) -> bytes:
    """The body of an answer that isn't streamed."""
    return (
        b'{"id":"chatcmpl-%d","object":"chat.completion","created":%d,"model":%b,"choices":[{"index":0,'
        b'"message":{"role":"assistant","content":%b},"finish_reason":%b}],"usage":%b}'
        % (number, created, _encode(model), _encode(text), _encode(reason), _usage(prompt, tokens))
    )


def chunk(data: bytes) -> bytes:
    """One chunk of a body with chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


DONE = chunk(b"data: [DONE]\n\n")
LAST_CHUNK = b"0\r\n\r\n"


def _usage(prompt: int, tokens: int) -> bytes:
    return b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (prompt, tokens, prompt + tokens)


def error(message: str, kind: str, code: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return _encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
