"""What is kept in memory of a tenant's articles for the search by words: the vocabulary, and topics as they are asked.

The vocabulary lies in a file beside the database, so that a start need not read all articles. It is a statistic: one
that is a few edits old serves until it has been counted anew.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from ..store.articles import Article, by_topic
from ..store.chunks import Found
from .concepts import TABLE
from .topics import Topic, words_of
from .vectors import write_whole
from .vocabulary import TopicWords, Vocabulary

__all__ = ["WHOLE", "Book", "Found", "TopicWords", "load", "save", "words_of_topics"]

log = logging.getLogger(__name__)

#: Analysed topics kept for each tenant; about 50 KB a topic.
KEPT_TOPICS = 500

#: Of an article with more chunks than this only the chunks that a search proposes are analysed.
WHOLE = 2

_MAGIC = b"XKW1"
# A vocabulary counts concepts, so it is of one table of them.
_CONCEPTS = hashlib.sha256(TABLE.encode()).digest()
_HEAD = struct.Struct(">4s32s32sQ")


class Book:
    """A tenant's vocabulary and topics.

    Args:
        edition: How often the articles had been changed when the vocabulary was counted.
    """

    __slots__ = ("edition", "generation", "topics", "vocabulary")

    def __init__(self, vocabulary: Vocabulary, edition: int) -> None:
        self.vocabulary = vocabulary
        self.edition = edition
        self.topics: OrderedDict[str, Topic] = OrderedDict()
        self.generation = 0

    def turn(self, before: Collection[TopicWords], after: Collection[TopicWords], edition: int) -> None:
        """Articles have changed: what was known of them is counted out, what is new is counted in."""
        for words in before:
            self.vocabulary.remove(words)
        for words in after:
            self.vocabulary.add(words)
        self.edition = edition
        self.generation += 1
        # All of them: what a word is worth depends on the whole vocabulary.
        self.topics.clear()

    def keep(self, topics: dict[str, Topic], most: int = KEPT_TOPICS) -> None:
        """Remember topics; those that were not used for the longest time go."""
        self.topics.update(topics)
        while len(self.topics) > most:
            self.topics.popitem(last=False)


def words_of_topics(articles: Sequence[Article]) -> list[TopicWords]:
    """What each topic adds to the vocabulary; milliseconds an article, so never on the loop."""
    return [words_of(group) for group in by_topic(articles).values()]


def load(path: Path) -> Book | None:
    """The book as it was saved; None where there is none, or one that cannot be used."""
    try:
        data = path.read_bytes()
        magic, concepts, digest, edition = _HEAD.unpack_from(data)
        if magic != _MAGIC or concepts != _CONCEPTS or hashlib.sha256(data[_HEAD.size :]).digest() != digest:
            raise ValueError("is damaged, or of another version")
        return Book(Vocabulary.load(data[_HEAD.size :]), edition)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, struct.error, msgspec.DecodeError) as error:
        log.warning("%s: %s; the articles are read anew", path, error)
        return None


def save(book: Book, path: Path) -> None:
    """Write the vocabulary, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    payload = book.vocabulary.dump()
    write_whole(path, _HEAD.pack(_MAGIC, _CONCEPTS, hashlib.sha256(payload).digest(), book.edition), payload)
