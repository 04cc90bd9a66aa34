"""The words of the full-text index: what it holds of a text, and how it is asked for a phrase.

FTS5 cuts at what is no letter or digit, so what is joined by spaces here is what it finds. A Latin word is there as its
stem. A run of Chinese characters is there as its characters and then as its pairs of neighbours: `退款吗` as
`退 款 吗 退款 款吗`. Each word of a question is then one list of places, as long as the word is common; the trigram
tokenizer, which found the same, read the lists of a word's every three letters, `ion` and `ing` among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .language import is_cjk, stem, tokens


def indexed(text: str) -> str:
    """What the index holds of a text."""
    return " ".join(_words(text))


def asked(phrase: str) -> str:
    """A phrase as the index holds it: "placed an order" and "退款吗" as words one after the other."""
    return " ".join(
        part
        for word in tokens(phrase)
        for part in ((stem(word),) if not is_cjk(word) else (_pairs(word) if len(word) > 1 else (word,)))
    )


def _words(text: str) -> Iterator[str]:
    for word in tokens(text):
        if is_cjk(word):
            yield from word
            yield from _pairs(word)
        else:
            yield stem(word)


def _pairs(run: str) -> Iterator[str]:
    return map("".join, pairwise(run))
