"""Our filter: as it comes, and with everything off, which is what most peers do."""

from collections.abc import Sequence

from benches.peers.filter import Filter, Scanner
from benches.run import this_run
from xiaoer import Fold, WordFilter

_IN_PYTHON = this_run() == "pure"
_MOST = 10_000 if _IN_PYTHON else 1_000_000
_WHY = "built in plain Python, such a list takes too long" if _IN_PYTHON else ""


def _scanner(words: WordFilter, *, exact: bool) -> Scanner:
    def hits(text: str) -> set[object]:
        return {(match.start, match.end) for match in words.find(text)}

    return Scanner(words.contains, words.find, hits if exact else None)


def _as_it_comes(words: Sequence[str]) -> Scanner:
    return _scanner(WordFilter(words), exact=False)


def _everything_off(words: Sequence[str]) -> Scanner:
    return _scanner(WordFilter(words, fold=Fold.NONE, skip=None, whole_words=False), exact=True)


FILTERS = [
    Filter("xiaoer", _as_it_comes, ours=True, most_words=_MOST, why_not_more=_WHY),
    Filter("xiaoer, all off", _everything_off, ours=True, most_words=_MOST, why_not_more=_WHY),
]
