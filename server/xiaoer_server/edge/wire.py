"""The frames of the chat, in and out, and the two envelopes they travel in.

A frame is one JSON object tagged by `type`. A WebSocket carries it as a text frame, an event stream as an event whose
name is the type. The bytes made here go to the transport as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec

from xiaoer import encode_sse

from ..chat.entries import Entry, Piece, Role, Source, Typing
from ..errors import BadRequest, PayloadTooLarge, ServerError

#: A seq or an offset; the upper bound is what JavaScript counts exactly.
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]

CLIENT_ID_CHARS = 64

# -- from the client ------------------------------------------------------------------------------------------


class PostFrame(msgspec.Struct, tag="message", frozen=True):
    """A visitor's message. A `client_id` that was seen before makes it a resend."""

    client_id: str
    text: str


class TypingFrame(msgspec.Struct, tag="typing", frozen=True):
    """The visitor is writing."""


class ResumeFrame(msgspec.Struct, tag="resume", frozen=True):
    """Go on behind entry `after`, or behind its first `offset` code points."""

    after: Number
    offset: Number | None = None


class ReadFrame(msgspec.Struct, tag="read", frozen=True):
    """Everything up to entry `seq` was seen."""

    seq: Number


class FeedbackFrame(msgspec.Struct, tag="feedback", frozen=True):
    """Whether the answer of entry `seq` helped."""

    seq: Number
    value: Literal["up", "down"]


class PingFrame(msgspec.Struct, tag="ping", frozen=True):
    """Answered by `pong`; for clients that cannot send a WebSocket ping."""


ClientFrame = PostFrame | TypingFrame | ResumeFrame | ReadFrame | FeedbackFrame | PingFrame

_decode = msgspec.json.Decoder(ClientFrame).decode
_decode_post = msgspec.json.Decoder(PostFrame).decode
_KNOWN_TYPES = frozenset({"message", "typing", "resume", "read", "feedback", "ping"})


