"""The cursor pump, without a network: every code point of the log arrives once, in order, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.delivery import MemoryConversation, MemoryLog
from xiaoer_server.chat import session as session_module
from xiaoer_server.chat.entries import Entry, Piece, Typing
from xiaoer_server.chat.session import CloseReason, Delivery, Session
from xiaoer_server.errors import ServerError, Unavailable

Cursor = tuple[int, int, bool]


class Peer:
    """An outlet together with the client at its other end: it notes what it has, and fails on a gap or a repeat.

    `room` is how many frames fit before the outlet is full.
    """

    def __init__(self, conversation: MemoryConversation) -> None:
        self.conversation = conversation
        self.after = 0
        self.offset = 0
        self.partial = False
        self.texts: dict[int, str] = {}
        self.room = 1_000_000
        self.events: list[tuple[str, Any]] = []
        self.own: set[str] = set()
        self.history: list[tuple[Cursor, dict[int, str]]] = []
        self.closed: CloseReason | None = None
        self.reading = True

    @property
    def writable(self) -> bool:
        return self.room > 0 and self.closed is None

    def _note(self, name: str, value: Any) -> None:
        self.room -= 1
        self.events.append((name, value))

    def _keep(self) -> None:
        self.history.append(((self.after, self.offset, self.partial), dict(self.texts)))

    def _expect(self, seq: int) -> None:
        """Step over own messages that are not echoed; then `seq` has to be next."""
        while self.after + 1 < seq and not self.partial:
            skipped = self.conversation.entries[self.after]
            assert skipped.client_id in self.own, f"entry {skipped.seq} was skipped"
            self.after += 1
            self.texts[skipped.seq] = skipped.text
        assert seq == self.after + 1, f"entry {seq} came where {self.after + 1} was due"

    def deliver_entry(self, entry: Entry) -> None:
        self._note("message", entry.seq)
        self._expect(entry.seq)
        assert not self.partial, "a message for what came as deltas"
        assert entry.status != "streaming"
        self.texts[entry.seq] = entry.text
        if entry.role == "assistant":
            self.offset, self.partial = len(entry.text), True
        else:
            self.after += 1
        self._keep()

    def deliver_piece(self, piece: Piece) -> None:
        self._note("delta", (piece.seq, piece.offset, piece.text))
        self._expect(piece.seq)
        assert piece.offset == self.offset
        assert piece.text
        self.texts[piece.seq] = self.texts.get(piece.seq, "") + piece.text
        self.offset, self.partial = piece.end, True
        self._keep()

    def deliver_done(self, entry: Entry) -> None:
        self._note("done", entry.seq)
        self._expect(entry.seq)
        assert self.partial
        assert self.offset == len(entry.text)
        self.after, self.offset, self.partial = entry.seq, 0, False
        self._keep()

    def ack(self, client_id: str, seq: int) -> None:
        self.events.append(("ack", (client_id, seq)))

    def error(self, error: ServerError, client_id: str | None = None) -> None:
        self.events.append(("error", (error.code, client_id)))

    def typing(self, event: Typing) -> None:
        self.events.append(("typing", event.role))

    def read_on(self, allowed: bool) -> None:
        self.reading = allowed

    def close(self, reason: CloseReason) -> None:
        self.closed = reason

    def lose_connection(self, back: int) -> None:
        """The last frames were on the way and never came."""
        if back and self.history:
            at = max(0, len(self.history) - 1 - back)
            (self.after, self.offset, self.partial), self.texts = self.history[at][0], dict(self.history[at][1])
        # What was acked is not taken as delivered: on resume all entries come.
        self.history = []
        self.own = set()
        self.room = 1_000_000
        self._keep()


def make(
    conversation: MemoryConversation | None = None, *, seconds: float = 30.0, in_flight: int = 64
) -> tuple[MemoryConversation, MemoryLog, Peer, Session]:
    conversation = conversation or MemoryConversation()
    log = MemoryLog(conversation)
    peer = Peer(conversation)
    return conversation, log, peer, connect(log, peer, seconds=seconds, in_flight=in_flight)


def connect(log: MemoryLog, peer: Peer, *, seconds: float = 30.0, in_flight: int = 64) -> Session:
    delivery = Delivery(log, log.accept, log.mark_read, in_flight, seconds)  # type: ignore[arg-type]
    return Session(delivery, peer.conversation, peer)  # type: ignore[arg-type]


TEXT = st.text(st.sampled_from("ab你好😀 "), min_size=1, max_size=6)

STEP = st.one_of(
    st.tuples(st.just("append"), st.sampled_from(["visitor", "agent", "system"]), TEXT),
    st.tuples(st.just("post"), st.sampled_from(["mine", "bad one"])),
    st.tuples(st.just("begin")),
    st.tuples(st.just("grow"), TEXT),
    st.tuples(st.just("grow"), TEXT),
    st.tuples(st.just("finish"), st.sampled_from(["complete", "interrupted"])),
    st.tuples(st.just("fill"), st.integers(0, 3)),
    st.tuples(st.just("drain")),
    st.tuples(st.just("reconnect"), st.integers(0, 6)),
    st.tuples(st.just("tick")),
)


@settings(max_examples=max(150, settings.default.max_examples))
@given(st.integers(1, 4), st.lists(STEP, min_size=25, max_size=80))
@example(3, [("begin",), ("grow", "你好"), ("fill", 0), ("grow", "a"), ("reconnect", 1), ("finish", "complete")])
@example(1, [("append", "agent", "a")] * 5 + [("begin",), ("grow", "ab"), ("reconnect", 6), ("finish", "complete")])
def test_nothing_is_missed_and_nothing_comes_twice(tail: int, steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(_interleave(tail, steps))


async def _interleave(tail: int, steps: list[tuple[Any, ...]]) -> None:
    conversation, log, peer, session = make(MemoryConversation(tail=tail))
    session.begin()
    peer._keep()
    posted = 0
    for name, *arguments in steps:
        live = conversation.live
        if name == "append":
            conversation.add(arguments[0], arguments[1])
        elif name == "post":
            posted += 1
            peer.own.add(f"c{posted}")
            session.post(f"c{posted}", arguments[0])
        elif name == "begin" and live is None:
            conversation.begin()
        elif name == "grow" and live is not None:
            live.append(arguments[0])
        elif name == "finish" and live is not None:
            live.finish("stop", status=arguments[0])
        elif name == "fill":
            peer.room = arguments[0]
        elif name == "drain":
            peer.room = 1_000_000
            session.flowing()
        elif name == "tick":
            await asyncio.sleep(0)
        elif name == "reconnect":
            session.close()
            peer.lose_connection(arguments[0])
            session = connect(log, peer)
            if peer.partial:
                session.resume(peer.after + 1, peer.offset)
            else:
                session.resume(peer.after)
    if conversation.live is not None:
        conversation.live.finish()
    peer.room = 1_000_000
    session.flowing()
    for _ in range(200):
        await asyncio.sleep(0)
    peer._expect(conversation.durable + 1)
    assert peer.texts == {entry.seq: entry.text for entry in conversation.entries}
    assert session._own is None
    session.close()
    assert conversation.subscribers == []


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "PAGE", 2)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def delivered(peer: Peer) -> list[tuple[str, Any]]:
    return [event for event in peer.events if event[0] in ("message", "delta", "done")]


async def test_starts_at_the_tail_and_not_before_begin() -> None:
    conversation = MemoryConversation()
    conversation.add("visitor", "old")
    _, _, peer, session = make(conversation)
    peer.after = 1
    conversation.add("agent", "after connect")
    assert delivered(peer) == []
    session.begin()
    assert delivered(peer) == [("message", 2)]


async def test_an_answer_under_way_comes_from_its_beginning() -> None:
    conversation = MemoryConversation()
    conversation.add("visitor", "old")
    live = conversation.begin()
    live.append("你好")
    _, _, peer, session = make(conversation)
    peer.after = 1
    session.begin()
    live.append("!")
    live.finish()
    assert delivered(peer) == [("delta", (2, 0, "你好")), ("delta", (2, 2, "!")), ("done", 2)]


async def test_the_tail_is_before_what_is_not_durable_yet() -> None:
    """The log begins an answer at once; messages before it may still be on their way to the disk."""
    conversation = MemoryConversation()
    live = conversation.begin()
    conversation.durable = 0
    live.entry.seq = 3
    _, _, _, session = make(conversation)
    assert session.seq == 0


async def test_an_answer_holds_back_what_comes_after_it() -> None:
    conversation, _, peer, session = make()
    session.begin()
    live = conversation.begin()
    live.append("a")
    conversation.add("visitor", "meanwhile")
    assert delivered(peer) == [("delta", (1, 0, "a"))]
    live.append("b")
    live.finish()
    assert delivered(peer)[1:] == [("delta", (1, 1, "b")), ("done", 1), ("message", 2)]


async def test_each_answer_comes_as_deltas_and_stops_where_the_outlet_is_full() -> None:
    conversation, _, peer, session = make()
    session.begin()
    for text in ("ab", "cd"):
        live = conversation.begin()
        live.append(text)
        live.finish()
    assert [name for name, _ in delivered(peer)] == ["delta", "done", "delta", "done"]
    peer.room = 1
    live = conversation.begin()
    for text in ("e", "f", "g"):
        live.append(text)
    assert delivered(peer)[4:] == [("delta", (3, 0, "e"))]
    peer.room = 100
    session.flowing()
    assert delivered(peer)[5:] == [("delta", (3, 1, "f")), ("delta", (3, 2, "g"))]


async def test_an_answer_that_grows_elsewhere_is_waited_for() -> None:
    conversation, _, peer, session = make()
    session.begin()
    entry = conversation.add("assistant", "half", status="streaming")
    assert delivered(peer) == []
    entry.status = "interrupted"
    conversation.notify()
    assert delivered(peer) == [("message", 1), ("done", 1)]


@pytest.mark.parametrize(
    ("after", "offset", "expected"),
    [
        (0, None, [("message", 1), ("message", 2), ("done", 2)]),
        (1, None, [("message", 2), ("done", 2)]),
        (2, None, []),
        (2, 0, [("delta", (2, 0, "你好吗")), ("done", 2)]),
        (2, 2, [("delta", (2, 2, "吗")), ("done", 2)]),
        (2, 3, [("done", 2)]),
        (2, 9, [("message", 2), ("done", 2)]),
        (1, 2, [("message", 2), ("done", 2)]),
        (9, None, []),
        (9, 4, []),
        (0, 7, [("message", 1), ("message", 2), ("done", 2)]),
    ],
)
async def test_resume(after: int, offset: int | None, expected: list[tuple[str, Any]]) -> None:
    conversation = MemoryConversation()
    conversation.add("visitor", "在吗")
    conversation.add("assistant", "你好吗", finish_reason="stop")
    _, _, peer, session = make(conversation)
    peer._expect = lambda seq: None  # type: ignore[method-assign]
    peer.partial, peer.offset = offset is not None, offset or 0
    seen: list[tuple[str, Any]] = []
    peer.deliver_entry = lambda entry: seen.append(("message", entry.seq))  # type: ignore[method-assign]
    peer.deliver_piece = lambda piece: seen.append(  # type: ignore[method-assign]
        ("delta", (piece.seq, piece.offset, piece.text))
    )
    peer.deliver_done = lambda entry: seen.append(("done", entry.seq))  # type: ignore[method-assign]
    session.resume(after, offset)
    assert seen == expected


async def test_resume_inside_a_piece_of_a_growing_answer() -> None:
    conversation = MemoryConversation()
    live = conversation.begin()
    live.append("你好")
    live.append("世界")
    _, _, peer, session = make(conversation)
    peer.offset, peer.partial = 3, True
    session.resume(1, 3)
    live.append("!")
    assert delivered(peer) == [("delta", (1, 3, "界")), ("delta", (1, 4, "!"))]


async def test_resume_behind_a_growing_answer_without_offset_gives_it_whole() -> None:
    conversation = MemoryConversation()
    conversation.begin().append("abc")
    _, _, peer, session = make(conversation)
    session.resume(1)
    assert delivered(peer) == [("delta", (1, 0, "abc"))]


async def test_older_than_the_tail_comes_in_pages() -> None:
    conversation = MemoryConversation(tail=2)
    for number in range(7):
        conversation.add("visitor", str(number))
    _, log, peer, session = make(conversation)
    session.resume(0)
    await settle()
    assert [seq for _, seq in delivered(peer)] == [1, 2, 3, 4, 5, 6, 7]
    assert log.ranges == 3


@pytest.mark.parametrize(
    "error", [Unavailable("no", code="store_unavailable", retry_after=1), RuntimeError("disk on fire")]
)
async def test_a_log_that_cannot_be_read_sends_the_peer_away(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    conversation = MemoryConversation(tail=1)
    for number in range(5):
        conversation.add("visitor", str(number))
    _, log, peer, session = make(conversation)
    log.range_error = error
    session.resume(0)
    await settle()
    assert peer.events == [("error", ("store_unavailable", None))]
    assert peer.closed is CloseReason.DROPPED
    assert conversation.subscribers == []


async def test_own_messages_are_acked_and_not_echoed_unless_masked() -> None:
    _, _, peer, session = make()
    session.begin()
    peer.own = {"a", "b"}
    session.post("a", "hello")
    session.post("b", "bad word")
    await settle()
    assert sorted(peer.events) == [("ack", ("a", 1)), ("ack", ("b", 2)), ("message", 2)]


async def test_other_outlets_get_the_message() -> None:
    conversation, log, _, session = make()
    other = Peer(conversation)
    connect(log, other).begin()
    session.begin()
    session.post("a", "hello")
    await settle()
    assert delivered(other) == [("message", 1)]


async def test_a_resend_is_acked_again_with_the_same_seq() -> None:
    _, _, peer, session = make()
    session.begin()
    peer.own = {"a"}
    for _ in range(2):
        session.post("a", "hello")
        await settle()
    assert peer.events == [("ack", ("a", 1)), ("ack", ("a", 1))]
    assert session._own is None


async def test_a_refused_message_is_reported_and_forgotten() -> None:
    _, log, peer, session = make()
    log.fail = True
    session.post("a", "hello")
    await settle()
    assert peer.events == [("error", ("store_unavailable", "a"))]
    assert session._own is None


async def test_reading_stops_while_too_much_is_under_way() -> None:
    _, log, peer, session = make(in_flight=2)
    session.begin()
    log.hold = True
    peer.own = {"a", "b"}
    session.post("a", "1")
    assert peer.reading
    session.post("b", "2")
    assert not peer.reading
    log.release()
    assert peer.reading


async def test_a_slow_reader_is_closed_and_a_recovered_one_is_not() -> None:
    conversation, _, peer, session = make(seconds=0.05)
    session.begin()
    peer.room = 0
    conversation.add("agent", "a")
    await asyncio.sleep(0.01)
    peer.room = 10
    session.flowing()
    await asyncio.sleep(0.1)
    assert peer.closed is None
    peer.room = 0
    conversation.add("agent", "b")
    await asyncio.sleep(0.1)
    assert peer.closed is CloseReason.SLOW_READER


async def test_typing_goes_to_the_others_and_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, log, peer, session = make()
    other = Peer(conversation)
    connect(log, other)
    session.typing()
    session.typing()
    assert other.events == [("typing", "visitor")]
    assert peer.events == []
    monkeypatch.setattr(session_module, "TYPING_GAP", 0.0)
    session.typing()
    assert len(other.events) == 2
    other.room = 0
    session.typing()
    assert len(other.events) == 2


async def test_read_marks_go_forward_and_not_beyond_the_log() -> None:
    conversation, log, _, session = make()
    for _ in range(3):
        conversation.add("agent", "a")
    marks: list[tuple[str, str, int]] = []
    session._delivery = Delivery(log, log.accept, lambda *mark: marks.append(mark))  # type: ignore[arg-type]
    for seq in (2, 1, 2, 99):
        session.read(seq)
    assert marks == [(conversation.tenant, conversation.id, 2), (conversation.tenant, conversation.id, 3)]


async def test_dropped_by_the_log_tells_first_and_refuses_what_is_pending() -> None:
    conversation, log, peer, session = make()
    session.begin()
    log.hold = log.fail = True
    session.post("a", "1")
    conversation.drop(Unavailable("no", code="store_unavailable", retry_after=1))
    log.release()
    assert peer.closed is None
    await settle()
    assert peer.events == [("error", ("store_unavailable", None)), ("error", ("store_unavailable", "a"))]
    assert peer.closed is CloseReason.DROPPED
    conversation.add("agent", "later")
    assert delivered(peer) == []


async def test_restart_tells_when_to_come_back() -> None:
    _, _, peer, session = make()
    errors: list[ServerError] = []
    peer.error = lambda error, client_id=None: errors.append(error)  # type: ignore[method-assign]
    session.close_for_restart()
    assert errors[0].code == "draining"
    assert errors[0].retry_after
    assert peer.closed is CloseReason.RESTART
