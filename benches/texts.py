"""Texts to search, made fresh from a seed: four languages, three lengths, harmless and hostile.

Clean text draws from the same characters as the words, so that no search may call it clean after a glance at its
alphabet; it is merely kept from spelling a word, also across punctuation.
"""

import random
from collections.abc import Collection
from functools import lru_cache

from benches.alphabet import EMOJI, ENGLISH, Chooser, chinese_chooser
from benches.words import DEEP, LONGEST, deep_words, make_words, nested_words, word_set

KINDS = ("chinese", "english", "mixed", "emoji")
HOSTILE = ("all hits", "near misses", "spaced near misses", "deep prefixes", "nested words")


class Writer:
    """Writes texts of one kind without any of the words, but for those that it is told to plant."""

    def __init__(self, kind: str, words: Collection[str], seed: int) -> None:
        self._random = random.Random(f"{kind}{seed}")
        self._choose: Chooser = chinese_chooser(self._random)
        self._kind = kind
        self._words = words
        self._letters = ""

    def clean(self, length: int) -> str:
        """Text of exactly this length that holds no word."""
        self._letters = ""
        parts: list[str] = []
        size = 0
        while size < length:
            piece = self._piece()[: length - size]
            letters = "".join(filter(str.isalnum, piece)).lower()
            if self._spells(letters):
                continue
            self._letters = (self._letters + letters)[-LONGEST:]
            parts.append(piece)
            size += len(piece)
        return "".join(parts)

    def early(self, length: int, word: str) -> str:
        """A word among the first characters, clean text after it."""
        return (self._random.choice("这我请问") + word + "，" + self.clean(length))[:length]

    def dense(self, length: int, words: Collection[str]) -> str:
        """A hit about every ten characters."""
        pool = list(words)
        parts: list[str] = []
        size = 0
        while size < length:
            parts.append(self.clean(6) + " " + self._random.choice(pool) + " ")
            size += len(parts[-1])
        return "".join(parts)[:length]

    def _piece(self) -> str:
        chance = self._random.random()
        if self._kind == "chinese":
            return self._random.choice("，。？！、") if chance < 0.09 else self._choose(1)
        if self._kind == "english":
            return self._random.choice(ENGLISH) + (", " if chance < 0.07 else ". " if chance < 0.14 else " ")
        if self._kind == "mixed":
            if chance < 0.12:
                return " " + self._random.choice(ENGLISH) + " "
            return str(self._random.randrange(1000)) if chance < 0.17 else self._choose(1)
        return self._random.choice(EMOJI) if chance < 0.3 else self._choose(1)

    def _spells(self, letters: str) -> bool:
        tail = self._letters + letters
        for end in range(len(self._letters) + 1, len(tail) + 1):
            for size in range(2, min(LONGEST, end) + 1):
                if tail[end - size : end] in self._words:
                    return True
        return False


@lru_cache(maxsize=256)
def clean_texts(kind: str, length: int, words: int, count: int) -> tuple[str, ...]:
    """Texts in which no word of the list of this size occurs."""
    writer = Writer(kind, word_set(words), seed=length)
    return tuple(writer.clean(length) for _ in range(count))


@lru_cache(maxsize=64)
def early_texts(kind: str, length: int, words: int, count: int) -> tuple[str, ...]:
    """Texts that are decided within their first ten characters."""
    writer = Writer(kind, word_set(words), seed=length)
    short = [word for word in make_words(words) if len(word) <= 4 and not word.isascii()]
    return tuple(writer.early(length, short[number % len(short)]) for number in range(count))


@lru_cache(maxsize=64)
def dense_texts(kind: str, length: int, words: int, count: int) -> tuple[str, ...]:
    """Texts with a hit about every ten characters; in English text the words are Latin."""
    writer = Writer(kind, word_set(words), seed=length)
    wanted = [word for word in make_words(words) if len(word) <= 9 and word.isascii() == (kind == "english")]
    return tuple(writer.dense(length, wanted) for _ in range(count))


def hostile_words(case: str, count: int) -> tuple[str, ...]:
    """The list that goes with a hostile text."""
    return {"deep prefixes": deep_words, "nested words": nested_words}.get(case, make_words)(count)


@lru_cache(maxsize=64)
def hostile_texts(case: str, length: int, words: int, count: int) -> tuple[str, ...]:
    """Texts made to be slow: see HOSTILE."""
    random_ = random.Random(case)
    wordlist = hostile_words(case, words)
    return tuple(_hostile(case, length, wordlist, random_) for _ in range(count))


def _hostile(case: str, length: int, words: tuple[str, ...], random_: random.Random) -> str:
    if case == "deep prefixes":
        # Runs as long as the longest word, cut at changing places by a character that leads nowhere.
        return "".join("嗯" * random_.randint(DEEP // 2, DEEP * 2) + "呀" for _ in range(length // 32))[:length]
    chinese = [word for word in words if not word.isascii()]
    if case in ("all hits", "nested words"):
        long_words = [word for word in chinese if len(word) >= (7 if case == "nested words" else 2)]
        return "".join(random_.choices(long_words, k=length // 2 + 1))[:length]
    known = frozenset(words)
    ends = sorted({word[-1] for word in chinese})
    text = ""
    while len(text) < length:
        # All of a word but its last character.
        piece = random_.choice(chinese)[:-1] + random_.choice(ends)
        if not _has_word(text[-LONGEST:] + piece, known):
            text += piece
    text = text[:length]
    return " ".join(text[: length // 2]) if case == "spaced near misses" else text


def _has_word(text: str, words: frozenset[str]) -> bool:
    return any(
        text[start : start + size] in words for start in range(len(text)) for size in range(2, min(LONGEST, len(text)))
    )


def fresh(text: str) -> str:
    """A new `str` object: CPython keeps a text's UTF-8 inside it, which would be a present to who asks twice."""
    return text[:1] + text[1:]
