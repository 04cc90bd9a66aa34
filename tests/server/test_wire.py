"""The frames: what is taken from clients, what is refused and how, and the exact bytes that go out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from xiaoer_server.chat.entries import Entry, Piece, Source, Typing
from xiaoer_server.edge import wire
from xiaoer_server.errors import BadRequest, RateLimited

LIMIT = 4_000


def refused(payload: bytes) -> wire.Refused:
    with pytest.raises(wire.Refused) as caught:
        wire.decode(payload, LIMIT)
    return caught.value


@pytest.mark.parametrize(
    ("payload", "frame"),
    [
        (b'{"type":"message","client_id":"a-1","text":" hi "}', wire.PostFrame("a-1", " hi ")),
        (b'{"type":"message","client_id":"a","text":"\\ud83d\\ude00"}', wire.PostFrame("a", "😀")),
        (b'{"type":"message","client_id":"a","text":"x","new":{"field":[1]}}', wire.PostFrame("a", "x")),
        (b'{"type":"typing"}', wire.TypingFrame()),
        (b'{"type":"resume","after":3}', wire.ResumeFrame(3)),
        (b'{"offset":0,"type":"resume","after":3}', wire.ResumeFrame(3, 0)),
        (b'{"type":"read","seq":7}', wire.ReadFrame(7)),
        (b' {"type":"ping"} ', wire.PingFrame()),
    ],
)
def test_good_frames(payload: bytes, frame: wire.ClientFrame) -> None:
    assert wire.decode(payload, LIMIT) == frame


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"hello", "invalid_json"),
        (b'{"type":"ping"}{}', "invalid_json"),
        (b'{"type":"read","seq":NaN}', "invalid_json"),
        (b'{"type":"ping","x":' + b"[" * 20_000, "invalid_json"),
        (b"[]", "invalid_frame"),
        (b"null", "invalid_frame"),
        (b'"ping"', "invalid_frame"),
        (b"{}", "invalid_frame"),
        (b'{"type":7}', "invalid_frame"),
        (b'{"type":"nonsense"}', "unknown_type"),
        (b'{"type":"ack","client_id":"a","seq":1}', "unknown_type"),
        (b'{"type":"message","text":"x"}', "invalid_frame"),
        (b'{"type":"message","client_id":"a"}', "invalid_frame"),
        (b'{"type":"message","client_id":"a","text":7}', "invalid_frame"),
        (b'{"type":"message","client_id":7,"text":"x"}', "invalid_frame"),
        (b'{"type":"message","client_id":"","text":"x"}', "invalid_frame"),
        (b'{"type":"message","client_id":"' + b"a" * 65 + b'","text":"x"}', "invalid_frame"),
        (b'{"type":"message","client_id":"a\\u0007","text":"x"}', "invalid_frame"),
        ('{"type":"message","client_id":"你","text":"x"}'.encode(), "invalid_frame"),
        (b'{"type":"message","client_id":"a","text":""}', "invalid_text"),
        ('{"type":"message","client_id":"a","text":" \\n\u3000"}'.encode(), "invalid_text"),
        (b'{"type":"message","client_id":"a","text":"a\\u0000b"}', "invalid_text"),
        (b'{"type":"message","client_id":"a","text":"\\ud800"}', "invalid_text"),
        (b'{"type":"message","client_id":"a","text":"x\\udc00\\ud800y"}', "invalid_text"),
        (b'{"type":"message","client_id":"\\ud800","text":"x"}', "invalid_text"),
        (b'{"type":"message","client_id":"a","text":"' + b"x" * 4_001 + b'"}', "text_too_long"),
        (b'{"type":"resume"}', "invalid_frame"),
        (b'{"type":"resume","after":-1}', "invalid_frame"),
        (b'{"type":"resume","after":1.5}', "invalid_frame"),
        (b'{"type":"resume","after":true}', "invalid_frame"),
        (b'{"type":"resume","after":9007199254740992}', "invalid_frame"),
        (b'{"type":"resume","after":1,"offset":"2"}', "invalid_frame"),
        (b'{"type":"read","seq":99999999999999999999999999}', "invalid_frame"),
    ],
)
def test_bad_frames(payload: bytes, code: str) -> None:
    refusal = refused(payload)
    assert refusal.error.code == code
    assert refusal.client_id == ("a" if b'"client_id":"a"' in payload else None)


def test_a_limit_counts_code_points() -> None:
    text = "😀" * LIMIT
    payload = json.dumps({"type": "message", "client_id": "a", "text": text}).encode()
    assert wire.decode(payload, LIMIT) == wire.PostFrame("a", text)
    assert wire.decode_post(payload, LIMIT) == wire.PostFrame("a", text)


def test_a_refused_message_is_named() -> None:
    assert refused(b'{"type":"message","client_id":"a","text":""}').client_id == "a"
    assert refused(b'{"type":"message","client_id":"a","text":"\\ud800"}').client_id == "a"
    assert refused(b'{"type":"message","client_id":"\\n","text":7}').client_id is None


def test_a_posted_body_may_leave_the_type_out() -> None:
    assert wire.decode_post(b'{"client_id":"a","text":"x"}', LIMIT) == wire.PostFrame("a", "x")
    for body, code in ((b'{"type":"ping"}', "invalid_frame"), (b"\xff", "invalid_json"), (b"[1]", "invalid_frame")):
        with pytest.raises(wire.Refused) as caught:
            wire.decode_post(body, LIMIT)
        assert caught.value.error.code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "typing", "resume", "read", "ping"]) | JSON},
    optional=dict.fromkeys(("client_id", "text", "after", "offset", "seq", "x"), JSON),
)


@given(st.binary(max_size=40) | (JSON | FIELDS).map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_a_frame_or_refused(payload: bytes) -> None:
    for read in (wire.decode, wire.decode_post):
        try:
            frame = read(payload, LIMIT)
        except wire.Refused as refusal:
            wire.error(refusal.error, refusal.client_id)
        else:
            if isinstance(frame, wire.PostFrame):
                frame.text.encode()


def parsed(data: bytes) -> Any:
    return json.loads(data)


def test_server_frames() -> None:
    at = 1_795_348_800_123
    asked = Entry(1, "visitor", "在吗", at, client_id="c1")
    assert parsed(wire.message(asked, None)) == {
        "type": "message",
        "seq": 1,
        "role": "visitor",
        "text": "在吗",
        "at": "2026-11-22T12:00:00.123Z",
        "client_id": "c1",
    }
    cut = Entry(2, "assistant", "*hm*", at, status="interrupted", finish_reason="timeout", sources=[Source("A", "/a")])
    shown = parsed(wire.message(cut, lambda text: f"<p>{text}</p>"))
    assert (shown["status"], shown["html"]) == ("interrupted", "<p>*hm*</p>")
    assert "html" not in parsed(wire.message(asked, lambda text: "never for a visitor's own"))
    assert parsed(wire.done(cut, None)) == {
        "type": "done",
        "seq": 2,
        "finish_reason": "timeout",
        "sources": [{"title": "A", "url": "/a"}],
    }
    paged = parsed(wire.history(cut))
    assert paged.pop("sources") == [{"title": "A", "url": "/a"}]
    assert paged == parsed(wire.message(cut, None))
    assert wire.history(asked) == wire.message(asked, None)
    assert parsed(wire.done(Entry(3, "assistant", "x", at), str.upper)) == {
        "type": "done",
        "seq": 3,
        "finish_reason": "stop",
        "html": "X",
    }
    assert parsed(wire.delta(Piece(2, 4, "好"))) == {"type": "delta", "seq": 2, "offset": 4, "text": "好"}
    assert parsed(wire.encode(wire.Ack("c1", 1))) == {"type": "ack", "client_id": "c1", "seq": 1}
    assert parsed(wire.typing(Typing("visitor"))) == {"type": "typing"}
    assert parsed(wire.typing(Typing("assistant"))) == {"type": "typing", "role": "assistant"}
    assert parsed(wire.error(BadRequest("No.", code="invalid_text"))) == {
        "type": "error",
        "code": "invalid_text",
        "message": "No.",
    }
    assert parsed(wire.error(RateLimited("Slow.", retry_after=0.5), "c1")) == {
        "type": "error",
        "code": "rate_limited",
        "message": "Slow.",
        "retry_after": 0.5,
        "client_id": "c1",
    }
    assert parsed(wire.PONG) == {"type": "pong"}


@pytest.mark.parametrize("at", [0, 999, 1_000, 1_795_348_800_007])
def test_timestamps_have_milliseconds(at: int) -> None:
    text = wire.timestamp(at)
    assert text.endswith(f".{at % 1000:03d}Z")
    assert len(text) == 24


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_websocket_frames_are_those_of_websockets(length: int, opcode: Opcode) -> None:
    payload = b"x" * length
    assert wire.ws_frame(payload, 0x80 | opcode) == Frame(opcode, payload).serialize(mask=False)


def test_a_piece_is_encoded_once_for_each_kind() -> None:
    piece = Piece(3, 2, "好的")
    assert wire.ws_delta(piece) is wire.ws_delta(piece)
    assert wire.sse_delta(piece) is wire.sse_delta(piece)
    assert wire.ws_delta(piece)[2:] == wire.delta(piece)
    assert wire.sse_delta(piece) == b"event: delta\nid: 3:4\ndata: " + wire.delta(piece) + b"\n\n"


def test_positions() -> None:
    assert wire.parse_position("7") == (7, None)
    assert wire.parse_position("7:0") == (7, 0)
    assert wire.parse_position("7:12") == (7, 12)
    for text in ("", "x", "7:", ":7", "-1", "7:-1", "7:1:2", "+7", "٧", "7.0", "1" * 16):
        with pytest.raises(BadRequest):
            wire.parse_position(text)
