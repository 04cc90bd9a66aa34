"""Search in a tenant's articles: words and meaning propose topics, evidence ranks them.

This is the door to all that the shop knows: search, edits, fixed answers, and what nobody could answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from ..infer.interface import Infer
from ..store.articles import Article, Articles, by_topic
from ..store.chunks import Chunk, Chunks
from ..store.engine import Store
from ..store.search import SearchReader
from . import book as books
from .book import WHOLE, Book, words_of_topics
from .concepts import SPOKEN
from .curated import Curated
from .evidence import Weighed
from .fusion import Nearness, calibration_of, nearness, reciprocal_rank
from .indexed import asked as in_index
from .indexed import indexed
from .language import Language, language_of, tokens
from .meaning import QUESTION_SECONDS, Meaning, Progress
from .topics import Scored, Topic, passages, vocabulary_of
from .unanswered import Unanswered
from .vectors import Hit
from .vocabulary import Vocabulary

log = logging.getLogger(__name__)

#: How many topics are looked at, and how many chunks the full text proposes; a topic in two languages is two of them.
CANDIDATES, PROPOSED = 16, 48

#: Phrases that one query may search for. 64 phrases and 24 candidates cost a third more CPU a search and found 2 of
#: 359 questions of the demo shop's set that 32 and 16 do not.
MOST_PHRASES = 32

#: In a large shop hardly a topic is known from the question before, and each costs milliseconds.
FEW_CANDIDATES = 6

#: In a shop of more topics than this, a query has at most so many phrases, the rarest ones, which together stand in
#: at most so many topics: what the full text must rank is what a search takes its time for.
MOST_RANKED, RAREST = 1_000, 6

#: A question of at most so many units is compared on the loop, which takes about a millisecond.
SHORT = 12

#: Characters of a question that are looked at; the rest is pasted material.
MOST_CHARACTERS = 1_000

#: Analysed topics kept for each tenant, and tenants kept; about 50 KB a topic.
KEPT_TOPICS, KEPT_TENANTS = books.KEPT_TOPICS, 64

#: Articles that are read at a time where all of them must be.
PAGE = 500

#: Stands for "any article" among the slugs of a change.
ANY = "*"

Changed = Callable[[str, set[str]], object]

By = Literal["words", "meaning", "both"]


class Passage(msgspec.Struct, frozen=True):
    """A passage that may answer a question.

    Args:
        article: The article's slug; of a fixed answer that is no article's, its id.
        title: Its title; of a fixed answer, its question.
        url: The path that it is read at; "" where there is no such page.
        lang: The language of the text.
        text: Markdown.
        score: Evidence from 0 to 1, comparable across questions.
        fixed: It is the answer, word for word: somebody wrote it for this question.
    """

    article: str
    title: str
    url: str
    lang: Language
    text: str
    score: float
    fixed: bool = False


class Knowledge:
    """The knowledge of all tenants of one process, which must be the only one to change their articles.

    Args:
        infer: The model process; without one, search is by words alone.
        folder: Of the files beside the database; that of the store is the default.
        progress: Takes (tenant, chunks embedded, chunks in all) while articles are embedded.
        seconds: How long a question's vector is waited for; the words answer alone then.
    """

    def __init__(
        self,
        store: Store,
        infer: Infer | None = None,
        folder: Path | None = None,
        progress: Progress = lambda *_: None,
        *,
        seconds: float = QUESTION_SECONDS,
    ) -> None:
        self._articles = Articles(store)
        self._chunks = Chunks(store)
        self._reader = SearchReader(store)
        self._folder = folder if folder is not None else store.folder / "knowledge"
        self._books: OrderedDict[str, asyncio.Task[Book]] = OrderedDict()
        self._versions: dict[str, int] = {}
        self._listeners: list[Changed] = []
        self._editing: dict[str, asyncio.Lock] = {}
        self._recounting: dict[str, asyncio.Task[None]] = {}
        self._saved: dict[str, int] = {}
        self.meaning = Meaning(store, infer, self._folder, progress, seconds=seconds) if infer is not None else None
        self.curated = Curated(store, infer, self._curated_changed)
        self.unanswered = Unanswered(store)

    # -- asking ------------------------------------------------------------------------------------------------

    async def search(self, tenant: str, question: str, *, limit: int = 5) -> list[Passage]:
        """The passages that answer `question` best, best first, one a topic, at most `limit`.

        They are in the question's language where the article is. Any text is a question: nothing in it is syntax. A
        fixed answer stands alone.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        book = await self._book(tenant)
        language = language_of(question)
        asked = weigh_question(question, book.vocabulary)
        if not asked.units:
            return []
        fixed = await self.curated.find(tenant, question)
        if fixed is not None:
            url = url_of(tenant, fixed.slug) if fixed.slug else ""
            return [Passage(fixed.slug or fixed.id, fixed.questions[0], url, fixed.lang, fixed.answer, 1.0, True)]
        return await self._passages(tenant, question, book, asked, language, limit, "both")

    async def compare(self, tenant: str, question: str, *, limit: int = 5, by: By = "both") -> list[Passage]:
        """`search` by words alone, by meaning alone, or by both, and without the fixed answers: for measurements.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        book = await self._book(tenant)
        asked = weigh_question(question, book.vocabulary)
        return await self._passages(tenant, question, book, asked, language_of(question), limit, by)

    async def _passages(
        self, tenant: str, question: str, book: Book, asked: Weighed, language: Language, limit: int, by: By
    ) -> list[Passage]:
        near: list[Hit] = []
        if self.meaning is not None and by != "words":
            near = await self.meaning.search(tenant, question)
        phrases = _phrases(asked, book.vocabulary) if by != "meaning" else []
        proposed, of = await asyncio.to_thread(self._propose, tenant, phrases, near)
        by_words = [topic for _, topic in proposed]
        by_meaning = [of[hit.chunk] for hit in near if hit.chunk in of]
        most = CANDIDATES if book.vocabulary.topics <= MOST_RANKED else FEW_CANDIDATES
        names = list(reciprocal_rank((by_words, by_meaning)))[:most]
        wanted = {name: [chunk for chunk, topic in of.items() if topic == name] for name in names}
        topics = await self._topics(tenant, book, wanted)
        cosines = {hit.chunk: hit.cosine for hit in near if hit.part == 0}
        known = partial(_answers, topics, asked, language, cosines)
        found = known() if len(asked.units) <= SHORT else await asyncio.to_thread(known)
        if by == "meaning":
            ranked = {name: max(at) for name, at in nearness(near, of).items() if name in found}
        else:
            ranked = self._ranked(found, near, of)
        # Candidates come in the order of their joint rank, which decides where the evidence is equal.
        best = sorted(ranked, key=lambda name: (-ranked[name], found[name].article.lang != language))[:limit]
        return [
            Passage(head.slug, head.title, url_of(tenant, head.slug), head.lang, section.text, ranked[name])
            for name, (_, head, section) in ((name, found[name]) for name in best)
        ]

    def _propose(
        self, tenant: str, phrases: Sequence[str], near: Sequence[Hit]
    ) -> tuple[list[tuple[int, str]], dict[int, str]]:
        """What the full text proposes, and the topic of each chunk that either search found. Blocks."""
        proposed = self._reader.propose(tenant, phrases, PROPOSED)
        of = dict(proposed)
        unknown = {hit.chunk for hit in near} - of.keys()
        return proposed, of | (self._reader.topics_of(tenant, unknown) if unknown else {})

    def _ranked(self, found: Mapping[str, Scored], near: Sequence[Hit], of: Mapping[int, str]) -> dict[str, float]:
        """The evidence of each topic."""
        words = {name: answer.evidence for name, answer in found.items()}
        calibration = calibration_of(self.meaning.encoder) if self.meaning is not None and near else None
        if calibration is None:
            return words
        floor = near[-1].cosine
        cosines = nearness(near, of)
        nothing = Nearness(floor, floor)
        return {name: calibration.evidence(score, cosines.get(name, nothing)) for name, score in words.items()}

    async def has_articles(self, tenant: str) -> bool:
        """Whether the tenant has written anything.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        return await self._articles.count(tenant) > 0

    def version(self, tenant: str) -> int:
        """How often what the tenant knows was changed; 0 before it was first read."""
        return self._versions.get(tenant, 0)

    async def read_versions(self, tenants: Iterable[str]) -> dict[str, int]:
        """The versions of these tenants, before anything else is read of them.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        for tenant in tenants:
            self._versions[tenant] = await self._chunks.edition(tenant)
        return {tenant: self._versions[tenant] for tenant in tenants}

    # -- changing ----------------------------------------------------------------------------------------------

    def on_change(self, callback: Changed) -> None:
        """Have `callback` called with the tenant and the slugs that were changed, after each edit is durable and
        before the call that made it returns. The slug `*` stands for any: a fixed answer may be another one's."""
        self._listeners.append(callback)

    async def replace(self, tenant: str, articles: Sequence[Article]) -> None:
        """Make `articles` all that the tenant knows, in one transaction.

        Raises:
            SQLAlchemyError: a slug stands twice, or the store cannot write; the old articles are still there.
        """
        async with self._lock(tenant):
            old = [listed.slug for listed in await self._articles.listed(tenant, limit=None)]
            gone = await self._chunks.ids(tenant)
            rows = await asyncio.to_thread(_cut, articles)
            try:
                await self._chunks.replace(tenant, rows)
            finally:
                self._books.pop(tenant, None)
            await self._edited(tenant, {*old, *(article.slug for article in articles)}, gone)

    async def put(self, tenant: str, *articles: Article) -> None:
        """Add articles, or replace those of the same slugs, in one transaction.

        Raises:
            SQLAlchemyError: a slug stands twice, or the store cannot write; nothing has changed.
        """
        if not articles:
            return
        async with self._lock(tenant):
            slugs = {article.slug for article in articles}
            rows = await asyncio.to_thread(_cut, articles)
            await self._change(
                tenant, slugs, {article.topic for article in articles}, partial(self._chunks.put, tenant, rows)
            )

    async def delete(self, tenant: str, *slugs: str) -> list[str]:
        """Remove articles with their vectors and all that was made of them; returns those that were there."""
        async with self._lock(tenant):
            there = [article.slug for article in await self._articles.of_slugs(tenant, slugs)]
            if there:
                await self._change(tenant, set(there), set(), partial(self._chunks.delete, tenant, there))
            return there

    async def _change(self, tenant: str, slugs: set[str], topics: set[str], write: Callable[[], object]) -> None:
        """Carry out an edit of a few articles, and count it into the vocabulary instead of counting all anew."""
        book = await self._book(tenant)
        topics |= {article.topic for article in await self._articles.of_slugs(tenant, slugs)}
        gone = await self._chunks.ids(tenant, slugs)
        before = await self._words(tenant, topics)
        try:
            await write()  # type: ignore[misc]
        except BaseException:
            self._books.pop(tenant, None)
            raise
        after = await self._words(tenant, topics)
        book.turn(before, after, await self._chunks.edition(tenant))
        await self._edited(tenant, slugs, gone)

    async def _words(self, tenant: str, topics: set[str]) -> list[books.TopicWords]:
        found = await self._articles.of_topics(tenant, topics)
        return await asyncio.to_thread(words_of_topics, found)

    async def _edited(self, tenant: str, slugs: set[str], gone: Iterable[int]) -> None:
        if self.meaning is not None:
            self.meaning.forget(tenant, gone)
            self.meaning.changed(tenant)
        self._versions[tenant] = await self._chunks.edition(tenant)
        for listener in self._listeners:
            listener(tenant, slugs)

    async def _curated_changed(self, tenant: str) -> None:
        await self._chunks.count_up(tenant)
        await self._edited(tenant, {ANY}, ())

    def _lock(self, tenant: str) -> asyncio.Lock:
        return self._editing.setdefault(tenant, asyncio.Lock())

    # -- from start to stop ------------------------------------------------------------------------------------

    async def start(self, tenants: Iterable[str]) -> None:
        """Begin to embed in the background, and read what the first question needs.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        names = list(tenants)
        if self.meaning is not None:
            self.meaning.start(names)
        await self.warm(names)

    async def warm(self, tenants: Iterable[str]) -> None:
        """Read the books of these tenants, so that the first question need not wait for it.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        for tenant in islice(tenants, KEPT_TENANTS):
            await self._book(tenant)
            await self.curated.warm(tenant)

    async def stop(self) -> None:
        """Write what spares the next start some work."""
        for task in list(self._recounting.values()):
            task.cancel()
        if self.meaning is not None:
            await self.meaning.stop()
        for tenant, reading in self._books.items():
            if reading.done() and not reading.cancelled() and reading.exception() is None:
                await self._save(tenant, reading.result())

    async def _save(self, tenant: str, book: Book) -> None:
        if self._saved.get(tenant) == book.edition:
            return
        try:
            await asyncio.to_thread(books.save, book, self._path(tenant))
            self._saved[tenant] = book.edition
        except OSError as error:
            log.error("%s cannot be written: %s; the next start counts again", self._path(tenant), error)

    def _path(self, tenant: str) -> Path:
        return self._folder / f"{tenant}.words"

    async def _book(self, tenant: str) -> Book:
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

    def _drop_failed(self, tenant: str, task: asyncio.Task[Book]) -> None:
        """What could not be read is tried again by the next search."""
        if (task.cancelled() or task.exception() is not None) and self._books.get(tenant) is task:
            del self._books[tenant]

    async def _read(self, tenant: str) -> Book:
        await self._cut_old(tenant)
        edition = self._versions[tenant] = await self._chunks.edition(tenant)
        book = await asyncio.to_thread(books.load, self._path(tenant))
        if book is None:
            vocabulary, few = await self._count(tenant)
            book = Book(vocabulary, edition)
            # A small shop is analysed whole, before the first question.
            chunks = await self._chunks.of_topics(tenant, list(few), (), WHOLE)
            book.keep(await asyncio.to_thread(_analysed, few, chunks, vocabulary), KEPT_TOPICS)
        elif book.edition != edition and tenant not in self._recounting:
            self._recounting[tenant] = asyncio.create_task(self._recount(tenant, book))
        else:
            self._saved[tenant] = edition
        return book

    async def _count(self, tenant: str) -> tuple[Vocabulary, dict[str, list[Article]]]:
        """The vocabulary of all articles, and the first topics."""
        first = await self._articles.page(tenant, "", PAGE)
        vocabulary = await asyncio.to_thread(vocabulary_of, first)
        few = dict(islice(by_topic(first).items(), KEPT_TOPICS)) if len(first) < PAGE else {}
        page = first
        while len(page) == PAGE:
            # A topic whose translations lie on two pages counts twice, which no statistic of so many minds.
            page = await self._articles.page(tenant, page[-1].slug, PAGE)
            for words in await asyncio.to_thread(words_of_topics, page):
                vocabulary.add(words)
        return vocabulary, few

    async def _recount(self, tenant: str, book: Book) -> None:
        """The process ended before it could save what it knew: count beside the visitors, who have the old one."""
        try:
            generation = book.generation
            vocabulary, _ = await self._count(tenant)
            async with self._lock(tenant):
                if book.generation == generation:
                    book.vocabulary = vocabulary
                    book.turn((), (), await self._chunks.edition(tenant))
                    await self._save(tenant, book)
        except SQLAlchemyError as error:
            log.error("the articles of %s could not be read: %s", tenant, error)
        finally:
            del self._recounting[tenant]

    async def _cut_old(self, tenant: str) -> None:
        """Articles that an earlier version of the program stored have no chunks yet."""
        while slugs := await self._chunks.uncut(tenant, PAGE):
            found = await self._articles.of_slugs(tenant, slugs)
            await self._chunks.cut(tenant, await asyncio.to_thread(_cut, found))

    async def _topics(self, tenant: str, book: Book, wanted: Mapping[str, Sequence[int]]) -> dict[str, Topic]:
        # Held here, because what others learn meanwhile may push them out of the book.
        found = {name: topic for name in wanted if (topic := book.topics.get(name)) is not None}
        missing = [name for name, ids in wanted.items() if name not in found or found[name].lacks(ids)]
        if missing:
            generation = book.generation
            ids = [chunk for name in missing for chunk in wanted[name]]
            learned = await asyncio.to_thread(self._learn, tenant, missing, ids, book.vocabulary, found)
            found |= learned
            # An edit meanwhile may have changed them.
            if book.generation == generation:
                book.keep(learned, KEPT_TOPICS)
        # One that was deleted since the candidates were read is not there.
        known = {name: found[name] for name in wanted if name in found}
        for name in known:
            if name in book.topics:
                book.topics.move_to_end(name)
        return known

    def _learn(
        self, tenant: str, topics: Sequence[str], ids: Sequence[int], vocabulary: Vocabulary, known: Mapping[str, Topic]
    ) -> dict[str, Topic]:
        """Read and analyse topics. Blocks."""
        articles, chunks = self._reader.load(tenant, topics, ids, WHOLE)
        return _analysed(by_topic(articles), chunks, vocabulary, known)


