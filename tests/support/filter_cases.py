"""Random filters and texts over a small alphabet, so that everything collides with everything."""

from random import Random
from types import ModuleType
from typing import Any, NamedTuple

from hypothesis import strategies as st

from support.filter_oracle import Oracle

LETTERS = ["a", "b", "A", "ａ", "é", "加", "微", "信", "1", "２", "ﾊ", "ハ", "\ud800", "\U00020000"]
NOISES = [" ", ".", "-", "\u3000", "\u200b", "！", "\n", "😀", "\ufe0f"]
# Letters and noise: texts of one storage width each, then one of everything.
THEMES = [
    ("ab", " ."),
    ("abé1", " -"),
    ("a12", " .\u200b"),
    ("加微信", " ，"),
    ("a加", " ！"),
    ("".join(LETTERS), "".join(NOISES)),
]


class Case(NamedTuple):
    """Arguments of a filter."""

    words: list[str]
    allow: list[str]
    fold: int
    gap: int
    total: int
    whole_words: bool
    repeats: bool

    def filter(self, library: ModuleType) -> Any:
        return library.WordFilter(
            self.words,
            allow=self.allow,
            fold=library.Fold(self.fold),
            skip=library.Skip(self.gap, self.total, self.repeats),
            whole_words=self.whole_words,
        )

    def oracle(self) -> Oracle:
        return Oracle(self.words, self.allow, self.fold, (self.gap, self.total), self.whole_words, self.repeats)


def make_case(random: Random) -> tuple[Case, str]:
    """A filter, and a text made of its words, of their beginnings, of noise in them and between them."""
    letters, noises = random.choice(THEMES)

    def some(characters: str, most: int) -> str:
        return "".join(random.choices(characters, k=random.randint(1, most)))

    def word() -> str:
        return some(letters + noises, 3) if random.random() < 0.3 else some(letters, 4)

    words = [word() for _ in range(random.randint(0, 6))]
    allow = [word() for _ in range(random.choice([0, 0, 1, 2]))]

    def piece() -> str:
        known = random.choice([*words, *allow, letters])
        match random.randrange(7):
            case 0:
                return known
            case 1:
                return known[: random.randint(0, 3)]
            case 2:
                return random.choice(noises).join(known)
            case 3:
                return "".join(char + random.choice(["", *noises]) * random.randint(1, 3) for char in known)
            case 4:
                return some(letters, 3)
            case 5:
                return "".join(char * random.randint(1, 3) + random.choice(["", "", *noises]) for char in known)
            case _:
                return some(noises, 4)

    case = Case(
        words,
        allow,
        fold=random.randrange(4),
        gap=random.randint(0, 3),
        total=random.randint(0, 4),
        whole_words=random.random() < 0.6,
        repeats=random.random() < 0.3,
    )
    return case, "".join(piece() for _ in range(random.randint(0, 6)))


CASES = st.randoms(use_true_random=False).map(make_case)


def seen(matches: list[Any]) -> list[tuple[int, int, str]]:
    """Matches as plain values, comparable between libraries."""
    return [(match.start, match.end, match.word.text) for match in matches]
