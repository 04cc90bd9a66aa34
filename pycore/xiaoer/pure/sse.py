"""The SSE codec in plain Python: what the native one must do, byte by byte.

Decoding follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from xiaoer.errors import EventTooLarge, InvalidDelta

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_RETRY_DIGITS = 18


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event of a stream.

    `data` are its data lines joined by LF, as they came: not checked to be UTF-8. `event` is its type,
    "message" where none was given. `id` is the last id that the stream has named up to this event, "" for none.
    `retry` is the reconnection time in milliseconds, where this event's own block set one.
    """

    data: bytes
    event: str = "message"
    id: str = ""
    retry: int | None = None


class SSEDecoder:
    """Takes a stream in chunks, cut anywhere, and gives its events.

    Lines end with CR, LF or CRLF, each as soon as it can be told. A leading BOM and comments are dropped, an
    `id` with NUL or a `retry` that isn't 1 to 18 ASCII digits is ignored, and a block without a `data` line
    gives no event. What the stream's end cuts off is no event either, so there is no flush.

    Args:
        max_event_bytes: Most bytes that one event's data (its lines joined) and the line being read may
            have together. What a decoder holds is at most some three times as much.

    Attributes:
        last_event_id: Id to resume the stream at: the last one of a complete block, "" for none.
        retry: Reconnection time in milliseconds that the stream last asked for, or None.

    Raises:
        ValueError: `max_event_bytes` is less than 1.
    """

    def __init__(self, max_event_bytes: int = 1 << 20) -> None:
        if max_event_bytes < 1:
            raise ValueError(f"max_event_bytes must be 1 or more, not {max_event_bytes}")
        self.max_event_bytes = max_event_bytes
        self.last_event_id = ""
        self.retry: int | None = None
        self._started = False  # past the BOM
        self._bom = b""  # what may become one
        self._broken = False
        self._after_cr = False  # a LF that comes next belongs to the line already ended
        self._partial = bytearray()
        self._held = 0
        self._start_block()
        self._id = ""

    def _start_block(self) -> None:
        self._data: list[bytes] = []
        self._event = ""
        self._retry: int | None = None
        self._held = 0

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[SSEEvent]:
        """Gives the events that `chunk` (any bytes-like object) completes, in order.

        Raises:
            EventTooLarge: An event is over the limit; its `events` are those completed before. The decoder
                takes nothing more: every later feed raises it again.
        """
        events: list[SSEEvent] = []
        data = bytes(memoryview(chunk))
        if self._broken:
            raise self._too_large(events)
        if not self._started:
            data = self._past_bom(data)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        start = 0
        for end in _LINE_END.finditer(data):
            line = bytes(self._partial) + data[start : end.start()]
            self._partial.clear()
            self._line(line, events)
            start = end.end()
            self._after_cr = start == len(data) and end.group() == b"\r"
        self._partial += data[start:]
        self._check(len(self._partial), events)
        return events

    def _past_bom(self, data: bytes) -> bytes:
        """What is left of the stream's beginning, once it is long enough to have a BOM or not."""
        self._bom += data
        if _BOM.startswith(self._bom):
            return b""
        self._started = True
        return self._bom.removeprefix(_BOM)

    def _line(self, line: bytes, events: list[SSEEvent]) -> None:
        self._check(len(line), events)
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._held += len(value) + 1
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit() and len(value) <= _RETRY_DIGITS:
            self.retry = self._retry = int(value)

    def _dispatch(self, events: list[SSEEvent]) -> None:
        self.last_event_id = self._id
        if self._data:
            events.append(SSEEvent(b"\n".join(self._data), self._event or "message", self._id, self._retry))
        self._start_block()

    def _check(self, line: int, events: list[SSEEvent]) -> None:
        if self._held + line > self.max_event_bytes:
            self._broken = True
            raise self._too_large(events)

    def _too_large(self, events: list[SSEEvent]) -> EventTooLarge:
        self._partial.clear()
        self._start_block()
        return EventTooLarge(f"an event of the stream is over {self.max_event_bytes} bytes", events)


def encode_sse(data: bytes | str, event: str | None = None, id: str | None = None) -> bytes:  # noqa: A002
    """One event as it goes on the wire: `event` and `id` if given, one `data` line for each line of `data`.

    Lines are cut at CR, LF and CRLF, which all arrive as LF. Text is sent in UTF-8.

    Raises:
        ValueError: `event` or `id` has a line end, or `id` a NUL (a reader would ignore it); as
            UnicodeEncodeError: a text has lone surrogates.
    """
    head = _field("event", event, "\r\n") + _field("id", id, "\r\n\0")
    if isinstance(data, str):
        data = data.encode()
    elif not isinstance(data, bytes):
        raise TypeError(f"data must be bytes or str, not {type(data).__name__}")
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return head + b"".join(b"data: %b\n" % line for line in lines) + b"\n"


def _field(name: str, value: str | None, forbidden: str) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str or None, not {type(value).__name__}")
    for character in forbidden:
        if character in value:
            raise ValueError(f"{name} must not contain {character!r}")
    return f"{name}: {value}\n".encode()


def chat_delta(data: bytes) -> str | None:
    """The text that one chunk of an OpenAI-compatible stream adds: `choices[0].delta.content`.

    None where it is null or anything on the way to it is null, missing or empty. As in every JSON reader, the
    last of equal keys counts. The stream's end mark `[DONE]` is not JSON; test for it first.

    Raises:
        InvalidDelta: Not a JSON object in UTF-8, or something on the way has the wrong type.
    """
    if not isinstance(data, bytes):
        raise TypeError(f"data must be bytes, not {type(data).__name__}")
    try:
        chunk: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDelta(f"chunk is not JSON: {error}") from None
    if type(chunk) is not dict:
        raise InvalidDelta("chunk is not an object")
    choices = _typed(chunk.get("choices"), list, "choices is not an array")
    choice = _typed(choices[0] if choices else None, dict, "choices[0] is not an object")
    delta = _typed(choice.get("delta") if choice else None, dict, "delta is not an object")
    content: str | None = _typed(delta.get("content") if delta else None, str, "content is not a string")
    return content


def _typed(value: Any, kind: type, problem: str) -> Any:
    if value is not None and type(value) is not kind:
        raise InvalidDelta(problem)
    return value