def _answers(
    topics: Mapping[str, Topic], asked: Weighed, language: Language, cosines: Mapping[int, float]
) -> dict[str, Scored]:
    scored = ((name, topic.answer(asked, language, cosines)) for name, topic in topics.items())
    return {name: answer for name, answer in scored if answer is not None}


def url_of(tenant: str, slug: str) -> str:
    """The path of an article's page."""
    return f"/help/{quote(tenant, safe='')}/{quote(slug, safe='')}"


def weigh_question(question: str, vocabulary: Vocabulary) -> Weighed:
    """A question as evidence sees it."""
    return Weighed(vocabulary.corrected(tokens(question[:MOST_CHARACTERS])), vocabulary)


def _cut(articles: Sequence[Article]) -> list[tuple[Article, list[Chunk]]]:
    """Articles with their chunks. The title is in the index with each of them, the asks with the first."""
    rows = []
    for article in articles:
        title = indexed(article.title)
        asks = indexed("\n".join(article.asks))
        texts = passages(article.body)
        chunks = [
            Chunk(number, len(texts), text, title, "" if number else asks, indexed(text))
            for number, text in enumerate(texts)
        ]
        rows.append((article, chunks))
    return rows


def _analysed(
    articles: Mapping[str, Sequence[Article]],
    chunks: Sequence[books.Found],
    vocabulary: Vocabulary,
    known: Mapping[str, Topic] = {},
) -> dict[str, Topic]:
    """Topics with these chunks: milliseconds each, so never on the loop."""
    of: dict[str, list[books.Found]] = {}
    for chunk in chunks:
        of.setdefault(chunk.topic, []).append(chunk)
    made: dict[str, Topic] = {}
    for name, group in articles.items():
        topic = made[name] = known.get(name) or Topic(group, vocabulary)
        topic.learn(of.get(name, ()))
    return made


