"""What a text consists of, for search: concepts, Latin stems, and Chinese characters with their neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from .concepts import in_chinese, in_latin
from .language import STOP_CHARACTERS, STOP_WORDS, is_cjk, stem


class Unit(NamedTuple):
    """One part of a text that says something.

    Args:
        key: What its rarity is looked up by: a stem, a Chinese character, or the first of the concepts.
        exact: Terms of which any in another text is a full match: concepts, the stem, or pairs of characters.
        weak: Terms that match in part: pairs with a filler character.
        single: A Chinese character alone, which matches least.
    """

    key: str
    exact: tuple[str, ...]
    weak: tuple[str, ...] = ()
    single: str = ""


def units(words: Sequence[str]) -> Iterator[Unit]:
    """The units of what `language.tokens` found, in order.

    Fillers are left out, unless they are part of a phrase that is a concept.
    """
    stems = _stems(words)
    at = 0
    while at < len(words):
        word = words[at]
        if is_cjk(word):
            yield from _chinese(word)
            at += 1
            continue
        count, concepts = in_latin(stems, at)
        if count:
            yield from _concept(concepts)
        elif word not in STOP_WORDS and len(word) > 1:
            yield Unit(stems[at], (stems[at],))
        at += max(count, 1)


def _chinese(run: str) -> Iterator[Unit]:
    at = 0
    for start, end, concepts in in_chinese(run):
        yield from (_character(run, place) for place in range(at, start) if run[place] not in STOP_CHARACTERS)
        yield from _concept(concepts)
        at = end
    yield from (_character(run, place) for place in range(at, len(run)) if run[place] not in STOP_CHARACTERS)


def _concept(concepts: frozenset[str]) -> Iterator[Unit]:
    exact = tuple(sorted(concepts))
    if exact:
        yield Unit(exact[0], exact)


def _character(run: str, at: int) -> Unit:
    exact: list[str] = []
    weak: list[str] = []
    for other, pair in ((run[at - 1 : at], run[at - 1 : at + 1]), (run[at + 1 : at + 2], run[at : at + 2])):
        if other and at + len(other) <= len(run):
            (weak if other in STOP_CHARACTERS else exact).append(pair)
    return Unit(run[at], tuple(exact), tuple(weak), run[at])


def terms_of(words: Sequence[str]) -> frozenset[str]:
    """All terms by which a text can be matched: concepts, stems, single Chinese characters and their pairs."""
    found: set[str] = set()
    stems = _stems(words)
    for at, word in enumerate(words):
        if is_cjk(word):
            found.update(word)
            found.update(map("".join, pairwise(word)))
            for _, _, concepts in in_chinese(word):
                found |= concepts
        else:
            if word not in STOP_WORDS and len(word) > 1:
                found.add(stems[at])
            found |= in_latin(stems, at)[1]
    return frozenset(found)


def _stems(words: Sequence[str]) -> list[str]:
    return [word if is_cjk(word) else stem(word) for word in words]
