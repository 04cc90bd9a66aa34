"""The chunker, limits in characters: time for a document, and how good the cuts are."""

import pytest

from benches.documents import DOCUMENTS, make_document
from benches.measure import Row, Stopwatch
from benches.peers.chunker import Chunking, share_of_good_cuts
from benches.peers.chunkers import by_characters
from benches.texts import fresh

LIMIT = 1_000
LENGTHS = dict.fromkeys(DOCUMENTS, 200_000) | {"unpunctuated": 20_000}  # where some take the square of the length
SHORT = 5_000


def _chunkings(kind: str, length: int) -> list[Chunking]:
    document = make_document(kind, length)
    return by_characters(LIMIT, kind, len(document.encode()) / len(document))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    lengths = dict.fromkeys(DOCUMENTS, SHORT) if metafunc.config.getoption("quick") else LENGTHS
    cases = [(kind, length, each) for kind, length in lengths.items() for each in _chunkings(kind, length)]
    metafunc.parametrize(
        ("kind", "length", "chunking"), cases, ids=[f"{kind}, {each.gives}: {each.name}" for kind, _, each in cases]
    )


def test_chunker(kind: str, length: int, chunking: Chunking, stopwatch: Stopwatch) -> None:
    document = make_document(kind, length)
    chunks = chunking.texts(document)
    assert len(chunks) >= length // LIMIT
    assert not chunking.obeys or max(map(len, chunks)) <= LIMIT
    if chunking.keeps_all:
        assert "".join(chunks) == document
    else:
        assert _letters("".join(chunks)) == _letters(document)
    row = Row(
        "chunker",
        f"{chunking.gives}, {kind}, {length:,} characters, chunks of {LIMIT:,}",
        chunking.name,
        size=length,
        unit="characters",
        comparable=chunking.comparable,
        note=f"{share_of_good_cuts(chunks):.0%}",
    )
    stopwatch.calls(row, chunking.split, [document], fresh)


def _letters(text: str) -> str:
    # A chunker by bytes may have cut a character in two, which no longer decodes.
    return "".join(filter(str.isalnum, text.replace("\ufffd", "")))[:100]
