"""The compiled SSE codec against its specification: streams at any cuts, events to encode, JSON of models."""

from typing import Any

from fuzz.reader import Reader
from xiaoer import sse as native
from xiaoer.errors import EventTooLarge
from xiaoer.pure import sse as pure

LIMITS = [1 << 20, 1, 7, 20]


def _decoded(library: Any, data: bytes) -> list[Any]:
    reader = Reader(data)
    decoder = library.SSEDecoder(reader.choice(LIMITS))
    cuts = [reader.below(40) for _ in range(reader.below(6))]
    stream = reader.rest()
    seen: list[Any] = []
    for length in [*cuts, len(stream)]:
        chunk, stream = stream[:length], stream[length:]
        try:
            events, too_large = decoder.feed(chunk), ""
        except EventTooLarge as error:
            events, too_large = list(error.events), str(error)
        seen.append([(event.data, event.event, event.id, event.retry) for event in events])
        seen.append((too_large, decoder.last_event_id, decoder.retry))
    return seen


def _outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


def _encoded(library: Any, data: bytes) -> Any:
    reader = Reader(data)
    kinds = reader.byte()
    names = [reader.take(reader.below(8)).decode("utf-8", "surrogateescape") for _ in range(2)]
    event, id_ = (None if kinds >> bit & 1 else name for bit, name in enumerate(names))
    content: bytes | str = reader.rest()
    if kinds & 4 and isinstance(content, bytes):
        content = content.decode("utf-8", "surrogateescape")
    wire = _outcome(library.encode_sse, content, event, id_)
    if isinstance(wire, bytes):
        [read] = library.SSEDecoder().feed(wire)
        raw = content.encode() if isinstance(content, str) else content
        assert read.data == raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), wire
        assert (read.event, read.id) == (event or "message", id_ or ""), wire
    return wire


def run(data: bytes) -> None:
    """Raises AssertionError where the two differ, or where an encoded event is read as another."""
    mode, data = data[:1], data[1:]
    if mode in (b"", b"d"):
        ours, expected = _decoded(native, data), _decoded(pure, data)
    elif mode == b"e":
        ours, expected = _encoded(native, data), _encoded(pure, data)
    else:
        ours, expected = _outcome(native.chat_delta, data), _outcome(pure.chat_delta, data)
    assert ours == expected, f"\nnative {ours!r}\npure   {expected!r}"
