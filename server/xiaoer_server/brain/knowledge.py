"""Search in a tenant's articles: full text finds candidates, evidence ranks them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from urllib.parse import quote

import msgspec

from ..store.articles import Article, Articles, SearchText, searchable
from ..store.engine import Store
from .concepts import SPOKEN
from .evidence import Weighed
from .language import Language, is_cjk, language_of, tokens
from .topics import Topic, by_topic, vocabulary_of
from .vocabulary import Vocabulary

#: How many articles the full text proposes; a topic in two languages is two of them.
CANDIDATES = 16

#: Phrases that one query may search for. 64 phrases and 24 candidates cost a third more CPU a search and found 2 of
#: 359 questions of the demo shop's set that 32 and 16 do not.
MOST_PHRASES = 32

#: A question of at most so many units is compared on the loop, which takes about a millisecond.
SHORT = 12

#: Characters of a question that are looked at; the rest is pasted material.
MOST_CHARACTERS = 1_000

#: Analysed topics kept for each tenant, and tenants kept; about 50 KB a topic.
KEPT_TOPICS, KEPT_TENANTS = 500, 64


class Passage(msgspec.Struct, frozen=True):
    """A passage that may answer a question.

    Args:
        article: The article's slug.
        title: Its title.
        url: The path that it is read at.
        lang: The language of the text.
        text: Markdown.
        score: Evidence from 0 to 1, comparable across questions.
    """

    article: str
    title: str
    url: str
    lang: Language
    text: str
    score: float


class _Book:
    """What is kept in memory of a tenant's articles until one of them changes."""

    __slots__ = ("topics", "vocabulary")

    def __init__(self, articles: Sequence[Article]) -> None:
        self.vocabulary = vocabulary_of(articles)
        self.topics: OrderedDict[str, Topic] = OrderedDict()
        self.keep(self.analysed(islice(by_topic(articles).items(), KEPT_TOPICS)))

    def analysed(self, topics: Iterable[tuple[str, Sequence[Article]]]) -> dict[str, Topic]:
        """Analyse topics: milliseconds each, so never on the loop."""
        return {name: Topic(articles, self.vocabulary) for name, articles in topics}

    def keep(self, topics: dict[str, Topic]) -> None:
        """Remember topics; those that were not used for the longest time go."""
        self.topics.update(topics)
        while len(self.topics) > KEPT_TOPICS:
            self.topics.popitem(last=False)


