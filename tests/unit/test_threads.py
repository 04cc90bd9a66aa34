"""Threads on the kernels: changes of a filter are seen whole or not at all, and large texts hold nobody up."""

import hashlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.chunker_texts import FRAGMENTS

THREADS = 8
LEAST = 0.4  # seconds
PATIENCE = 30.0  # seconds, for a machine under load; every test ends as soon as it has seen enough
FIRST, SECOND = "alpha", "omega"
# The two words that always change together, far apart: a scan that changes filters on the way would mix them up.
TEXT = f"x {FIRST} " + "丁" * 1_000 + f" {SECOND} y"
MASKED = TEXT.replace(FIRST, "*****").replace(SECOND, "*****")


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


class HalfSeen(Exception):
    """One of the two words was there without the other, or older than the other."""


def version(words: list[Any]) -> int | None:
    """What version the two words are of; None where there are none."""
    found = {word.text: word.level for word in words}
    if not found:
        return None
    if found.keys() != {FIRST, SECOND} or found[FIRST] != found[SECOND]:
        raise HalfSeen(found)
    return found[FIRST]


def by_find(words: Any) -> int | None:
    return version([match.word for match in words.find(TEXT)])


def by_find_overlapping(words: Any) -> int | None:
    return version([match.word for match in words.find_overlapping(TEXT)])


def by_words(words: Any) -> int | None:
    return version(words.words)


def masked(output: str) -> int | None:
    if output not in (TEXT, MASKED):
        raise HalfSeen(output[:20], output[-20:])
    return 0 if output == MASKED else None


def by_replace(words: Any) -> int | None:
    return masked(words.replace(TEXT))


def by_stream(words: Any) -> int | None:
    stream = words.stream()
    return masked("".join(stream.feed(TEXT[at : at + 300]) for at in range(0, len(TEXT), 300)) + stream.flush())


def by_contains(words: Any) -> int | None:
    return 0 if words.contains(TEXT) else None


WAYS = [by_find, by_find_overlapping, by_words, by_replace, by_stream, by_contains]


def pair(xiaoer: ModuleType, level: int) -> list[Any]:
    return [xiaoer.Word(text, level=level) for text in (FIRST, SECOND)]


def watch_changes(words: Any, changes: list[Callable[[int], object]], ways: list[Callable[[Any], int | None]]) -> None:
    """Changes a filter in some threads and looks at it in others, till all have seen enough. Raises what they raise."""
    done = threading.Event()
    begun = time.monotonic()
    barrier = threading.Barrier(len(changes) + len(ways))

    def change(apply: Callable[[int], object]) -> None:
        barrier.wait()
        for number in count(1):
            if done.is_set():
                return
            apply(number)

    def look(way: Callable[[Any], int | None]) -> int:
        barrier.wait()
        seen = set()
        for number in count(1):
            seen.add(way(words))
            spent = time.monotonic() - begun
            enough = number >= 100 and spent > LEAST and None in seen and len(seen) > 1
            if enough or done.is_set() or spent > PATIENCE:
                return len(seen)
        raise AssertionError("count() does not end")

    with ThreadPoolExecutor(len(changes) + len(ways)) as pool:
        changing = [pool.submit(change, apply) for apply in changes]
        looking = [pool.submit(look, way) for way in ways]
        try:
            for task in looking:
                assert task.result(PATIENCE * 2) > 1, "no change was seen, so nothing was tested"
        finally:
            done.set()
        for task in changing:
            task.result(PATIENCE)


