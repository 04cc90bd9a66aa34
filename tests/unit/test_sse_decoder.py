"""The decoder beyond the WPT cases: state between events, limits, types; on each backend."""

import pickle
from types import ModuleType
from typing import Any

import pytest


def test_an_event_comes_as_soon_as_its_end_can_be_told(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder()
    assert decoder.feed(b"data: a\r") == []
    assert [event.data for event in decoder.feed(b"\r")] == [b"a"]  # no need to see whether a LF follows
    assert decoder.feed(b"\n") == []
    assert [event.data for event in decoder.feed(b"data: b\n\n")] == [b"b"]


def test_nothing_in_gives_nothing_out(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder()
    assert decoder.feed(b"") == []
    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"") == []
    assert [event.data for event in decoder.feed(b"\n\r\n")] == [b"a"]


@pytest.mark.parametrize("cut", range(5))
def test_a_bom_may_be_cut(xiaoer: ModuleType, cut: int) -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n"
    decoder = xiaoer.SSEDecoder()
    events = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
    assert [event.data for event in events] == [b"a"]


def test_half_a_bom_is_text(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder()
    assert decoder.feed(b"\xef\xbb") + decoder.feed(b":x\ndata: a\n\n") == [xiaoer.SSEEvent(b"a")]


def test_what_the_stream_asks_for_is_kept(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder()
    assert (decoder.last_event_id, decoder.retry) == ("", None)
    assert decoder.feed(b"retry: 2000\nid: 7\n") == []
    assert (decoder.last_event_id, decoder.retry) == ("", 2000)  # an id counts once its block is complete
    assert decoder.feed(b"\n") == []  # a block without data is no event
    assert (decoder.last_event_id, decoder.retry) == ("7", 2000)
    [event] = decoder.feed(b"data: x\n\n")
    assert event == xiaoer.SSEEvent(b"x", "message", "7", None)


@pytest.mark.parametrize("value", [b"", b" 1", b"-1", b"1.5", b"1x", b"\xd9\xa3", b"9" * 19, b"1\0"])
def test_bad_retry_is_ignored(xiaoer: ModuleType, value: bytes) -> None:
    decoder = xiaoer.SSEDecoder()
    [event] = decoder.feed(b"retry: " + value + b"\ndata: x\n\n")
    assert event.retry is None
    assert decoder.retry is None


def test_text_that_is_no_utf_8(xiaoer: ModuleType) -> None:
    [event] = xiaoer.SSEDecoder().feed(b"event: \xff\nid: a\xff\ndata: \xff\n\n")
    assert event == xiaoer.SSEEvent(b"\xff", "\ufffd", "a\ufffd")


@pytest.mark.parametrize("convert", [bytearray, memoryview])
def test_any_bytes_will_do(xiaoer: ModuleType, convert: Any) -> None:
    assert xiaoer.SSEDecoder().feed(convert(b"data: x\n\n")) == [xiaoer.SSEEvent(b"x")]


@pytest.mark.parametrize("wrong", ["data: x\n\n", None, 5, [1, 2]], ids=repr)
def test_anything_else_will_not(xiaoer: ModuleType, wrong: Any) -> None:
    decoder = xiaoer.SSEDecoder()
    with pytest.raises(TypeError):
        decoder.feed(wrong)
    assert decoder.feed(b"data: x\n\n") == [xiaoer.SSEEvent(b"x")]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_must_leave_room(xiaoer: ModuleType, limit: int) -> None:
    with pytest.raises(ValueError, match="max_event_bytes must be 1 or more"):
        xiaoer.SSEDecoder(limit)


FITS = [
    b"data: 34567890\n\n",  # a line of 14 bytes
    b"data: 345\ndata: 6789\n\n",  # 4 held, then a line of 10
    b": 345678901234\n: 345678901234\ndata: 34567890\n\n",  # comments are not held
    b"event: 8901234\ndata: 34567890\n\n",
    b"data: 1\n\ndata: 34567890\n\n",
]
TOO_LARGE = [
    b"data: 345678901\n\n",
    b"data: 345\ndata:345678\n\n",
    b": 3456789012345\n\n",
    b"id: 567890123451\n\n",
    b"x" * 15,  # a line without an end
    b"data\n" * 12,  # nothing, but twelve times
]


@pytest.mark.parametrize("stream", FITS)
def test_events_within_the_limit(xiaoer: ModuleType, stream: bytes) -> None:
    assert xiaoer.SSEDecoder(14).feed(stream)


@pytest.mark.parametrize("stream", TOO_LARGE)
def test_events_over_the_limit_however_cut(xiaoer: ModuleType, stream: bytes) -> None:
    for place in range(len(stream) + 1):
        decoder = xiaoer.SSEDecoder(14)
        seen = []
        with pytest.raises(xiaoer.EventTooLarge, match="over 14 bytes") as caught:
            for chunk in (b"data: a\n\n", stream[:place], stream[place:]):
                seen += decoder.feed(chunk)
        assert seen == [xiaoer.SSEEvent(b"a")]
        assert caught.value.events == []


def test_after_the_limit_nothing_more(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder(20)
    with pytest.raises(xiaoer.EventTooLarge) as first:
        decoder.feed(b"data: a\n\ndata: b\n\n" + b"x" * 21)
    assert first.value.events == [xiaoer.SSEEvent(b"a"), xiaoer.SSEEvent(b"b")]
    with pytest.raises(xiaoer.EventTooLarge) as second:
        decoder.feed(b"data: c\n\n")
    assert second.value.events == []


def test_default_limit_is_one_mebibyte(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder()
    [event] = decoder.feed(b"data:" + b"x" * (2**20 - 5) + b"\n\n")
    assert len(event.data) == 2**20 - 5
    with pytest.raises(xiaoer.EventTooLarge):
        decoder.feed(b"data:" + b"x" * (2**20 - 4) + b"\n\n")


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_many_short_lines_take_linear_time(xiaoer: ModuleType, line_end: bytes) -> None:
    """A decoder that searched the rest of the chunk for each line would need minutes here."""
    stream = (b"data: x" + line_end + line_end) * 100_000
    assert len(xiaoer.SSEDecoder().feed(stream)) == 100_000


def test_a_long_line_in_small_pieces_takes_linear_time(xiaoer: ModuleType) -> None:
    decoder = xiaoer.SSEDecoder(1 << 24)
    for _ in range(20_000):
        assert decoder.feed(b": hello") == []
    assert decoder.feed(b"\ndata: x\n\n") == [xiaoer.SSEEvent(b"x")]


def test_an_event_is_a_value(xiaoer: ModuleType) -> None:
    event = xiaoer.SSEEvent(b"x", id="7")
    assert event == xiaoer.SSEEvent(b"x", "message", "7", None)
    assert event != xiaoer.SSEEvent(b"x", "message", "8", None)
    assert event != (b"x", "message", "7", None)
    assert hash(event) == hash(xiaoer.SSEEvent(b"x", "message", "7"))
    assert repr(event) == "SSEEvent(data=b'x', event='message', id='7', retry=None)"
    with pytest.raises(AttributeError):
        event.data = b"y"
    match event:
        case xiaoer.SSEEvent(data, _, id):
            assert (data, id) == (b"x", "7")
        case _:
            pytest.fail("an event does not match its own class")


def test_an_event_can_be_pickled() -> None:
    import xiaoer

    event = xiaoer.SSEEvent(b"x", "a", "7", 3)
    assert pickle.loads(pickle.dumps(event)) == event
