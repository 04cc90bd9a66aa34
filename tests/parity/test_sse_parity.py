"""The compiled SSE codec against its specification: random streams at random cuts, JSON whole and damaged."""

import gc
import json
import sys
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

BOM = b"\xef\xbb\xbf"
pieces = st.one_of(
    st.sampled_from(
        [
            *[b"data", b"data:", b"data: ", b"event:", b"event", b"id: ", b"id", b"retry:", b"retry: 15", b":", b" "],
            *[b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"],
            *[BOM, BOM[:1], BOM[:2], b"\xff", "好".encode(), b"7", b"\0"],
        ]
    ),
    st.binary(max_size=4),
)
streams = st.lists(pieces, max_size=60).map(b"".join)
cuts = st.lists(st.integers(0, 200), max_size=12)


def read(library: ModuleType, chunks: list[bytes], limit: int) -> list[Any]:
    """Everything that can be seen of a decoder, feed by feed."""
    decoder = library.SSEDecoder(limit)
    seen: list[Any] = []
    too_large: str | bool
    for chunk in chunks:
        try:
            events, too_large = decoder.feed(chunk), False
        except library.EventTooLarge as error:
            events, too_large = list(error.events), str(error)
        seen.append([(event.data, event.event, event.id, event.retry) for event in events])
        seen.append((too_large, decoder.last_event_id, decoder.retry))
    return seen


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(bounds)]


@given(stream=streams, places=cuts, limit=st.sampled_from([1, 7, 20, 1 << 20]))
@example(stream=BOM + b"data: a\r\n\r\ndata: b\n\n", places=list(range(24)), limit=20)
def test_decoders_agree_at_random_cuts(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, stream: bytes, places: list[int], limit: int
) -> None:
    chunks = cut(stream, places)
    assert read(native_xiaoer, chunks, limit) == read(pure_xiaoer, chunks, limit)


@given(stream=streams)
def test_every_split_point_gives_the_events_of_the_whole(xiaoer: ModuleType, stream: bytes) -> None:
    def events(*chunks: bytes) -> list[Any]:
        decoder = xiaoer.SSEDecoder()
        return [*(event for chunk in chunks for event in decoder.feed(chunk)), decoder.last_event_id, decoder.retry]

    whole = events(stream)
    for place in range(len(stream) + 1):
        assert events(stream[:place], stream[place:]) == whole
    assert events(*(bytes([byte]) for byte in stream)) == whole


def outcome(call: Any, *arguments: Any) -> Any:
    """What a call gives, or the name of what it raises."""
    try:
        return call(*arguments)
    except (TypeError, ValueError) as error:
        return type(error).__name__, str(error)


texts = st.text(st.characters(), max_size=30)
names = st.one_of(st.none(), st.text(st.sampled_from("ab 好\n\r\0\ud800"), max_size=6))


@given(data=st.one_of(texts, st.binary(max_size=30), st.lists(pieces).map(b"".join)), event=names, id=names)
def test_encoders_agree(
    native_xiaoer: ModuleType,
    pure_xiaoer: ModuleType,
    data: bytes | str,
    event: str | None,
    id: str | None,  # noqa: A002
) -> None:
    wire = outcome(native_xiaoer.encode_sse, data, event, id)
    assert wire == outcome(pure_xiaoer.encode_sse, data, event, id)
    if isinstance(wire, bytes):
        [read] = native_xiaoer.SSEDecoder().feed(wire)
        raw = data.encode() if isinstance(data, str) else data
        assert read.data == raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        assert (read.event, read.id) == (event or "message", id or "")


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
keys = st.one_of(st.sampled_from(["choices", "delta", "content", "index", "id"]), st.text(max_size=4))
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


def member(name: str, value: Any) -> Any:
    """An object that mostly has `value` under `name`, among others, as JSON text with keys that may come twice."""
    usual = st.lists(
        st.one_of(st.tuples(st.just(name), value), st.tuples(keys, anything.map(dump))), min_size=1, max_size=4
    )
    return usual.map(lambda pairs: "{" + ",".join(f"{dump(key)}:{value}" for key, value in pairs) + "}")


def dump(value: Any) -> str:
    # Half of the texts with \u escapes, half in UTF-8; by their hash, so that an example can be repeated.
    return json.dumps(value, ensure_ascii=len(repr(value)) % 2 == 0)


contents = st.one_of(st.text(max_size=20).map(dump), anything.map(dump))
deltas = st.one_of(member("content", contents), anything.map(dump))
choices = st.one_of(member("delta", deltas), anything.map(dump))
chunks_of_a_model = st.one_of(
    member("choices", st.lists(choices, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")),
    anything.map(dump),
)


@given(chunk=chunks_of_a_model)
def test_deltas_agree_on_json(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, chunk: str) -> None:
    data = chunk.encode("utf-8", "surrogatepass")
    assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data)


@given(
    chunk=chunks_of_a_model,
    place=st.floats(0, 1),
    drop=st.integers(0, 3),
    put=st.one_of(
        st.binary(max_size=2), st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b" "])
    ),
)
def test_deltas_agree_on_damaged_json(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, chunk: str, place: float, drop: int, put: bytes
) -> None:
    data = chunk.encode("utf-8", "surrogatepass")
    at = int(place * len(data))
    data = data[:at] + put + data[at + drop :]
    assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data)


