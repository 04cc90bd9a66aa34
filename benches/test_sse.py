"""The SSE codec: a streamed answer to its texts, whole or in pieces; the delta alone; the encoder."""

from collections.abc import Callable

import pytest

from benches.measure import Row, Stopwatch
from benches.peers.sse import Codec, decoders
from benches.run import this_run
from benches.streams import make_answer
from xiaoer import SSEDecoder, chat_delta, encode_sse

TOKENS = 500
EVENTS, TEXTS = make_answer(TOKENS)


def _cut(size: int) -> list[bytes]:
    raw = b"".join(EVENTS)
    return [raw[start : start + size] for start in range(0, len(raw), size)]


CHUNKS: dict[str, Callable[[], list[bytes]]] = {
    "an event a read": lambda: EVENTS,
    "reads of 4 KiB": lambda: _cut(4096),
    "reads of 100 bytes": lambda: _cut(100),
}


@pytest.mark.parametrize("codec", decoders(), ids=lambda each: each.name)
@pytest.mark.parametrize("reads", CHUNKS)
def test_decode(reads: str, codec: Codec, stopwatch: Stopwatch) -> None:
    chunks = CHUNKS[reads]()
    assert codec.deltas(chunks) == TEXTS
    row = Row("sse", f"event to text, {reads}", codec.name)
    stopwatch.rounds(row, codec.deltas, lambda: ([fresh_bytes(chunk) for chunk in chunks],), len(EVENTS))


def test_decode_alone(stopwatch: Stopwatch) -> None:
    assert sum(len(SSEDecoder().feed(event)) for event in EVENTS) == len(EVENTS)
    stopwatch.calls(Row("sse", "event, not looked into", "xiaoer"), SSEDecoder().feed, EVENTS, fresh_bytes)


def test_delta(stopwatch: Stopwatch) -> None:
    payloads = [event[6:-2] for event in EVENTS[1:-2]]
    assert list(map(chat_delta, payloads)) == TEXTS
    stopwatch.calls(Row("sse", "text of a delta", "xiaoer"), chat_delta, payloads, fresh_bytes)


def test_odd_delta(stopwatch: Stopwatch) -> None:
    """With an escape, the case that the short way does not take."""
    payloads = [event[6:-2].replace(b'"content":"', b'"content":"\\u4f60') for event in EVENTS[1:-2]]
    assert list(map(chat_delta, payloads)) == ["你" + text for text in TEXTS]
    stopwatch.calls(Row("sse", "text of a delta with an escape", "xiaoer"), chat_delta, payloads, fresh_bytes)


def _format(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ENCODERS = {"xiaoer": encode_sse} | ({"b'data: ' + data, unchecked": _format} if this_run() == "native" else {})


@pytest.mark.parametrize("name", ENCODERS)
def test_encode(name: str, stopwatch: Stopwatch) -> None:
    payloads = [event[6:-2] for event in EVENTS]
    assert list(map(ENCODERS[name], payloads)) == EVENTS
    row = Row("sse", "encode an event", name, comparable=name == "xiaoer")
    stopwatch.calls(row, ENCODERS[name], payloads, fresh_bytes)


def fresh_bytes(data: bytes) -> bytes:
    """A new object with the same bytes."""
    return bytes(memoryview(data))
