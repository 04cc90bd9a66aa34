"""Counting tokens, and cutting by them."""

import pytest

from benches.documents import make_document
from benches.measure import Row, Stopwatch
from benches.peers.token_chunkers import by_tokens
from benches.peers.tokens import counters
from benches.texts import fresh

KINDS = ("chinese", "english", "markdown")
LIMIT = 300
LENGTH = 100_000
SHORT = 3_000
OURS = "xiaoer"


@pytest.mark.parametrize("length", [100, 10_000])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", dict.fromkeys([OURS, *(counter.name for counter in counters())]))
def test_count(kind: str, length: int, name: str, stopwatch: Stopwatch) -> None:
    counter = next((each for each in counters() if each.name == name), None)
    if counter is None:
        pytest.skip("xiaoer has no count_tokens in this build")
    document = make_document(kind, 50 * length)
    texts = [document[start : start + length] for start in range(0, len(document), length)]
    judge = counters()[-1]
    assert [counter.count(text) for text in texts[:20]] == [judge.count(text) for text in texts[:20]]
    size = sum(len(text.encode()) for text in texts) // len(texts)
    row = Row("tokens", f"count, {kind}, {length:,} characters", name, size=size, unit="bytes")
    stopwatch.calls(row, counter.count, texts, fresh)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", dict.fromkeys([f"spans: {OURS}", f"split: {OURS}", *by_tokens(LIMIT)]))
def test_chunks(kind: str, name: str, stopwatch: Stopwatch, quick: bool) -> None:
    chunking = by_tokens(LIMIT).get(name)
    if chunking is None:
        pytest.skip('xiaoer has no unit="tokens" in this build')
    document = make_document(kind, SHORT if quick else LENGTH)
    chunks = chunking.texts(document)
    count = counters()[-1].count
    # A cut between two letters of a token makes two of one, so a chunk by itself may have more than it had inside.
    assert max(map(count, chunks)) <= LIMIT + 2
    assert len(chunks) >= count(document) // LIMIT
    size = len(document.encode())
    row = Row(
        "tokens",
        f"{chunking.gives} by {LIMIT}, {kind}, {len(document):,} characters",
        chunking.name,
        size=size,
        unit="bytes",
    )
    stopwatch.calls(row, chunking.split, [document], fresh)
