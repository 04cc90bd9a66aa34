"""Random filters and texts over a small alphabet, so that everything collides with everything."""

from types import ModuleType
from typing import Any, NamedTuple

from hypothesis import strategies as st

from support.filter_oracle import Oracle

LETTERS = ["a", "b", "A", "ａ", "é", "加", "微", "信", "1", "２", "ﾊ", "ハ", "\ud800", "\U00020000"]
NOISES = [" ", ".", "-", "\u3000", "\u200b", "！", "\n", "😀", "\ufe0f"]
# Texts of each storage width, pure noise, and everything together.
TEXTS = st.one_of(
    st.text(st.sampled_from(["a", "b", "A", "1", "2", " ", ".", "é"]), max_size=24),
    st.text(st.sampled_from(["a", "加", "微", "信", " ", "-", "\ud800"]), max_size=24),
    st.text(st.sampled_from(LETTERS + NOISES), max_size=32),
    st.text(max_size=12),
)
_WORDS = st.one_of(
    st.text(st.sampled_from(["a", "b", "A", "1", "加"]), min_size=1, max_size=4),
    st.text(st.sampled_from(LETTERS), min_size=1, max_size=3),
    st.text(st.sampled_from(["a", "加", " ", ".", "😀"]), min_size=1, max_size=3),
)


class Case(NamedTuple):
    """Arguments of a filter."""

    words: list[str]
    allow: list[str]
    fold: int
    gap: int
    total: int
    whole_words: bool

    def filter(self, library: ModuleType) -> Any:
        return library.WordFilter(
            self.words,
            allow=self.allow,
            fold=library.Fold(self.fold),
            skip=library.Skip(self.gap, self.total),
            whole_words=self.whole_words,
        )

    def oracle(self) -> Oracle:
        return Oracle(self.words, self.allow, self.fold, (self.gap, self.total), self.whole_words)


CASES = st.builds(
    Case,
    words=st.lists(_WORDS, max_size=6),
    allow=st.lists(_WORDS, max_size=2),
    fold=st.integers(0, 3),
    gap=st.integers(0, 3),
    total=st.integers(0, 4),
    whole_words=st.booleans(),
)


def seen(matches: list[Any]) -> list[tuple[int, int, str]]:
    """Matches as plain values, comparable between libraries."""
    return [(match.start, match.end, match.word.text) for match in matches]
