"""The values that go into a filter and come out of it; the same for both backends."""

from enum import STRICT, IntFlag
from typing import ClassVar, Final

import msgspec


class Fold(IntFlag, boundary=STRICT):
    """Differences between characters that don't count.

    The foldings follow each other until nothing changes, each from a table that never changes with Unicode. Most
    characters become one; a few become up to eight, as `㎏` and `⑩`.
    """

    NONE = 0
    CASE = 1
    """`WeChat` is `wechat`, for the characters that Unicode 3.2 knows; `ß` is `ss`."""
    WIDTH = 2
    """Full-width Latin and half-width kana and Hangul are the ordinary ones: `ＱＱ` is `QQ`, `ﾗｲﾝ` is `ライン`."""
    SIMPLIFIED = 4
    """Traditional Chinese characters are the simplified, by OpenCC's table of characters: `賭` is `赌`."""
    DIGITS = 8
    """Digits of all shapes are ASCII's: `①`, `²`, `٣`, `⑩` (`10`), and cheques' `壹`, `贰` … `零`, but not `一`."""
    ACCENTS = 16
    """Letters are without their marks: `é` is `e`, `ё` is `е`, `ø` is `o`; combining marks are noise."""
    ENCLOSED = 32
    """Letters and ideographs are free of circles, squares and brackets: `Ⓐ` and `🅰` are `A`, `㊙` is `秘`."""
    LOOKALIKES = 64
    """Cyrillic and Greek letters that look like Latin ones are those (`а`, `о`, `χ`), and so are `𝓌`, `ᴡ` and `ʷ`."""
    LIGATURES = 128
    """One character that stands for several is those: `㎏` is `kg`, `ﬁ` is `fi`, `Ⅷ` is `VIII`, `🆗` is `OK`."""
    ALL = CASE | WIDTH | SIMPLIFIED | DIGITS | ACCENTS | ENCLOSED | LOOKALIKES | LIGATURES
    """All there are."""


class Skip(msgspec.Struct, frozen=True):
    """How much noise a match may hold between its characters: `gap` at one place, `total` in all.

    Noise is what people put between the characters of a word to hide it: white space, punctuation, symbols, emoji,
    controls and zero-width characters. `Skip.NONE` turns it off. With `repeats`, a character of a word may be written
    several times in a row: `加加微信`.

    Raises ValueError if a number is negative.
    """

    gap: int = 3
    total: int = 8
    repeats: bool = False
    NONE: ClassVar["Skip"]

    def __post_init__(self) -> None:
        if self.gap < 0 or self.total < 0:
            raise ValueError(f"gap and total count characters, so {self} means nothing")


Skip.NONE = Skip(0, 0)


class Variant(IntFlag, boundary=STRICT):
    """Other spellings of a word that are hits too, where they have at least three characters."""

    NONE = 0
    PINYIN = 1
    """Chinese characters, all or some, in toneless pinyin: `weixin`, `微xin`, `wei信`."""
    SPLIT = 2
    """Chinese characters, all or some, as their left and right halves: `力口微信`."""


class Word(msgspec.Struct, frozen=True):
    """A word to look for, and what its owner wants to know and do when it is found.

    The filter uses `text` and `variants`; `level`, `tags` and `action` come back in the `Match`.
    Raises TypeError if a field has another type; a list of tags becomes a tuple.
    """

    text: str
    level: int = 1
    tags: tuple[str, ...] = ()
    action: str = "mask"
    variants: Variant = Variant.NONE

    def __post_init__(self) -> None:
        tags: object = self.tags
        if isinstance(tags, list):
            msgspec.structs.force_setattr(self, "tags", tuple(tags))
        for name, wanted in _FIELDS:
            value = getattr(self, name)
            if not isinstance(value, wanted):
                raise TypeError(f"{name} of a word is a {wanted.__name__}, not {type(value).__name__}")


_FIELDS: Final = (("text", str), ("level", int), ("tags", tuple), ("action", str), ("variants", Variant))


class Match(msgspec.Struct, frozen=True):
    """A hit: `text[start:end]`, in code points of the original text, and the `Word` that was found there."""

    start: int
    end: int
    word: Word
