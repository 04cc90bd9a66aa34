"""Folding of characters, and their kinds: which are noise, which belong to scripts with spaces between words.

The tables never change with Python's own Unicode version, so that a filter finds the same everywhere.
"""

from typing import Final

from xiaoer._words import Fold
from xiaoer.pure._fold import enabled

SPACE: Final = 1
"""White space."""
INVISIBLE: Final = 2
"""Controls, zero-width and other characters that are not seen."""
VISIBLE: Final = 4
"""Punctuation, symbols, emoji."""
WORD: Final = 8
"""A letter of a script that writes spaces between words (Latin, Greek, Cyrillic, Armenian), or a digit."""
DIGIT: Final = 16
"""An ASCII digit, in either width."""
NOISE: Final = SPACE | INVISIBLE | VISIBLE
"""What may stand between the characters of a word."""

_RANGES: Final = {
    SPACE: """
        0009-000D 0020 0085 00A0 1680 2000-200A 2028-2029 202F 205F 2800 3000
    """,
    INVISIBLE: """
        0000-0008 000E-001F 007F-0084 0086-009F 00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F
        202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFFB E0000-E0FFF
    """,
    VISIBLE: """
        0021-002F 003A-0040 005B-0060 007B-007E 00A1-00A9 00AB-00AC 00AE-00B1 00B4 00B6-00B8 00BB 00BF 00D7
        00F7 2010-2027 2030-205E 20A0-20CF 2190-2426 2440-244A 2500-2775 2794-27FF 2900-2BFF 2E00-2E2E 2E30-2E7F
        3001-3004 3008-3020 3030 303D-303F 30FB FE10-FE19 FE30-FE6B FF01-FF0F FF1A-FF20 FF3B-FF40 FF5B-FF65
        FFE0-FFE6 FFE8-FFEE FFFC-FFFD 1F000-1F0FF 1F1E6-1F1FF 1F300-1FAFF
    """,
    WORD | DIGIT: """
        0030-0039 FF10-FF19
    """,
    WORD: """
        0041-005A 0061-007A 00AA 00B5 00BA 00C0-00D6 00D8-00F6 00F8-02AF 0300-034E 0350-036F 0370-037D
        037F-03FF 0400-052F 0531-0587 1E00-1FFF FF21-FF3A FF41-FF5A 212A-212B
    """,
}


def _read(ranges: str) -> list[range]:
    pairs = [text.partition("-") for text in ranges.split()]
    return [range(int(first, 16), int(last or first, 16) + 1) for first, _, last in pairs]


_KINDS: Final = {code: kinds for kinds, ranges in _RANGES.items() for codes in _read(ranges) for code in codes}


def _codes(ranges: str) -> frozenset[str]:
    return frozenset(chr(code) for codes in _read(ranges) for code in codes)


# Combining marks over, under and through letters; and those around a character (circles, squares, keycaps).
_ACCENTS: Final = _codes("0300-034E 0350-036F 0483-0489 1AB0-1ACE 1DC0-1DFF 20D0-20DC 20E1 20E5-20F0 FE20-FE2F")
_ENCLOSURES: Final = _codes("20DD-20E0 20E2-20E4")
_IDEOGRAPHS: Final = _read("3007 3400-4DBF 4E00-9FFF F900-FAFF 20000-3FFFF")
"""They have no kinds, also those that fold to digits: 壹 is no part of a Latin word."""


def fold_character(char: str, fold: Fold) -> str:
    """The folded form of one character, 1 to 8 characters.

    The first of the enabled tables that has it says what it becomes; each character of that is folded likewise.
    """
    for rows in enabled(int(fold)):
        if target := rows.get(char):
            return "".join(fold_character(part, fold) for part in target)
    return char


def drops(char: str, fold: Fold) -> bool:
    """Whether it is a combining mark that counts for nothing: noise in a text, and a word is taken without it."""
    return (char in _ACCENTS and bool(fold & Fold.ACCENTS)) or (char in _ENCLOSURES and bool(fold & Fold.ENCLOSED))


def kinds_of_folded(char: str) -> int:
    """What kinds a folded character is of."""
    return _KINDS.get(ord(char), 0)


def _kinds(char: str, folded: str, fold: Fold) -> int:
    if any(ord(char) in codes for codes in _IDEOGRAPHS):
        return 0
    return INVISIBLE if drops(char, fold) else kinds_of_folded(folded[0])


class Characters(dict[str, tuple[str, int]]):
    """Folded form and kinds of each character asked for, remembered.

    The kinds are those of the character as it stands in a text; of its first one, if it becomes several.
    """

    def __init__(self, fold: Fold) -> None:
        super().__init__()
        self.fold = fold

    def __missing__(self, char: str) -> tuple[str, int]:
        folded = fold_character(char, self.fold)
        entry = self[char] = (folded, _kinds(char, folded, self.fold))
        return entry