class Refused(Exception):
    """A frame that is not taken: the error to answer, and the `client_id` of the message where it has one."""

    def __init__(self, error: ServerError, client_id: str | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.client_id = client_id


def decode(payload: bytes, text_chars: int) -> ClientFrame:
    """Read one frame of a client.

    Args:
        payload: Valid UTF-8.
        text_chars: The most code points that a message may have.

    Raises:
        Refused: with BadRequest (invalid_json, invalid_frame, unknown_type, invalid_text) or PayloadTooLarge
            (text_too_long).
    """
    try:
        frame: ClientFrame = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(payload, error) from None
    if type(frame) is PostFrame:
        _check(frame, text_chars)
    return frame


def decode_post(body: bytes, text_chars: int) -> PostFrame:
    """Read the body of POST /api/chat/messages: a message frame, whose `type` may be left out.

    Raises:
        Refused: as `decode`.
    """
    try:
        frame = _decode_post(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explain(body, error) from None
    _check(frame, text_chars)
    return frame


def _check(frame: PostFrame, text_chars: int) -> None:
    client_id, text = frame.client_id, frame.text
    if not (0 < len(client_id) <= CLIENT_ID_CHARS and client_id.isascii() and client_id.isprintable()):
        raise Refused(BadRequest("`client_id` is 1 to 64 printable ASCII characters.", code="invalid_frame"))
    if len(text) > text_chars:
        message = f"The text has {len(text)} characters; {text_chars} are allowed."
        raise Refused(PayloadTooLarge(message, code="text_too_long"), client_id)
    if "\0" in text:
        raise Refused(BadRequest("The text contains a NUL character.", code="invalid_text"), client_id)
    if not text or text.isspace():
        raise Refused(BadRequest("The text is empty.", code="invalid_text"), client_id)


def _explain(payload: bytes, error: Exception) -> Refused:
    """Say what is wrong with a frame that did not decode. Slow, and bounded by the limit on bad frames."""
    try:
        # Unlike msgspec, json takes a lone surrogate, which is the visitor's text being wrong and not the JSON.
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return Refused(BadRequest("The frame is not valid JSON.", code="invalid_json"))
    if not isinstance(found, dict):
        return Refused(BadRequest("A frame is a JSON object.", code="invalid_frame"))
    client_id = _client_id(found)
    if any(isinstance(value, str) and not _is_unicode(value) for value in found.values()):
        message = "The text contains a surrogate code point that stands alone."
        return Refused(BadRequest(message, code="invalid_text"), client_id)
    kind = found.get("type")
    if isinstance(kind, str) and kind not in _KNOWN_TYPES:
        return Refused(BadRequest("This frame type is unknown.", code="unknown_type"), client_id)
    if isinstance(error, msgspec.ValidationError):
        return Refused(BadRequest(f"{error}.", code="invalid_frame"), client_id)
    # Python's json also takes NaN, Infinity and the like.
    return Refused(BadRequest("The frame is not valid JSON.", code="invalid_json"), client_id)


def _client_id(found: dict[str, object]) -> str | None:
    value = found.get("client_id")
    if isinstance(value, str) and 0 < len(value) <= CLIENT_ID_CHARS and value.isascii() and value.isprintable():
        return value
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# -- to the client --------------------------------------------------------------------------------------------


class Ack(msgspec.Struct, tag="ack"):
    """The message is on disk."""

    client_id: str
    seq: int


class Message(msgspec.Struct, tag="message", omit_defaults=True):
    """A whole entry. `at` is ISO 8601 UTC; `client_id` is there on a visitor's own; `html` only where asked for.

    `sources` stand on a page of the history alone: on a stream, `done` follows and has them.
    """

    seq: int
    role: Role
    text: str
    at: str
    client_id: str | None = None
    status: str | None = None
    html: str | None = None
    sources: list[Source] | None = None


class Delta(msgspec.Struct, tag="delta"):
    """An answer grew: `text` starts at code point `offset`."""

    seq: int
    offset: int
    text: str


class Done(msgspec.Struct, tag="done", omit_defaults=True):
    """An answer is whole, or will grow no more."""

    seq: int
    finish_reason: str
    sources: list[Source] | None = None
    html: str | None = None


class Writing(msgspec.Struct, tag="typing", omit_defaults=True):
    """Somebody else is writing; without `role` it is the visitor, on another of their pages."""

    role: Role | None = None


class Problem(msgspec.Struct, tag="error", omit_defaults=True):
    """Something was refused; `client_id` names the message that it was about."""

    code: str
    message: str
    retry_after: float | None = None
    client_id: str | None = None


encode: Callable[[msgspec.Struct], bytes] = msgspec.json.Encoder().encode


def timestamp(at: int) -> str:
    """UTC milliseconds since the epoch as ISO 8601, `2026-11-22T12:00:00.123Z`."""
    seconds, milliseconds = divmod(at, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{milliseconds:03d}Z"


def message(entry: Entry, render: Callable[[str], str] | None) -> bytes:
    """The `message` frame of an entry, with `html` of an answer where `render` is given."""
    html = render(entry.text) if render is not None and entry.role == "assistant" else None
    status = entry.status if entry.status == "interrupted" else None
    return encode(Message(entry.seq, entry.role, entry.text, timestamp(entry.at), entry.client_id, status, html))


def delta(piece: Piece) -> bytes:
    """The `delta` frame of a piece."""
    return encode(Delta(piece.seq, piece.offset, piece.text))


def history(entry: Entry) -> bytes:
    """An entry on a page of the history: its `message` frame, with the sources of an answer."""
    status = entry.status if entry.status == "interrupted" else None
    at = timestamp(entry.at)
    return encode(Message(entry.seq, entry.role, entry.text, at, entry.client_id, status, sources=entry.sources))


def done(entry: Entry, render: Callable[[str], str] | None) -> bytes:
    """The `done` frame of an answer that has ended."""
    html = render(entry.text) if render is not None else None
    return encode(Done(entry.seq, entry.finish_reason or "stop", entry.sources, html))


def typing(event: Typing) -> bytes:
    """The `typing` frame."""
    return encode(Writing(None if event.role == "visitor" else event.role))


def error(refusal: ServerError, client_id: str | None = None) -> bytes:
    """The `error` frame of a refusal."""
    return encode(Problem(refusal.code, refusal.message, refusal.retry_after, client_id))


PONG = b'{"type":"pong"}'

# -- envelopes ------------------------------------------------------------------------------------------------

TEXT, BINARY = 0x81, 0x82


def ws_frame(payload: bytes, first: int = TEXT) -> bytes:
    """One whole unmasked WebSocket frame, as a server sends it (RFC 6455, 5.2). `first` is FIN and the opcode."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return bytes((first, 126, length >> 8, length & 255)) + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


def ws_delta(piece: Piece) -> bytes:
    """The WebSocket frame of a piece, made once for all sockets."""
    frame = piece.ws
    if frame is None:
        frame = piece.ws = ws_frame(delta(piece))
    return frame


def sse_delta(piece: Piece) -> bytes:
    """The event of a piece, made once for all streams."""
    event = piece.sse
    if event is None:
        event = piece.sse = encode_sse(delta(piece), "delta", f"{piece.seq}:{piece.end}")
    return event


def parse_position(text: str) -> tuple[int, int | None]:
    """Read a `Last-Event-ID`: `seq` or `seq:offset`.

    Raises:
        BadRequest: it is neither.
    """
    seq, colon, offset = text.partition(":")
    if _is_number(seq) and (not colon or _is_number(offset)):
        return int(seq), int(offset) if colon else None
    raise BadRequest("`Last-Event-ID` is `seq` or `seq:offset`.", code="invalid_frame")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 15
