"""The compiled chunker against its specification, where its own fuzz target can't be built."""

from fuzz.reader import Reader
from support.chunker_texts import FRAGMENTS
from xiaoer import Chunker
from xiaoer.pure.chunker import Chunker as Pure


def run(data: bytes) -> None:
    """Raises AssertionError where the two differ."""
    reader = Reader(data)
    limit = reader.below(60) + 1
    overlap = reader.below(limit)
    text = "".join(FRAGMENTS[byte] if byte < len(FRAGMENTS) else chr(byte) for byte in reader.rest()[:200])
    ours, expected = Chunker(limit, overlap=overlap).spans(text), Pure(limit, overlap).spans(text)
    assert ours == expected, (text, limit, overlap)