USUAL = (
    '{"id":"c-1","created":1694268190,"x":{"y":[1,2.5,-3,true,false,null]},'
    '"choices":[{"index":0,"delta":{"content":"a好b"},"logprobs":null},{"index":1}],"z":"e"}'
).encode()


@pytest.mark.parametrize("at", range(len(USUAL)))
def test_deltas_agree_on_every_single_byte_damage(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, at: int) -> None:
    for byte in range(256):
        data = USUAL[:at] + bytes([byte]) + USUAL[at + 1 :]
        assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data), data
    for data in (USUAL[:at], USUAL[:at] + USUAL[at + 1 :]):
        assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data), data


PLACE = USUAL.index("a好b".encode())
BEFORE, AFTER = USUAL[:PLACE], USUAL[PLACE + len("a好b".encode()) :]


@pytest.mark.parametrize("at", range(len(USUAL)))
def test_deltas_agree_on_damage_after_a_chunk_like_it(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, at: int
) -> None:
    """The compiled reader compares a chunk with the one before it."""
    for data in [USUAL[:at] + bytes([byte]) + USUAL[at + 1 :] for byte in b'"\\{}[],:nx0 \x00\n\xff\xe5'] + [
        USUAL[:at],
        USUAL[:at] + USUAL[at + 1 :],
        USUAL[:at] + USUAL[at : at + 1] + USUAL[at:],
    ]:
        assert native_xiaoer.chat_delta(USUAL) == "a好b"
        assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data), data


bodies = st.one_of(
    st.text(max_size=40)
    .map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0)[1:-1])
    .map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *[
                        b'"',
                        b"\\",
                        b'\\"',
                        b"\\\\",
                        b"\\n",
                        b"\\/",
                        b"\\u",
                        b"\\u00e9",
                        b"\\ud83d",
                        b"\\ude00",
                        b"\\uD83D\\uDE00",
                    ],
                    *[b"\\u0000", b"\\x", b"\n", b"\0", b"\x7f", b"a" * 70, b"x" * 600],
                    *[
                        "é".encode(),
                        "好".encode(),
                        "😀".encode(),
                        b"\xc0\x80",
                        b"\xed\xa0\x80",
                        b"\xf4\x90\x80\x80",
                        b"\xe4\xb8",
                    ],
                    *[b'","content":"', b'"},{"', b'"}}]}', AFTER],
                ]
            ),
            st.binary(max_size=3),
        ),
        max_size=8,
    ).map(b"".join),
)


@given(contents=st.lists(st.tuples(bodies, st.booleans()), min_size=1, max_size=6))
def test_deltas_agree_on_any_content_of_a_stream(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, contents: list[tuple[bytes, bool]]
) -> None:
    """Chunk after chunk of one stream, here and there one of another between them."""
    for content, other in contents:
        before = BEFORE.replace(b"c-1", b"c-2") if other else BEFORE
        data = before + content + AFTER
        assert outcome(native_xiaoer.chat_delta, data) == outcome(pure_xiaoer.chat_delta, data), data


@pytest.mark.parametrize("length", [*range(140), 4000, 4095, 4096, 4097, 9000])
def test_deltas_agree_at_every_length(native_xiaoer: ModuleType, pure_xiaoer: ModuleType, length: int) -> None:
    for data in (
        b'{"choices":[{"delta":{"content":"' + b"x" * length + b'"}}]}',
        b'{"p":"' + b"x" * length + b'","choices":[{"delta":{"content":"y"}}]}',
        b'{"choices":[{"delta":{"content":"y"}}],"p":"' + b"x" * length + b'\\""}',
        b" " * length + b'{"choices":[{"delta":{"content":"y"}}]}',
    ):
        assert native_xiaoer.chat_delta(data) == pure_xiaoer.chat_delta(data)


def test_failures_of_the_codec_keep_the_references_right(native_xiaoer: ModuleType) -> None:
    def one_round() -> None:
        for call, arguments in (
            (native_xiaoer.chat_delta, (b'{"choices":[{"delta":{"content":"\\ud800"}}]}',)),
            (native_xiaoer.chat_delta, (b'{"choices":[{"delta":{"content":5}}]}',)),
            (native_xiaoer.chat_delta, ("x",)),
            (native_xiaoer.encode_sse, (b"x", "\ud800")),
            (native_xiaoer.encode_sse, (b"x", "a\n")),
            (native_xiaoer.encode_sse, (5, "a", "b")),
            (native_xiaoer.SSEDecoder(9).feed, (b"data: 0\n\n" + b"x" * 10,)),
            (native_xiaoer.SSEDecoder().feed, ("x",)),
            (native_xiaoer.SSEDecoder, (0,)),
            (native_xiaoer.SSEEvent, (b"x", "a", "b", [])),
        ):
            with pytest.raises((TypeError, ValueError, native_xiaoer.EventTooLarge)):
                call(*arguments)

    for _ in range(50):
        one_round()
    gc.collect()
    before = len(gc.get_objects()), sys.getallocatedblocks(), sys.getrefcount(None)
    for _ in range(3_000):
        one_round()
    gc.collect()
    after = len(gc.get_objects()), sys.getallocatedblocks(), sys.getrefcount(None)
    # One thing left behind in a round would be 3,000; what else lives in this process comes and goes.
    assert all(b - a < 1_500 for a, b in zip(before, after, strict=True)), (before, after)
