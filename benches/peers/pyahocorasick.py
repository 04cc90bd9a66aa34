"""pyahocorasick."""

from collections.abc import Sequence
from typing import Any

from benches.peers import need
from benches.peers.filter import Filter, Scanner

ahocorasick: Any = need(
    "pyahocorasick",
    "ahocorasick",
    licence="BSD-3-Clause",
    lacks="folding, noise (but single white space), masking, streams, allow list, change while it is searched",
)


def _build(words: Sequence[str]) -> Scanner:
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, len(word))
    automaton.make_automaton()

    def contains(text: str) -> bool:
        return next(automaton.iter(text), None) is not None

    def find(text: str) -> list[tuple[int, int]]:
        return list(automaton.iter_long(text))

    def hits(text: str) -> set[object]:
        return {(last + 1 - length, last + 1) for last, length in find(text)}

    return Scanner(contains, find, hits)


FILTERS = ahocorasick and [Filter("pyahocorasick", _build)]
