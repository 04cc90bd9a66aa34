"""Shared calls and stored answers: everyone gets all the bytes of their own tenant's answer, or one failure."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiaoer_server.llm.flight import Flight, Seat
from xiaoer_server.llm.receiver import UpstreamError
from xiaoer_server.llm.response_cache import ENTRY_BYTES, Key, ResponseCache, cache_key


class Source:
    """The leader's call."""

    def __init__(self) -> None:
        self.paused = False
        self.cancelled = 0

    def pause(self) -> None:
        assert not self.paused
        self.paused = True

    def resume(self) -> None:
        assert self.paused
        self.paused = False

    def cancel(self) -> None:
        self.cancelled += 1


class Reader:
    """Takes `most` blocks, then wants a pause."""

    def __init__(self, most: int = 1_000) -> None:
        self.most = self.credit = most
        self.data = b""
        self.ends = 0
        self.failures: list[Any] = []
        self.seat: Seat | None = None

    def take(self, block: bytes) -> bool:
        assert not self.ends
        assert not self.failures
        self.data += block
        self.credit -= 1
        return self.credit > 0

    def end(self) -> None:
        self.ends += 1

    def fail(self, failure: Any) -> None:
        self.failures.append(failure)

    def join(self, flight: Flight) -> Reader:
        self.seat = flight.join(self)
        self.seat.resume()
        return self

    def resume(self) -> None:
        assert self.seat is not None
        self.credit = self.most
        self.seat.resume()

    def leave(self) -> None:
        assert self.seat is not None
        self.seat.leave()


def under_way(**options: Any) -> tuple[Flight, Source]:
    flight = Flight(keep=options.pop("keep", 1_000), **options)
    source = Source()
    flight.fed_by(source)
    return flight, source


def test_who_comes_late_reads_from_the_first_byte() -> None:
    flight, source = under_way()
    first = Reader().join(flight)
    flight.feed(b"a")
    late = Reader().join(flight)
    flight.feed(b"b")
    flight.finish()
    for reader in (first, late):
        assert (reader.data, reader.ends, reader.failures) == (b"ab", 1, [])
    assert (source.cancelled, flight.readers, flight.held) == (0, 0, 0)
    with pytest.raises(ValueError, match="no more readers"):
        flight.join(Reader())


def test_a_slow_reader_holds_up_nobody_and_misses_nothing() -> None:
    flight, source = under_way()
    slow, fast = Reader(1).join(flight), Reader().join(flight)
    for number in range(5):
        flight.feed(b"%d" % number)
    assert (slow.data, fast.data, source.paused) == (b"0", b"01234", False)
    flight.finish()
    assert (slow.ends, fast.ends) == (0, 1)
    for _ in range(4):
        slow.resume()
    slow.resume()
    assert (slow.data, slow.ends, flight.held) == (b"01234", 1, 0)


def test_the_source_rests_while_nobody_is_ready() -> None:
    flight, source = under_way()
    one, two = Reader(1).join(flight), Reader(2).join(flight)
    flight.feed(b"a")
    assert not source.paused
    flight.feed(b"b")
    assert source.paused
    one.resume()
    assert one.data == b"ab"
    assert source.paused
    two.resume()
    assert not source.paused
    two.leave()
    assert source.paused
    assert source.cancelled == 0


def test_the_last_to_leave_cancels_once() -> None:
    flight, source = under_way()
    one, two = Reader().join(flight), Reader().join(flight)
    one.leave()
    one.leave()
    assert source.cancelled == 0
    two.leave()
    two.leave()
    assert source.cancelled == 1
    flight.feed(b"late")
    flight.fail("late")
    flight.finish()
    assert (one.data, one.failures, two.failures, flight.held, source.cancelled) == (b"", [], [], 0, 1)
    assert not flight.joinable


def test_all_may_leave_before_the_call_is_there() -> None:
    flight = Flight(keep=10)
    Reader().join(flight).leave()
    source = Source()
    flight.fed_by(source)
    assert source.cancelled == 1
    failed = Flight(keep=10)
    Reader().join(failed)
    failed.fail("at once")
    failed.fed_by(source)
    assert source.cancelled == 1


def test_an_endless_answer_stays_bounded_and_drops_who_is_too_far_behind() -> None:
    flight, source = under_way(keep=100, backlog=200)
    slow, fast = Reader(1).join(flight), Reader().join(flight)
    for _ in range(1_000):
        flight.feed(b"x" * 10)
        assert flight.held <= 210
    assert [type(failure) for failure in slow.failures] == [UpstreamError]
    assert (len(fast.data), fast.failures, flight.joinable) == (10_000, [], False)
    fast.leave()
    assert source.cancelled == 1


