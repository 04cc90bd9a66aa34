"""The chunker's cuts inside a line against Unicode's line breaking (UAX #14), by the texts of its LineBreakTest.

A cut for lack of any better place must not tear what a typesetter keeps together, where such a place is in reach.
"""

import unicodedata
from pathlib import Path
from types import ModuleType

import pytest

DATA = Path(__file__).parents[1] / "data" / "line_break_test.txt"

QUOTES = "“”‘’"
KATAKANA_DOT = "・"


def cases() -> list[tuple[str, set[int]]]:
    """Texts, and the places in them where a line may be broken."""
    read = []
    for line in DATA.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            fields = line.split()
            places = {place for place, mark in enumerate(fields[::2]) if mark == "÷"}
            read.append(("".join(chr(int(code, 16)) for code in fields[1::2]), places))
    return read


CASES = cases()


def is_blank(char: str) -> bool:
    return char.isspace() or char == "\u200b"


def is_han_or_kana(char: str) -> bool:
    return "\u3041" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or char >= "\U00020000"


def is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"


def in_reach(text: str, places: set[int], start: int, limit: int) -> bool:
    """Whether a chunk from `start` could end at a line break of the kinds that the chunker knows.

    It cuts at blanks and between characters of scripts without them. UAX #14 knows more places, which are no ends
    of words to the chunker: behind hyphens, around brackets inside a word, between Hangul syllables.
    """
    return any(
        place in places
        and not all(map(is_blank, text[start:place]))
        and (is_blank(text[place - 1]) or (is_han_or_kana(text[place - 1]) and is_han_or_kana(text[place])))
        for place in range(start + 1, min(start + limit, len(text) - 1) + 1)
    )


def may_be_cut(text: str, places: set[int], cut: int) -> bool:
    """Whether UAX #14 permits it, or it is one of the chunker's own rules."""
    before, behind = cut - 1, cut
    while before > 0 and is_blank(text[before]):
        before -= 1
    while behind < len(text) - 1 and is_blank(text[behind]):
        behind += 1
    # Blanks that don't fit lead the next chunk, where a line would have them at its end.
    if cut in places or (is_blank(text[cut]) and behind in places):
        return True
    # A blank is the end of a word also beside the marks that French sets off with it: « a », a ?, a :.
    if (is_blank(text[cut - 1]) or is_blank(text[cut])) and (is_mark(text[before]) or is_mark(text[behind])):
        return True
    # UAX #14 takes these for opening and closing both; the chunker goes by their usual side.
    if text[cut] in QUOTES or text[cut - 1] in QUOTES:
        return True
    # The dot between the words of a katakana phrase: no line begins with it, a chunk may.
    return text[cut] == KATAKANA_DOT


@pytest.mark.parametrize(("text", "places"), CASES, ids=[text.encode("unicode_escape").decode() for text, _ in CASES])
def test_cuts_for_lack_of_better_places_are_line_breaks(xiaoer: ModuleType, text: str, places: set[int]) -> None:
    for limit in range(1, len(text)):
        for start, end in xiaoer.Chunker(limit).spans(text)[:-1]:
            if in_reach(text, places, start, limit):
                assert may_be_cut(text, places, end), (limit, text[start:end], text[end:])


def test_the_cases_are_felt(xiaoer: ModuleType) -> None:
    """Many of them have a cut that is held to the rule, so the tests above test something."""
    held = [
        text
        for text, places in CASES
        if any(
            in_reach(text, places, start, limit)
            for limit in range(1, len(text))
            for start, _ in xiaoer.Chunker(limit).spans(text)[:-1]
        )
    ]
    assert len(held) > 50
