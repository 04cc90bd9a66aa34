"""The Web Platform Tests' event-stream cases, as data: each stream and the events that a browser must dispatch.

Source: web-platform-tests/wpt, directory `eventsource` (3-Clause BSD), one row a test file. `resources/message.py`
there ends a message with LF LF LF, or only LF with `newline=none`. Retry times are the ones that the
tests measure. Every stream is fed whole, byte by byte, and in two parts cut at every place.
"""

from types import ModuleType

import pytest

LONG = b"x" * 2048

Event = tuple[bytes, str, str, int | None]


def message(data: bytes, event: str = "message", id: str = "", retry: int | None = None) -> Event:  # noqa: A002
    return data, event, id, retry


CASES: dict[str, tuple[bytes, list[Event]]] = {
    "event-data": (
        b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
        [message(b"msg\nmsg"), message(b""), message(b"end")],
    ),
    "format-bom": (
        b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n\n",
        [message(b"1"), message(b"3")],
    ),
    "format-bom-2": (
        b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n\n",
        [message(b"2"), message(b"3")],
    ),
    "format-comments": (
        b"data:1\r:\0\n:\r\ndata:2\n:" + LONG + b"\rdata:3\n:data:fail\r:" + LONG + b"\ndata:4\n\n",
        [message(b"1\n2\n3\n4")],
    ),
    "format-data-before-final-empty-line": (
        b"retry:1000\ndata:test1\n\nid:test\ndata:test2\n",
        [message(b"test1", retry=1000)],
    ),
    "format-field-data": (
        b"data:\n\ndata\ndata\n\ndata:test\n\n\n",
        [message(b""), message(b"\n"), message(b"test")],
    ),
    "format-field-event": (
        b"event:test\ndata:x\n\ndata:x\n\n\n",
        [message(b"x", event="test"), message(b"x")],
    ),
    "format-field-event-empty": (b"event: \ndata:data\n\n\n", [message(b"data")]),
    "format-field-id": (
        "id: …\ndata: hello\n\n".encode(),
        [message(b"hello", id="…")],
    ),
    "format-field-id-3 (persists)": (
        b"id: 1\ndata: 1\n\ndata: 2\n\nid: 2\ndata:3\n\ndata:4\n\n",
        [message(b"1", id="1"), message(b"2", id="1"), message(b"3", id="2"), message(b"4", id="2")],
    ),
    "format-field-id-3 (resets)": (
        b"id: 1\ndata: 1\n\nid:\ndata:2\n\ndata:3\n\n",
        [message(b"1", id="1"), message(b"2"), message(b"3")],
    ),
    "format-field-id-3 (resets, id without colon)": (
        b"id: 1\ndata: 1\n\nid\ndata:2\n\ndata:3\n\n",
        [message(b"1", id="1"), message(b"2"), message(b"3")],
    ),
    **{
        f"format-field-id-null ({value!r})": (b"id:" + value + b"\ndata: hello\n\n", [message(b"hello")])
        for value in [b"\0\0", b"x\0", b"\0x", b"x\0x", b" \0"]
    },
    "format-field-parsing": (
        b"data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\n"
        b"data:3\rdata:\r\n data:32\ndata:4\n\n",
        [message(b"\0\n 2\n1\n3\n\n4")],
    ),
    "format-field-retry": (b"retry:03000\ndata:x\n\n\n", [message(b"x", retry=3000)]),
    "format-field-retry-bogus": (b"retry:3000\nretry:1000x\ndata:x\n\n\n", [message(b"x", retry=3000)]),
    "format-field-retry-empty": (b"retry\ndata:test\n\n\n", [message(b"test")]),
    "format-field-unknown": (
        b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n\n",
        [message(b"test\n\ntest")],
    ),
    "format-leading-space": (b"data:\ttest\rdata: \ndata:test\n\n\n", [message(b"\ttest\n\ntest")]),
    "format-newlines": (b"data:test\r\ndata\ndata:test\r\n\r\n", [message(b"test\n\ntest")]),
    "format-null-character": (b"data:\0\n\n\n\n", [message(b"\0")]),
    "format-utf-8": ("data:ok…\n\n\n".encode(), [message("ok…".encode())]),
}


def read(xiaoer: ModuleType, *chunks: bytes) -> list[Event]:
    decoder = xiaoer.SSEDecoder()
    return [(event.data, event.event, event.id, event.retry) for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
def test_whole_and_byte_by_byte(xiaoer: ModuleType, stream: bytes, events: list[Event]) -> None:
    assert read(xiaoer, stream) == events
    assert read(xiaoer, *(stream[i : i + 1] for i in range(len(stream)))) == events


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
def test_cut_at_every_place(xiaoer: ModuleType, stream: bytes, events: list[Event]) -> None:
    places = range(len(stream) + 1) if len(stream) < 500 else range(0, len(stream) + 1, 97)
    for place in places:
        assert read(xiaoer, stream[:place], stream[place:]) == events, place


@pytest.mark.parametrize(("stream", "events"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("line_end", [b"\r", b"\r\n"])
def test_every_line_end_means_the_same(xiaoer: ModuleType, stream: bytes, events: list[Event], line_end: bytes) -> None:
    stream = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", line_end)
    assert read(xiaoer, stream) == events
    assert read(xiaoer, *(stream[i : i + 1] for i in range(len(stream)))) == events