def test_a_reader_alone_is_paused_and_never_dropped() -> None:
    flight, source = under_way(keep=100, backlog=200)
    reader = Reader(1).join(flight)
    flight.feed(b"a" * 1_000)
    assert source.paused
    flight.feed(b"b" * 1_000)  # what was already on its way
    reader.resume()
    flight.finish()
    reader.resume()
    assert (reader.data, reader.ends) == (b"a" * 1_000 + b"b" * 1_000, 1)


def test_a_broken_reader_hurts_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Reader):
        def take(self, block: bytes) -> bool:
            raise RuntimeError("broken")

        fail = take  # type: ignore[assignment]

    flight, source = under_way()
    broken, sound = Broken().join(flight), Reader().join(flight)
    flight.feed(b"a")
    assert (flight.readers, sound.data, broken.failures) == (1, b"a", [])
    waiting = Broken()
    waiting.seat = flight.join(waiting)
    flight.fail("gone")
    assert sound.failures == ["gone"]
    assert len(caplog.records) == 2
    assert source.cancelled == 0


def test_readers_may_leave_each_other_while_they_read() -> None:
    flight, source = under_way()
    two = Reader()

    class Rude(Reader):
        def take(self, block: bytes) -> bool:
            two.leave()
            self.leave()
            return True

    Rude().join(flight)
    two.join(flight)
    flight.feed(b"a")
    assert (two.data, source.cancelled, flight.readers) == (b"", 1, 0)


KEYS: list[Key] = [("甲", b"1"), ("乙", b"1"), ("甲", b"2")]
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.sampled_from(["leave", "resume"]), st.integers(0, 20), st.just(0)),
    st.tuples(st.just("feed"), st.integers(0, 2), st.integers(0, 60)),
    st.tuples(st.sampled_from(["finish", "fail", "forget"]), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("tick"), st.integers(1, 40), st.just(0)),
)