class Knowledge:
    """The knowledge of all tenants of one process, which must be the only one to change their articles."""

    def __init__(self, store: Store) -> None:
        self._articles = Articles(store)
        self._books: OrderedDict[str, asyncio.Task[_Book]] = OrderedDict()

    async def search(self, tenant: str, question: str, *, limit: int = 5) -> list[Passage]:
        """The passages that answer `question` best, best first, one a topic, at most `limit`.

        They are in the question's language where the article is. Any text is a question: nothing in it is syntax.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        book = await self._book(tenant)
        language = language_of(question)
        asked = _weigh_question(question, book.vocabulary)
        if not asked.units:
            return []
        names = await self._articles.candidates(tenant, _phrases(asked), CANDIDATES)
        topics = await self._topics(tenant, book, names)
        if len(asked.units) <= SHORT:
            answers = [topic.answer(asked, language) for topic in topics]
        else:
            answers = await asyncio.to_thread(lambda: [topic.answer(asked, language) for topic in topics])
        # Candidates come in the order of bm25, which decides where the evidence is equal.
        answers.sort(key=lambda answer: (-answer[0], answer[1].lang != language))
        return [
            Passage(article.slug, article.title, url_of(tenant, article.slug), article.lang, section.text, score)
            for score, article, section in answers[:limit]
        ]

    async def warm(self, tenants: Iterable[str]) -> None:
        """Read the books of these tenants, so that the first question need not wait for it.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        for tenant in islice(tenants, KEPT_TENANTS):
            await self._book(tenant)

    async def replace(self, tenant: str, articles: Sequence[Article]) -> None:
        """Make `articles` all that the tenant knows, in one transaction.

        Raises:
            SQLAlchemyError: a slug stands twice, or the store cannot write; the old articles are still there.
        """
        rows = await asyncio.to_thread(lambda: [(article, _search_text(article)) for article in articles])
        try:
            await self._articles.replace(tenant, rows)
        finally:
            self._books.pop(tenant, None)

    async def put(self, tenant: str, article: Article) -> None:
        """Add an article, or replace the one of the same slug."""
        try:
            await self._articles.put(tenant, article, _search_text(article))
        finally:
            self._books.pop(tenant, None)

    async def delete(self, tenant: str, slug: str) -> None:
        """Remove an article; nothing happens if there is none."""
        try:
            await self._articles.delete(tenant, slug)
        finally:
            self._books.pop(tenant, None)

    async def _book(self, tenant: str) -> _Book:
        """The tenant's book, read once however many ask at the same time."""
        task = self._books.get(tenant)
        if task is None:
            task = self._books[tenant] = asyncio.create_task(self._read(tenant))
            task.add_done_callback(partial(self._drop_failed, tenant))
            if len(self._books) > KEPT_TENANTS:
                self._books.popitem(last=False)
        self._books.move_to_end(tenant)
        # One visitor who leaves must not take it away from the others.
        return await asyncio.shield(task)

    def _drop_failed(self, tenant: str, task: asyncio.Task[_Book]) -> None:
        """What could not be read is tried again by the next search."""
        if (task.cancelled() or task.exception() is not None) and self._books.get(tenant) is task:
            del self._books[tenant]

    async def _read(self, tenant: str) -> _Book:
        return await asyncio.to_thread(_Book, await self._articles.all(tenant))

    async def _topics(self, tenant: str, book: _Book, names: Sequence[str]) -> list[Topic]:
        # Held here, because what others learn meanwhile may push them out of the book.
        found = {name: topic for name in names if (topic := book.topics.get(name)) is not None}
        missing = [name for name in names if name not in found]
        if missing:
            articles = by_topic(await self._articles.of_topics(tenant, missing))
            learned = await asyncio.to_thread(book.analysed, articles.items())
            book.keep(learned)
            found |= learned
        # One that was deleted since the candidates were read is not there.
        known = [name for name in names if name in found]
        for name in known:
            if name in book.topics:
                book.topics.move_to_end(name)
        return [found[name] for name in known]


def url_of(tenant: str, slug: str) -> str:
    """The path of an article's page."""
    return f"/help/{quote(tenant, safe='')}/{quote(slug, safe='')}"


def _weigh_question(question: str, vocabulary: Vocabulary) -> Weighed:
    return Weighed(vocabulary.corrected(tokens(question[:MOST_CHARACTERS])), vocabulary)


def _phrases(question: Weighed) -> Iterator[str]:
    """What the full-text index is asked for: the question's own pairs and stems first, then other words for them."""
    return islice(dict.fromkeys((*_own(question), *_spoken(question))), MOST_PHRASES)


def _own(question: Weighed) -> Iterator[str]:
    for unit, _ in question.units:
        for term in (*unit.exact, *unit.weak):
            if term[0] != "#":
                yield " ".join(term) if is_cjk(term) else term
        if unit.single:
            yield f" {unit.single} "


def _spoken(question: Weighed) -> Iterator[str]:
    for unit, _ in question.units:
        for concept in unit.exact:
            yield from SPOKEN.get(concept, ())


def _search_text(article: Article) -> SearchText:
    return SearchText(_indexed(article.title), _indexed("\n".join(article.asks)), _indexed(article.body))


def _indexed(text: str) -> str:
    """A text as the index wants it: every Chinese character a word of its own."""
    return searchable(word for token in tokens(text) for word in (token if is_cjk(token) else (token,)))
