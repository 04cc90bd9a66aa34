"""Every path through the SSE codec, those that end in errors too."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

from leaks.refusals import OddString, refuses

STREAM = (
    b"\xef\xbb\xbf: comment\nevent: delta\nid: 7\ndata: one\ndata: two\n\n"
    b"retry: 1500\rdata: three\r\r" + "event: 好\r\nid: é\r\ndata: 你好\r\n\r\n".encode() + b"data: cut off"
)
BAD_UTF8 = b"event: \xff\xfe\nid: \xc3\x28\ndata: \xff\n\n"
DELTAS = {
    "usual": '{"id":"c-1","choices":[{"index":0,"delta":{"content":"你好 there"}}]}',
    "escapes": '{"choices":[{"delta":{"content":"a\\n\\u597d\\ud83d\\ude00\\"b"}}]}',
    "equal keys": '{"choices":[{"delta":{"content":"a","content":"b"}}],"choices":[{"delta":{"content":"c"}}]}',
    "null": '{"choices":[{"delta":{"content":null}}]}',
    "nothing": '{"choices":[],"usage":{"total_tokens":3}}',
    "no delta": '{"choices":[{"index":0}]}',
    "spaces": '{ "choices" : [ { "delta" : { "role":"assistant" , "content" : "x" } } ] }',
    "escaped key": '{"ch\\u006fices":[{"delta":{"content":"x"}}]}',
    "deep": '{"x":' + "[" * 60 + "]" * 60 + ',"choices":[{"delta":{"content":"x"}}]}',
}
BAD_DELTAS = [
    *(b"", b"[DONE]", b"[]", b"5", b'"x"', b"{", b'{"choices":[{"delta":{"content":"x', b"\xff"),
    *(b'{"choices":5}', b'{"choices":[5]}', b'{"choices":[{"delta":5}]}', b'{"choices":[{"delta":{"content":5}}]}'),
    *(b'{"choices":[{"delta":{"content":"\xff"}}]}', b'{"choices":[{"delta":{"content":"\\x"}}]}', b"{} x"),
    *(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', b'{"x":01}', b'{"x":"\x01"}', b"[" * 2_000),
]


def paths(xiaoer: ModuleType, directory: Path) -> dict[str, Callable[[], object]]:
    make, encode, delta = xiaoer.SSEDecoder, xiaoer.encode_sse, xiaoer.chat_delta
    [event] = make().feed(b"event: e\nid: i\nretry: 5\ndata: d\n\n")

    def by_bytes() -> None:
        decoder = make()
        for place in range(len(STREAM)):
            decoder.feed(STREAM[place : place + 1])

    def too_large() -> None:
        decoder = make(20)
        for chunk in (b"data: one\n\ndata: " + b"x" * 30, b"more"):
            refuses(xiaoer.EventTooLarge, decoder.feed, chunk)
        decoder = make(20)
        decoder.feed(b"data: " + b"x" * 14)
        refuses(xiaoer.EventTooLarge, decoder.feed, b"xx\n")
        decoder = make(20)
        decoder.feed(b"data: xxxxxxxxx\n")
        refuses(xiaoer.EventTooLarge, decoder.feed, b"data: xxxxxxxxx\n")

    def feeds_refused() -> None:
        decoder = make()
        for chunk in ("str", None, 5, [b"x"]):
            refuses(TypeError, decoder.feed, chunk)
        refuses(TypeError, decoder.feed)
        refuses(ValueError, make, 0)
        refuses(TypeError, make, "20")
        with memoryview(b"data: x\n\n") as view:
            decoder.feed(view)
        view = memoryview(b"data")
        view.release()
        refuses(ValueError, decoder.feed, view)

    def encodings_refused() -> None:
        for name in ("a\nb", "a\rb"):
            refuses(ValueError, encode, b"data", name)
            refuses(ValueError, encode, b"data", None, name)
        refuses(ValueError, encode, b"data", None, "a\0b")
        refuses(UnicodeEncodeError, encode, "a\ud800")
        refuses(UnicodeEncodeError, encode, "a", "\ud800")
        refuses(UnicodeEncodeError, encode, "a", None, "\ud800")
        refuses(TypeError, encode, 5)
        refuses(TypeError, encode, None)
        refuses(TypeError, encode, b"data", 5)
        refuses(TypeError, encode, b"data", None, b"id")
        refuses(TypeError, encode)

    def deltas_refused() -> None:
        for data in BAD_DELTAS:
            refuses(xiaoer.InvalidDelta, delta, data)
        refuses(TypeError, delta, "str")
        refuses(TypeError, delta, None)
        refuses(TypeError, delta, bytearray(b"{}"))

    calls: dict[str, Callable[[], object]] = {
        f"delta, {name}": partial(delta, text.encode()) for name, text in DELTAS.items()
    }
    return calls | {
        "feed": lambda: make().feed(STREAM),
        "feed byte by byte": by_bytes,
        "feed of other buffers": lambda: (make().feed(bytearray(STREAM)), make().feed(memoryview(STREAM))),
        "feed of bad UTF-8": lambda: make().feed(BAD_UTF8 * 3),
        "feed of a long event": lambda: make().feed(b"data: " + b"x" * 5_000 + b"\ndata: y\n\n"),
        "feed of too much": too_large,
        "feed refused": feeds_refused,
        "left amid an event": lambda: make().feed(b"event: e\ndata: x\ndata: y"),
        "encode text": lambda: encode("你好\nthere\r\n!", "delta", "7"),
        "encode bytes": lambda: encode(b"one\rtwo"),
        "encode strings of a subclass": lambda: encode(OddString("x"), OddString("e"), OddString("i")),
        "encode refused": encodings_refused,
        "delta refused": deltas_refused,
        "event": lambda: (repr(event), hash(event), event == xiaoer.SSEEvent(b"x"), event.data, event.retry),
    }
