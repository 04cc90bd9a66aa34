"""Articles as search sees them: analysed once, compared with every question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..store.articles import Article
from .evidence import Weighed, evidence, weigh
from .language import CJK, Language, tokens
from .terms import terms_of
from .vocabulary import Vocabulary

#: An article that is not wider than this is answered with as a whole. A Chinese character is two wide.
PASSAGE_WIDTH = 1400

_WIDE = re.compile(rf"[{CJK}\u3000-\u303f\uff00-\uff60]")
_SENTENCE_END = re.compile(r"[。！？；\n|]+|(?<=[.!?])\s")
_HEADING = re.compile(r"#{1,6}\s")
_BLOCK = re.compile(r"\n\s*\n")


class Section:
    """A passage of an article, its sentences, and the terms of it and of its topic's titles and asks."""

    __slots__ = ("sentences", "terms", "text")

    def __init__(self, text: str, asked: frozenset[str], vocabulary: Vocabulary) -> None:
        self.text = text
        self.terms = asked | terms_of(tokens(text))
        weighed = (weigh(sentence, vocabulary) for sentence in _SENTENCE_END.split(text))
        self.sentences = [sentence for sentence in weighed if sentence.units]

    def told(self, question: Weighed) -> float:
        """The best agreement of a sentence with the question."""
        return max(map(question.agreement, self.sentences), default=0.0)


class Topic:
    """All translations of an article."""

    __slots__ = ("_heads", "_sections")

    def __init__(self, articles: Sequence[Article], vocabulary: Vocabulary) -> None:
        self._heads = [weigh(head, vocabulary) for article in articles for head in (article.title, *article.asks)]
        asked = frozenset[str]().union(*(head.terms for head in self._heads))
        self._sections = [
            (article, Section(text, asked, vocabulary)) for article in articles for text in passages(article.body)
        ]

    def answer(self, question: Weighed, language: Language) -> tuple[float, Article, Section]:
        """(evidence, article, passage) that answer best, in the question's language where there is a translation."""
        asked = max(map(question.agreement, self._heads), default=0.0)
        found: list[tuple[bool, float, Article, Section]] = []
        best = 0.0
        for article, section in self._sections:
            covered = question.covered_by(section.terms)
            told = section.told(question)
            best = max(best, evidence(asked, told, covered))
            found.append((article.lang == language, evidence(0.0, told, covered), article, section))
        _, _, article, section = max(found, key=lambda item: item[:2])
        return best, article, section


def passages(body: str) -> list[str]:
    """Cut Markdown between its blocks into passages of at most `PASSAGE_WIDTH`; a heading stays with what follows.

    A block that is wider by itself is a passage of its own. There is always at least one passage.
    """
    if _width(body) <= PASSAGE_WIDTH:
        return [body.strip()]
    done: list[list[str]] = []
    current: list[str] = []
    for block in filter(str.strip, _BLOCK.split(body)):
        heading = _HEADING.match(block) is not None
        full = _width("".join(current)) + _width(block) > PASSAGE_WIDTH
        if current and (heading or full) and not all(map(_HEADING.match, current)):
            done.append(current)
            current = []
        current.append(block.strip("\n"))
    return ["\n\n".join(blocks) for blocks in (*done, current) if blocks] or [""]


def vocabulary_of(articles: Iterable[Article]) -> Vocabulary:
    """The vocabulary of all articles of a tenant."""
    return Vocabulary(
        (
            "\n".join(head for article in group for head in (article.title, *article.asks)),
            "\n".join(article.body for article in group),
        )
        for group in by_topic(articles).values()
    )


def by_topic(articles: Iterable[Article]) -> dict[str, list[Article]]:
    """Articles grouped by topic."""
    groups: dict[str, list[Article]] = {}
    for article in articles:
        groups.setdefault(article.topic, []).append(article)
    return groups


def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))
