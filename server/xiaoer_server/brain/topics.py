"""Articles as search sees them: analysed once, compared with every question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from xiaoer import Chunker

from ..store.articles import Article, by_topic
from ..store.chunks import Found
from .evidence import Weighed, evidence, weigh
from .language import CJK, Language
from .vocabulary import TopicWords, Vocabulary

#: An article that is not wider than this is answered with as a whole. A Chinese character is two wide.
PASSAGE_WIDTH = 1400

_WIDE = re.compile(rf"[{CJK}\u3000-\u303f\uff00-\uff60]")
_SENTENCE_END = re.compile(r"[。！？；\n|]+|(?<=[.!?])\s")
_HEADING = re.compile(r"#{1,6}\s")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

#: What a chunk's cosine with the question adds when the passage of an article is chosen.
NEARNESS = 1.0

NOTHING_NEAR: Mapping[int, float] = {}


class Section:
    """A passage of an article, its sentences, and the terms of it and of its topic's titles and asks."""

    __slots__ = ("sentences", "terms", "text")

    def __init__(self, text: str, asked: frozenset[str], vocabulary: Vocabulary) -> None:
        self.text = text
        weighed = (weigh(sentence, vocabulary) for sentence in _SENTENCE_END.split(text))
        self.sentences = [sentence for sentence in weighed if sentence.terms]
        self.terms = asked.union(*(sentence.terms for sentence in self.sentences))

    def told(self, question: Weighed) -> float:
        """The best agreement of a sentence with the question."""
        return question.best(self.sentences)


class Head(NamedTuple):
    """What search keeps of an article besides its chunks."""

    slug: str
    lang: Language
    title: str


class Scored(NamedTuple):
    """A topic's evidence, and the passage to answer with."""

    evidence: float
    article: Head
    section: Section


class Topic:
    """All translations of an article. Of long articles only the chunks that were asked for are here."""

    __slots__ = ("_articles", "_asked", "_heads", "_sections", "_vocabulary")

    def __init__(self, articles: Sequence[Article], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._articles = {article.slug: Head(article.slug, article.lang, article.title) for article in articles}
        self._heads = [weigh(head, vocabulary) for article in articles for head in (article.title, *article.asks)]
        self._asked = frozenset[str]().union(*(head.terms for head in self._heads))
        self._sections: dict[int, tuple[Head, Section]] = {}

    def learn(self, chunks: Iterable[Found]) -> None:
        """Analyse chunks of these articles: about a millisecond each."""
        for chunk in chunks:
            head = self._articles.get(chunk.slug)
            if head is not None and chunk.id not in self._sections:
                self._sections[chunk.id] = (head, Section(chunk.text, self._asked, self._vocabulary))

    def lacks(self, chunks: Iterable[int]) -> bool:
        """Whether one of these chunks was not analysed yet."""
        return any(chunk not in self._sections for chunk in chunks)

    def answer(self, question: Weighed, language: Language, near: Mapping[int, float] = NOTHING_NEAR) -> Scored | None:
        """The passage that answers best, in the question's language where there is a translation.

        Args:
            near: Cosines of chunks with the question, where they are known.

        Returns:
            None where no chunk is known.
        """
        asked = question.best(self._heads)
        found: list[tuple[bool, float, Head, Section]] = []
        best = 0.0
        for chunk, (article, section) in tuple(self._sections.items()):
            covered = question.covered_by(section.terms)
            told = section.told(question)
            best = max(best, evidence(asked, told, covered))
            fits = evidence(0.0, told, covered) + NEARNESS * near.get(chunk, 0.0)
            found.append((article.lang == language, fits, article, section))
        if not found:
            return None
        _, _, article, section = max(found, key=lambda item: item[:2])
        return Scored(best, article, section)


def passages(body: str) -> list[str]:
    """Cut Markdown into passages of at most `PASSAGE_WIDTH`, between its sections where it has headings.

    A text that fits is one passage, and there is always at least one.
    """
    if _width(body) <= PASSAGE_WIDTH:
        return [body.strip()]
    done: list[str] = []
    for section in _sections(body):
        if _width(section) <= PASSAGE_WIDTH:
            done.append(section.strip())
        else:
            # Of a text that is Chinese throughout half as many characters make the width.
            limit = max(1, PASSAGE_WIDTH * len(section) // _width(section))
            done += map(str.strip, Chunker(limit).split(section))
    return [text for text in done if text] or [""]


def _sections(body: str) -> list[str]:
    """Split before headings that stand outside code fences; headings that follow one another stay together."""
    done: list[list[str]] = [[]]
    fence = ""
    for line in body.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if mark is not None and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        heading = not fence and _HEADING.match(line) is not None
        if heading and any(text.strip() and not _HEADING.match(text) for text in done[-1]):
            done.append([])
        done[-1].append(line)
    return ["".join(lines) for lines in done]


def vocabulary_of(articles: Sequence[Article]) -> Vocabulary:
    """The vocabulary of all articles of a tenant."""
    made = Vocabulary()
    for group in by_topic(articles).values():
        made.add(words_of(group))
    return made


def words_of(topic: Sequence[Article]) -> TopicWords:
    """What the translations of one article add to the vocabulary."""
    heads = "\n".join(head for article in topic for head in (article.title, *article.asks))
    return TopicWords.of(heads, "\n".join(article.body for article in topic))


def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))
