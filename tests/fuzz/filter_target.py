"""The filter against brute force, where its own fuzz target can't be built. The bytes only seed the case."""

from random import Random

import xiaoer
from support.filter_cases import make_case, seen


def run(data: bytes) -> None:
    """Raises AssertionError where the two differ."""
    case, text = make_case(Random(data))
    words, oracle = case.filter(xiaoer), case.oracle()
    assert seen(words.find(text)) == [tuple(hit) for hit in oracle.find(text)], (case, text)
    assert seen(words.find_overlapping(text)) == [tuple(hit) for hit in oracle.find_overlapping(text)], (case, text)
    stream = words.stream()
    given = "".join(stream.feed(text[at : at + 3]) for at in range(0, len(text), 3)) + stream.flush()
    assert given == oracle.replace(text, "*"), (case, text)
