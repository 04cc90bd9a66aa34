"""daachorse, charwise."""

from collections.abc import Sequence
from typing import Any

from benches.peers import need
from benches.peers.filter import Filter, Scanner

daachorse: Any = need(
    "daachorse",
    "daachorse",
    licence="MIT or Apache-2.0",
    lacks="a yes-or-no search (finds all), folding, noise, masking, streams, allow list, change in place",
)


def _build(words: Sequence[str]) -> Scanner:
    automaton = daachorse.CharwiseDoubleArrayAhoCorasick(list(words), daachorse.MATCH_KIND_LEFTMOST_LONGEST)
    find = automaton.find
    return Scanner(find, find, lambda text: {(start, end) for start, end, _ in find(text)})


FILTERS = daachorse and [Filter("daachorse", _build)]