def test_a_change_is_seen_whole_or_not_at_all(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter([], skip=None)
    changes = [
        lambda number: words.add(pair(xiaoer, number)),
        lambda number: words.remove([FIRST, SECOND]),
    ]
    watch_changes(words, changes, WAYS)
    assert len(changes) + len(WAYS) == THREADS


def test_that_check_sees_a_half_change(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter([], skip=None)

    def add_by_halves(number: int) -> None:
        for word in pair(xiaoer, number):
            words.add([word])

    with pytest.raises(HalfSeen):
        watch_changes(words, [add_by_halves, lambda number: words.remove([FIRST, SECOND])], WAYS)


def test_whole_sets_are_swapped_whole(xiaoer: ModuleType) -> None:
    """Changes of hundreds of words at a time: each scan finds the words of one of them, and all of those."""
    sets = [[f"{name}{number}丁" for number in range(200)] for name in ("k", "m")]
    text = " ".join(word for words in sets for word in words)
    words = xiaoer.WordFilter(sets[0], fold=xiaoer.Fold.NONE, skip=None)

    def swap(number: int) -> None:
        # In two changes, so there may be both for a while, or only one: never a part of either.
        words.add(sets[number % 2])
        words.remove(sets[1 - number % 2])

    def look(words: Any) -> int | None:
        found = [match.word.text for match in words.find(text)]
        if found not in (sets[0], sets[1], sets[0] + sets[1]):
            raise HalfSeen(found)
        return None if found == sets[0] else len(found)

    watch_changes(words, [swap], [look] * (THREADS - 1))


def test_saved_under_changes_it_loads_whole(xiaoer: ModuleType, tmp_path: Path) -> None:
    words = xiaoer.WordFilter([], allow=["omega point"], skip=None)
    numbers = count()

    def save_and_load(words: Any) -> int | None:
        path = tmp_path / f"words-{next(numbers)}"
        words.save(path)
        loaded = xiaoer.WordFilter.load(path)
        path.unlink()
        assert loaded.allow == ["omega point"]
        return version(loaded.words)

    def load_what_others_save(words: Any) -> int | None:
        # All save to one place; a load in between finds a whole file.
        words.save(tmp_path / "words")
        return version(xiaoer.WordFilter.load(tmp_path / "words").words)

    changes = [lambda number: words.add(pair(xiaoer, number)), lambda number: words.remove([FIRST, SECOND])]
    watch_changes(words, changes, [save_and_load] * 3 + [load_what_others_save] * 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["words"], "a half-written file was left"


def test_a_stream_keeps_its_words_while_others_change_them(xiaoer: ModuleType) -> None:
    words = xiaoer.WordFilter([FIRST, SECOND], skip=None)
    streams = [words.stream() for _ in range(THREADS - 1)]
    over = threading.Event()

    def change() -> None:
        for number in count():
            if over.is_set():
                return
            words.remove([FIRST, SECOND]) if number % 2 == 0 else words.add([FIRST])

    def feed(stream: Any) -> None:
        for _ in range(20):
            pieces = [stream.feed(TEXT[at : at + 100]) for at in range(0, len(TEXT), 100)]
            assert "".join(pieces) + stream.flush() == MASKED

    with ThreadPoolExecutor(THREADS) as pool:
        changing = pool.submit(change)
        try:
            list(pool.map(feed, streams))
        finally:
            over.set()
        changing.result(PATIENCE)


def test_a_word_may_look_at_its_filter_when_it_dies(xiaoer: ModuleType) -> None:
    """Freeing a word runs its owner's code, which must not find the filter locked by the change that freed it."""
    seen = []

    class Mourned(xiaoer.Word, frozen=True):  # type: ignore[misc, name-defined]
        def __del__(self) -> None:
            seen.append(len(words))

    # Words that are allowed, too, are in no automaton: nothing but the filter's own list keeps them.
    words = xiaoer.WordFilter([], allow=["上海"])

    def change() -> None:
        for replacement in (["上海"], [xiaoer.Word("上海", level=2)]):
            words.add([Mourned("上海")])
            words.add(replacement)
        words.add([Mourned("上海")])
        words.remove(["上海"])

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    changing.join(PATIENCE / 3)
    assert not changing.is_alive(), "it waits for itself"
    assert len(seen) == 3


def all_at_once(work: Callable[[int], None]) -> None:
    """Runs `work(0)` … `work(7)`, each in a thread, all from the same moment on. Raises what one of them raises."""
    barrier = threading.Barrier(THREADS)

    def begin(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begin, range(THREADS)))


def test_one_chunker_in_many_threads(xiaoer: ModuleType) -> None:
    chunker = xiaoer.Chunker(50, overlap=10)
    texts = ["".join(FRAGMENTS[number:] + FRAGMENTS[:number]) * 3 for number in range(THREADS)]
    expected = [(xiaoer.Chunker(50, overlap=10).spans(text), text) for text in texts]

    def work(number: int) -> None:
        spans, text = expected[number]
        for _ in range(20):
            assert chunker.spans(text) == spans
            assert chunker.split(text) == [text[start:end] for start, end in spans]

    all_at_once(work)


def test_a_decoder_for_each_thread(xiaoer: ModuleType) -> None:
    def work(number: int) -> None:
        for times in range(20):
            events = [(f"{number} 好 {event}".encode(), f"e{number}", str(event)) for event in range(20)]
            wire = b"".join(xiaoer.encode_sse(*event) for event in events)
            decoder = xiaoer.SSEDecoder()
            pieces = [wire[at : at + 7 + times] for at in range(0, len(wire), 7 + times)]
            read = [event for piece in pieces for event in decoder.feed(piece)]
            assert [(event.data, event.event, event.id) for event in read] == events
            delta = b'{"choices":[{"delta":{"content":"%d"}}]}' % number
            assert xiaoer.chat_delta(delta) == str(number)

    all_at_once(work)


def steps_of_another_thread_during(call: Callable[[], object]) -> int:
    """How far another thread came while `call` ran: 0 where it held the GIL all the time.

    No clock decides. Threads are not told to hand the GIL over (the switch interval is long), so the other, which is
    ready to run, gets it only if `call` gives it up. It then takes all its steps before it can be asked for the GIL.
    """
    steps = 0
    ready, go = threading.Event(), threading.Event()

    def take_steps() -> None:
        nonlocal steps
        ready.set()
        go.wait()
        for _ in range(10_000):
            steps += 1

    usual = sys.getswitchinterval()
    other = threading.Thread(target=take_steps)
    other.start()
    ready.wait()
    time.sleep(0.01)  # until it waits for `go`
    sys.setswitchinterval(1_000)
    try:
        go.set()
        call()
        return steps
    finally:
        sys.setswitchinterval(usual)
        other.join()


def gives_up_the_gil(call: Callable[[], object]) -> bool:
    # A thread that is not woken before the call ends, on a machine that is busy, is no proof of the contrary.
    return any(steps_of_another_thread_during(call) for _ in range(10))


def test_that_check_sees_who_gives_up_the_gil_and_who_holds_it() -> None:
    data = bytes(50_000_000)
    assert gives_up_the_gil(lambda: hashlib.sha256(data))
    assert not gives_up_the_gil(lambda: data.count(b"ab"))


@pytest.mark.parametrize("method", ["contains", "find", "find_overlapping", "replace"])
@pytest.mark.parametrize("char", ["x", "丁"], ids=["UCS1", "UCS2"])
def test_others_run_while_a_large_text_is_scanned(native_xiaoer: ModuleType, method: str, char: str) -> None:
    text = char * 50_000_000
    scan = getattr(native_xiaoer.WordFilter(["加微信", "refund scam"]), method)
    assert gives_up_the_gil(lambda: scan(text))
