"""ahocorasick-rs: the automaton it chooses itself, and the DFA."""

from collections.abc import Sequence
from typing import Any

from benches.peers import need
from benches.peers.filter import Filter, Scanner

ahocorasick_rs: Any = need(
    "ahocorasick-rs",
    "ahocorasick_rs",
    licence="Apache-2.0",
    lacks="a yes-or-no search (finds all), folding, noise, masking, streams, allow list, change in place, files",
)


def _build(words: Sequence[str], implementation: Any) -> Scanner:
    automaton = ahocorasick_rs.AhoCorasick(
        words, ahocorasick_rs.MatchKind.LeftmostLongest, implementation=implementation
    )
    find = automaton.find_matches_as_indexes
    return Scanner(find, find, lambda text: {(start, end) for _, start, end in find(text)})


def _default(words: Sequence[str]) -> Scanner:
    return _build(words, None)


def _dfa(words: Sequence[str]) -> Scanner:
    return _build(words, ahocorasick_rs.Implementation.DFA)


FILTERS = ahocorasick_rs and [
    Filter("ahocorasick-rs", _default),
    Filter(
        "ahocorasick-rs, DFA", _dfa, most_words=100_000, why_not_more="the table of a million words takes gigabytes"
    ),
]
