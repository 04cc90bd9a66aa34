"""Other spellings of a word: pinyin for some or all of its Chinese characters, or their halves; for both backends."""

from functools import cache
from itertools import product
from math import prod
from typing import Final

from xiaoer._words import Fold, Variant
from xiaoer.errors import InvalidWord
from xiaoer.pure._fold import table

MOST_SPELLINGS: Final = 1024
SHORTEST: Final = 3
"""Characters; `yi` would be found everywhere."""


def spellings(text: str, variants: Variant) -> list[str]:
    """The other spellings of a word, distinct, without itself, each of at least three characters.

    Each character stays, or becomes any of its common readings without tones (ü is both `v` and `u`), or its halves,
    as `variants` says; all mixes of that, those that keep the most at the beginning first. A traditional character
    that is not listed is written as its simplified one; one without reading or halves stays.

    Raises InvalidWord for more than 1,024 mixes.
    """
    choices = [_choices(char, variants) for char in text]
    count = prod(map(len, choices)) - 1
    if count > MOST_SPELLINGS:
        shown = text if len(text) <= 20 else f"{text[:20]}…"
        raise InvalidWord(f"{shown!r} has {count:,} other spellings, and a word may have {MOST_SPELLINGS:,}")
    mixes = dict.fromkeys("".join(mix) for mix in product(*choices))
    return [mix for mix in mixes if mix != text and len(mix) >= SHORTEST]


def _choices(char: str, variants: Variant) -> list[str]:
    choices = [char]
    if variants & Variant.PINYIN:
        choices += _look_up(_readings(), char)
    if variants & Variant.SPLIT:
        choices += _look_up(_halves(), char)
    return choices


def _look_up(rows: dict[str, list[str]], char: str) -> list[str]:
    return rows.get(char) or rows.get(table(Fold.SIMPLIFIED).get(char, char), [])


# Read when a word first asks for them, which takes some milliseconds.
@cache
def _readings() -> dict[str, list[str]]:
    from xiaoer._pinyin import READINGS

    rows: dict[str, list[str]] = {}
    for line in READINGS.split("\n"):
        reading, _, chars = line.partition(" ")
        for char in chars:
            known = rows.setdefault(char, [])
            known += [form for form in dict.fromkeys((reading, reading.replace("v", "u"))) if form not in known]
    return rows


@cache
def _halves() -> dict[str, list[str]]:
    from xiaoer._split import HALVES, STANDING_ALONE

    rows: dict[str, list[str]] = {}
    for line in HALVES.split("\n"):
        left, *wholes = line.split(" ")
        for pair in wholes:
            rows[pair[0]] = [form + pair[1] for form in (left, STANDING_ALONE.get(left)) if form]
    return rows
