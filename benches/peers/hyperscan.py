"""hyperscan, with its compiler for literals. It works on bytes, so the text is encoded first, as a user has to."""

from collections.abc import Sequence
from typing import Any

from benches.peers import need
from benches.peers.filter import Filter, Scanner

hyperscan: Any = need(
    "hyperscan",
    "hyperscan",
    licence="MIT (the bindings), BSD-3-Clause (the engine)",
    lacks="text (bytes only), leftmost-longest, foldings but ASCII case, noise, masking, allow list, change in place",
)


def _compile(words: Sequence[str], flags: int) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[word.encode() for word in words],
        ids=list(range(len(words))),
        elements=len(words),
        flags=flags,
        literal=True,
    )
    return database


class _Lazily:
    """The two databases that the two questions are fastest with, each compiled when it is first asked."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._databases: dict[int, Any] = {}

    def scan(self, flags: int) -> Any:
        if flags not in self._databases:
            self._databases[flags] = _compile(self._words, flags)
        return self._databases[flags].scan


def _build(words: Sequence[str]) -> Scanner:
    lazily = _Lazily(words)
    first = lazily.scan(hyperscan.HS_FLAG_SINGLEMATCH)
    stopped = hyperscan.ScanTerminated

    def stop(*_: object) -> bool:
        return True

    def contains(text: str) -> bool:
        try:
            first(text.encode(), match_event_handler=stop)
        except stopped:
            return True
        return False

    def find(text: str) -> list[tuple[int, int, int]]:
        found: list[tuple[int, int, int]] = []

        def note(word: int, start: int, end: int, flags: int, context: object) -> None:
            found.append((word, start, end))

        lazily.scan(hyperscan.HS_FLAG_SOM_LEFTMOST)(text.encode(), match_event_handler=note)
        return found

    def hits(text: str) -> set[object]:
        raw = text.encode()
        return {(len(raw[:start].decode()), len(raw[:end].decode())) for _, start, end in find(text)}

    return Scanner(contains, find, hits, "all")


FILTERS = hyperscan and [
    Filter(
        "hyperscan", _build, most_words=100_000, why_not_more="compiling grows out of hand: 100,000 words take seconds"
    )
]
