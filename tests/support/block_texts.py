"""Texts in which what matters stands at the borders of the blocks that vector code reads: 16 to 128 characters.

One storage width as often as another. Hypothesis draws a seed and no more, which is many times faster than drawing
every character; what fails is shown whole but not made smaller.
"""

from random import Random

from hypothesis import strategies as st

from support.filter_cases import Case

BORDERS = [border + step for border in (16, 32, 64, 128) for step in (-1, 0, 1)]
# Letters, noise and filler of texts that are stored with one, two and four bytes a character; the first filler makes
# them so. The other fillers are letters too, of no word.
WIDTHS = [
    ("abé1A", " .-", "ÿxz"),
    ("加微信a1Ａ２", "\u3000，\u200b .", "丁丙x"),
    ("\U00020000a加é2", "😀 .\u200b", "\U00020001丁x"),
]
LENGTHS = [1, 1, 2, 2, 3, 4, 8, 17, 65, 70, 130]
COUNTS = [1, 1, 1, 1, 2, 2, 3, 3, 5, 5, 8, 8, 63, 64, 65]


def filler(random: Random, chars: str, words: list[str], length: int) -> str:
    """So many characters: of one, of several, or of words that are not finished."""
    match random.randrange(3):
        case 0:
            return chars[0] * length
        case 1:
            return "".join(random.choices(chars, k=length))
        case _:
            word = random.choice(words)
            # Always one character short of a word, and no letter of one behind it.
            return ((word[:-1][-20:] + chars[0]) * (length + 1))[:length]


def disguised(random: Random, word: str, noises: str) -> str:
    """A word as it is, or with noise in it, mostly as much as is allowed; or only its beginning or its end."""
    match random.randrange(6):
        case 0:
            return random.choice(noises).join(word)
        case 1:
            return "".join(char + random.choice(noises) * random.choice([0, 0, 0, 1, 2, 3]) for char in word)
        case 2:
            return random.choice([word[:-1], word[1:]])
        case _:
            return word


def make_case(random: Random) -> tuple[Case, str]:
    """A filter, and a text with a hit across a border of blocks, or right before it or behind it."""
    letters, noises, fillers = random.choice(WIDTHS)

    def some_word(lengths: list[int]) -> str:
        return "".join(random.choices(letters, k=random.choice(lengths)))

    count = random.choice(COUNTS)
    # Many words are short ones, but for the first: the specification takes its time to build the long.
    words = [some_word(LENGTHS)] + [some_word(LENGTHS if count < 10 else LENGTHS[:7]) for _ in range(count - 1)]
    case = Case(
        words,
        allow=[some_word(LENGTHS) for _ in range(random.choice([0, 0, 1, 3]))],
        fold=random.choice([0, 1, 2, 3, 255]),
        gap=random.randint(0, 3),
        total=random.randint(0, 4),
        whole_words=random.random() < 0.5,
        repeats=random.random() < 0.2,
    )
    text = ""
    for border in sorted(random.sample(BORDERS, k=random.randint(1, 3))):
        hit = disguised(random, random.choice([*words, *case.allow]), noises)
        around = random.choice(["", "", random.choice(noises), random.choice(letters), random.choice(fillers)])
        hit = random.choice([around + hit, hit + around])
        start = border - random.randint(0, min(len(hit), border))
        text += filler(random, fillers, words, max(0, start - len(text))) + hit
    if random.random() < 0.5:
        text += filler(random, fillers, words, max(0, random.choice(BORDERS) - len(text)))
    return case, text


RANDOMS = st.integers(0, 2**48).map(Random)
BLOCK_CASES = RANDOMS.map(make_case)


def text_with_marks(random: Random, marks: list[str]) -> str:
    """A text of one filler, sometimes a few, in which marks begin or end at borders of blocks."""
    fillers = random.choice(["x", "ÿ", "好", "カ", "\U00020000", "xy ", "好x", "한글 "])
    text = ""
    for border in sorted(random.sample(BORDERS, k=random.randint(1, 5))):
        mark = "".join(random.choices(marks, k=random.randint(1, 3)))
        start = border - random.choice([0, 1, len(mark)])
        text += "".join(random.choices(fillers, k=max(0, start - len(text)))) + mark
    return text + "".join(random.choices(fillers, k=random.choice([0, 1, 40])))
