"""The values that go into a filter and come out of it; the same for both backends."""

from enum import STRICT, IntFlag
from typing import ClassVar

import msgspec


class Fold(IntFlag, boundary=STRICT):
    """Differences between characters that don't count. Every folding maps one code point to one."""

    NONE = 0
    CASE = 1
    """`WeChat` is `wechat`: simple case folding of the characters that Unicode 3.2 knows."""
    WIDTH = 2
    """Full-width Latin and half-width kana and Hangul are the ordinary ones: `ＱＱ` is `QQ`, `ﾗｲﾝ` is `ライン`."""
    ALL = CASE | WIDTH
    """All there are."""


class Skip(msgspec.Struct, frozen=True):
    """How much noise a match may hold between its characters: `gap` at one place, `total` in all.

    Noise is what people put between the characters of a word to hide it: white space, punctuation, symbols, emoji,
    controls and zero-width characters. `Skip.NONE` turns it off.

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


class Word(msgspec.Struct, frozen=True):
    """A word to look for, and what its owner wants to know and do when it is found.

    The filter uses `text` alone; `level`, `tags` and `action` come back in the `Match`.
    Raises TypeError if a field has another type; a list of tags becomes a tuple.
    """

    text: str
    level: int = 1
    tags: tuple[str, ...] = ()
    action: str = "mask"
    variants: int = 0

    def __post_init__(self) -> None:
        tags: object = self.tags
        if isinstance(tags, list):
            msgspec.structs.force_setattr(self, "tags", tuple(tags))
        for name, wanted in (("text", str), ("level", int), ("tags", tuple), ("action", str)):
            value = getattr(self, name)
            if not isinstance(value, wanted):
                raise TypeError(f"{name} of a word is a {wanted.__name__}, not {type(value).__name__}")


class Match(msgspec.Struct, frozen=True):
    """A hit: `text[start:end]`, in code points of the original text, and the `Word` that was found there."""

    start: int
    end: int
    word: Word
