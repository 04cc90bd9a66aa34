"""The bytes of an answer, made once for all requests that ask for the same; only the id changes from one to the next.

Ids have a fixed width, so lengths never change and an answer is one `bytes.replace` away from the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from benches.load.replies import ChatRequest, ToolCall, cut

_encode = msgspec.json.encode
_ID = b"chatcmpl-############"

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n"
)


def chunk(data: bytes) -> bytes:
    """One chunk of a body with chunked transfer coding."""
    return b"%x\r\n%b\r\n" % (len(data), data)


DONE = chunk(b"data: [DONE]\n\n")
LAST_CHUNK = b"0\r\n\r\n"


def content(text: str) -> bytes:
    """The delta of a piece of text."""
    return b'{"content":%b}' % _encode(text)


class Draft:
    """An answer in pieces; a piece is one token of each choice, as events in chunks of their own.

    `first` names the role, `pieces` are the tokens, `last` is finish reason, usage, [DONE] and the end of the body,
    `undone` the same without the [DONE]. `body` is the whole answer where it is not streamed.
    """

    __slots__ = ("_everything", "_start", "body", "choices", "fault", "first", "last", "pieces", "stream", "undone")

    def __init__(
        self, request: ChatRequest, reply: Sequence[str], random: Random, *, prompt: int, created: int
    ) -> None:
        markers = request.markers()
        self.fault = markers.fault
        self.stream = request.stream
        self.choices = request.choices
        self._start = b'data: {"id":"%b","object":"chat.completion.chunk","created":%d,"model":%b,"choices":[' % (
            *(_ID, created),
            _encode(request.model),
        )
        tokens = reply if markers.reply is None else list(cut(markers.reply, random))
        deltas = _tool_deltas(markers.tools, random) if markers.tools else [content(token) for token in tokens]
        reason = b'"tool_calls"' if markers.tools else b'"stop"'
        if request.limit is not None and request.limit < len(deltas):
            deltas, tokens, reason = deltas[: request.limit], tokens[: request.limit], b'"length"'
        used = len(deltas) * self.choices
        usage = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (prompt, used, prompt + used)
        self.first = self._events(b'{"role":"assistant","content":%b}' % (b"null" if markers.tools else b'""'))
        self.pieces = [self._events(delta) for delta in deltas]
        self.undone = self._events(b"{}", reason)
        if request.include_usage:
            self.undone += chunk(self._start + b'],"usage":%b}\n\n' % usage)
        self.last = self.undone + DONE + LAST_CHUNK
        self.undone += LAST_CHUNK
        message = _tool_message(markers.tools) if markers.tools else _encode("".join(tokens))
        self.body = self._whole(request.model, created, message, reason, usage)
        self._everything = b""

    def everything(self, number: int) -> bytes:
        """All of the response, head included, in one piece."""
        if not self._everything:
            if self.stream:
                self._everything = b"".join((STREAM_HEAD, b"\r\n", self.first, *self.pieces, self.last))
            else:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                self._everything = head % len(self.body) + self.body
        return named(self._everything, number)

    def token(self, text: str) -> bytes:
        """A piece that was not known before."""
        return self._events(content(text))

    def malformed(self) -> bytes:
        """An event that breaks off in the middle of its JSON."""
        return chunk(self._start + b'{"index":0,"delta":{"content":"\n\n')

    def unfinished(self) -> bytes:
        """The beginning of an event."""
        return chunk(self._start + b'{"index":0,"delta":{"content":"')

    def _events(self, delta: bytes, reason: bytes = b"null") -> bytes:
        tail = b',"logprobs":null,"finish_reason":%b}]}\n\n' % reason
        return b"".join(
            chunk(self._start + b'{"index":%d,"delta":%b' % (index, delta) + tail) for index in range(self.choices)
        )

    def _whole(self, model: str, created: int, message: bytes, reason: bytes, usage: bytes) -> bytes:
        choices = b",".join(
            b'{"index":%d,"message":{"role":"assistant","content":%b},"logprobs":null,"finish_reason":%b}'
            % (index, message, reason)
            for index in range(self.choices)
        )
        return (
            b'{"id":"%b","object":"chat.completion","created":%d,"model":%b,"choices":[%b],"usage":%b,'
            b'"system_fingerprint":"simulator"}' % (_ID, created, _encode(model), choices, usage)
        )


def named(data: bytes, number: int) -> bytes:
    """The data with the id of the answer of that number."""
    return data.replace(_ID, b"chatcmpl-%012d" % number)


def _tool_message(tools: Sequence[ToolCall]) -> bytes:
    calls = [
        {"id": f"call_{at}", "type": "function", "function": {"name": tool.name, "arguments": tool.arguments}}
        for at, tool in enumerate(tools)
    ]
    return b'null,"tool_calls":' + _encode(calls)


def _tool_deltas(tools: Sequence[ToolCall], random: Random) -> list[bytes]:
    """One delta that names each call, then its arguments in fragments."""
    deltas: list[bytes] = []
    for at, tool in enumerate(tools):
        function = {"name": tool.name, "arguments": ""}
        deltas.append(
            _encode({"tool_calls": [{"index": at, "id": f"call_{at}", "type": "function", "function": function}]})
        )
        deltas += [
            _encode({"tool_calls": [{"index": at, "function": {"arguments": fragment}}]})
            for fragment in cut(tool.arguments, random)
        ]
    return deltas
