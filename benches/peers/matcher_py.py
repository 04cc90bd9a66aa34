"""matcher-py, plain and with the foldings that come nearest to our defaults."""

from collections.abc import Sequence
from typing import Any

from benches.peers import need
from benches.peers.filter import Filter, Scanner

matcher_py: Any = need(
    "matcher-py",
    "matcher_py",
    licence="MIT or Apache-2.0",
    lacks="positions (tells which words, not where), masking, streams, allow list, change in place",
)
_WHY = "a million words take it over a minute and 7 GB to build"


def _build(words: Sequence[str], process: int) -> Scanner:
    matcher = matcher_py.SimpleMatcher.from_dict({process: dict(enumerate(words))})

    def hits(text: str) -> set[object]:
        return {result.word for result in matcher.process(text)}

    plain = process == matcher_py.ProcessType.NONE
    return Scanner(matcher.is_match, matcher.process, hits if plain else None, "words")


def _plain(words: Sequence[str]) -> Scanner:
    return _build(words, matcher_py.ProcessType.NONE)


def _folding(words: Sequence[str]) -> Scanner:
    return _build(words, matcher_py.ProcessType.VARIANT_NORM_DELETE_NORMALIZE)


FILTERS = matcher_py and [
    Filter("matcher-py", _plain, most_words=100_000, why_not_more=_WHY, positions=False),
    Filter("matcher-py, folding", _folding, most_words=100_000, why_not_more=_WHY, positions=False),
]