def _phrases(question: Weighed, vocabulary: Vocabulary) -> list[str]:
    """What the full-text index is asked for: the question's own pairs and stems first, then other words for them.

    Where those stand in very many topics, only the rarest of them.
    """
    if vocabulary.topics <= MOST_RANKED:
        return list(islice(dict.fromkeys((*_own(question), *_spoken(question))), MOST_PHRASES))
    # Each chunk that a phrase finds is ranked. So in a large shop only words that some article has are looked for, the
    # rarest first, and no characters alone.
    own = dict.fromkeys(_own(question, alone=False))
    common = sorted((count, term) for term in own if (count := vocabulary.count(term)))
    left = MOST_RANKED
    kept: list[str] = []
    for count, term in common[:RAREST]:
        left -= count
        if kept and left < 0:
            break
        kept.append(term)
    return kept


def _own(question: Weighed, *, alone: bool = True) -> Iterator[str]:
    """The question's pairs of characters and stems, as the index has them too; with the characters `alone`."""
    for unit, _ in question.units:
        for term in (*unit.exact, *unit.weak):
            if term[0] != "#":
                yield term
        if alone and unit.single:
            yield unit.single


def _spoken(question: Weighed) -> Iterator[str]:
    for unit, _ in question.units:
        for concept in unit.exact:
            yield from _phrases_for(concept)


@cache
def _phrases_for(concept: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(in_index, SPOKEN.get(concept, ()))))