class World:
    """Calls, readers and what each must see, told by the steps alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cache = ResponseCache(2 * ENTRY_BYTES + 150, 100, 60.0, lambda: self.now)
        self.sources: dict[Flight, Source] = {}
        self.sent: dict[Flight, bytes] = {}
        self.key_of: dict[Flight, Key] = {}
        self.state: dict[Flight, str] = {}
        self.newest: dict[Key, Flight] = {}
        self.readers: list[tuple[Reader, Flight]] = []
        self.left: set[Reader] = set()
        self.whole: dict[Key, set[bytes]] = {key: set() for key in KEYS}

    def step(self, what: str, number: int, size: int) -> None:
        if what == "tick":
            self.now += number
        elif what in ("leave", "resume"):
            if self.readers:
                reader, _ = self.readers[number % len(self.readers)]
                if what == "leave":
                    reader.leave()
                    if not reader.ends and not reader.failures:
                        self.left.add(reader)
                else:
                    reader.resume()
        elif what == "ask":
            self.ask(KEYS[number], size)
        elif what == "forget":
            self.cache.forget(KEYS[number][0])
        elif (flight := self.newest.get(KEYS[number])) is not None:
            self.feed(what, flight, KEYS[number], size)

    def ask(self, key: Key, most: int) -> None:
        answer = self.cache.get(key)
        if answer is not None:
            assert answer in self.whole[key]
            return
        flight, leads = self.cache.flight(key)
        assert leads == (flight not in self.sources)
        if leads:
            self.sources[flight] = Source()
            self.sent[flight], self.key_of[flight], self.state[flight] = b"", key, "open"
            self.newest[key] = flight
        assert self.key_of[flight] == key
        reader = Reader(most).join(flight)
        self.readers.append((reader, flight))
        if leads:
            flight.fed_by(self.sources[flight])

    def feed(self, what: str, flight: Flight, key: Key, size: int) -> None:
        live = self.state[flight] == "open" and not self.sources[flight].cancelled
        if what == "feed":
            block = (repr(key) + str(len(self.sent))).encode()[:1] * size if size % 2 else repr(key).encode()[:size]
            if live:
                self.sent[flight] += block
            flight.feed(block)
        elif what == "finish":
            if live:
                self.state[flight] = "whole"
                self.whole[key].add(self.sent[flight])
            flight.finish()
        else:
            if live:
                self.state[flight] = "failed"
            flight.fail(("failure", key))

    def check(self) -> None:
        for reader, flight in self.readers:
            assert reader.ends + len(reader.failures) <= 1
            assert self.sent[flight].startswith(reader.data)
            assert reader.failures in ([], [("failure", self.key_of[flight])])
            assert not (reader.ends and reader.data != self.sent[flight])
        for flight, source in self.sources.items():
            mine = [reader for reader, of in self.readers if of is flight]
            gone = all(reader in self.left for reader in mine)
            assert source.cancelled == (gone and self.state[flight] == "open")
            if self.state[flight] == "open" and not gone:
                assert source.paused == (not any(r.seat and r.seat.open and r.seat.ready for r in mine))
            if self.state[flight] == "failed":
                assert all(len(reader.failures) == (reader not in self.left) for reader in mine)
            if not flight.readers:
                assert flight.held == 0 or flight.joinable
        entries = self.cache._entries
        assert self.cache.bytes == sum(len(entry.answer) + ENTRY_BYTES for entry in entries.values())
        assert self.cache.bytes <= 2 * ENTRY_BYTES + 150
        for key, entry in entries.items():
            assert entry.answer in self.whole[key]
            assert len(entry.answer) <= 100

    def finish(self) -> None:
        """In the end everyone who stayed has the whole answer or the failure."""
        for flight, state in list(self.state.items()):
            if state == "open":
                self.feed("finish", flight, self.key_of[flight], 0)
        for reader, flight in self.readers:
            while reader.seat is not None and reader.seat.open:
                reader.resume()
            if reader not in self.left:
                assert reader.ends == (self.state[flight] == "whole")
                assert len(reader.failures) == (self.state[flight] == "failed")
        self.check()
        assert all(flight.held == 0 and flight.readers == 0 for flight in self.sources)
        assert self.cache.flights == 0


@settings(max_examples=400)
@given(st.lists(STEPS, max_size=60))
def test_random_interleavings(steps: list[tuple[str, int, int]]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
        world.check()
    world.finish()


def stored(cache: ResponseCache, key: Key, answer: bytes) -> None:
    flight, leads = cache.flight(key)
    assert leads
    Reader().join(flight)
    flight.feed(answer)
    flight.finish()


def test_answers_age_and_give_way_by_bytes() -> None:
    now = [0.0]
    cache = ResponseCache(3 * (ENTRY_BYTES + 10), 600, 60.0, lambda: now[0])
    keys = [("t", b"%d" % number) for number in range(4)]
    for key in keys[:3]:
        stored(cache, key, b"x" * 10)
    assert cache.get(keys[0]) == b"x" * 10
    stored(cache, keys[3], b"y" * 10)
    assert [cache.get(key) for key in keys] == [b"x" * 10, None, b"x" * 10, b"y" * 10]
    assert (len(cache), cache.bytes, cache.counts.evicted) == (3, 3 * (ENTRY_BYTES + 10), 1)
    now[0] = 60.0
    assert [cache.get(key) for key in keys] == [None] * 4
    assert (len(cache), cache.bytes) == (0, 0)
    stored(cache, keys[0], b"z" * 601)
    assert cache.get(keys[0]) is None
    nothing = ResponseCache(0, 600, 60.0)
    stored(nothing, keys[0], b"z")
    assert nothing.get(keys[0]) is None


def test_failures_and_forgotten_answers_are_not_stored() -> None:
    cache = ResponseCache(10_000, 1_000, 60.0)
    flight, _ = cache.flight(("t", b"1"))
    Reader().join(flight)
    flight.feed(b"half")
    flight.fail("broken")
    assert cache.get(("t", b"1")) is None
    old, _ = cache.flight(("t", b"1"))
    reader = Reader().join(old)
    cache.forget("t")
    new, leads = cache.flight(("t", b"1"))
    assert leads
    old.feed(b"before the words changed")
    old.finish()
    assert reader.ends == 1
    assert cache.get(("t", b"1")) is None
    assert cache.flight(("t", b"1")) == (new, False)


def test_an_entry_costs_no_more_than_is_counted() -> None:
    cache = ResponseCache(100_000_000, 1_000_000, 60.0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(2_000):
            stored(cache, cache_key("tenant", "/chat/completions", b'{"n":%d}' % number), bytes(100))
        assert tracemalloc.get_traced_memory()[0] - before <= cache.bytes
    finally:
        tracemalloc.stop()


def key_of(body: dict[str, Any] | bytes, tenant: str = "t", path: str = "/chat/completions") -> Key:
    return cache_key(tenant, path, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_what_makes_two_calls_the_same() -> None:
    base = {"model": "m", "messages": [{"role": "user", "content": "你好"}], "temperature": 0.4}
    key = key_of(base)
    assert key == key_of(dict(reversed(base.items())))
    assert key == key_of(json.dumps(base, indent=2, ensure_ascii=False).encode())
    assert key == key_of(base | {"user": "someone"})
    for other in ({"temperature": 0.5}, {"top_p": 1}, {"stream": True}, {"stream": False}, {"n": 2}, {"x": 1}):
        assert key != key_of(base | other)
    assert key != key_of(base, tenant="u")
    assert key != key_of(base, path="/embeddings")
    assert (
        len({key_of(b'{"x":%s}' % text) for text in (b"1e999", b"2e999", b"null", b"0.0", b"1e-999", b'"1e999"')}) == 6
    )
    large = b'{"x":%s}' % (b"9" * 400)
    assert key_of(large) == key_of(large)
    assert key_of(large) != key_of(b'{"x":%s}' % (b"9" * 401))
