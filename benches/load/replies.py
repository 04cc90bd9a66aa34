"""How the simulator is asked, and the texts and tool calls that it answers with, cut into tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec

MODEL = "simulated"
SAMPLE = "您好，您的订单已经发货，预计两到三天送达。Your order has left our house and will be with you in two days. "

_reply_marker = re.compile(r"\[\[reply:(.*?)\]\]", re.DOTALL)
_fault_marker = re.compile(r"\[\[fault:(.*?)\]\]")
_tool_marker = re.compile(r"\[\[tool:([\w.-]+)\s*(\{.*?\})?\s*\]\]", re.DOTALL)
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


class ToolCall(NamedTuple):
    """A tool that the model wants to have called; `arguments` is the JSON as the marker had it."""

    name: str
    arguments: str


class Markers(NamedTuple):
    """What the user's messages ask the simulator to do."""

    reply: str | None
    fault: str | None
    tools: list[ToolCall]


class ChatRequest(msgspec.Struct):
    """What the simulator reads of a request; the rest is only kept."""

    messages: list[Message]
    model: str = MODEL
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[msgspec.Raw] | None = None

    def markers(self) -> Markers:
        """What is asked for in the user's messages since the last answer; the last ones count."""
        reply = fault = None
        tools: list[ToolCall] = []
        for message in reversed(self.messages):
            if message.role != "user":
                break
            text = message.content
            if isinstance(text, list):
                text = "".join(part.text for part in text)
            if text and "[[" in text:
                reply = reply or _last(_reply_marker, text)
                fault = fault or _last(_fault_marker, text)
                if self.tools:
                    tools = tools or [ToolCall(name, found or "{}") for name, found in _tool_marker.findall(text)]
        return Markers(reply, fault, tools)

    @property
    def limit(self) -> int | None:
        """The most tokens wanted."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return max(1, self.n or 1)

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return self.stream_options is not None and self.stream_options.include_usage


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


def error(message: str, kind: str, code: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return _encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
