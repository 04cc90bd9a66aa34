"""Documents to articles: a slug, a topic, a language."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import Literal

from ...store.articles import Article
from ..language import language_of
from .document import MOST_CHARACTERS, Document, Unreadable

#: Code points that a text's language is judged by.
_SAMPLE = 4_000

_NOT_IN_SLUGS = re.compile(r"[^\w.-]+")
LONGEST_SLUG, LONGEST_TITLE, LONGEST_ASK, MOST_ASKS = 100, 255, 500, 100


def article_of(document: Document, name: str, lang: Literal["zh", "en"] | None = None) -> Article:
    """The article of a document.

    Args:
        name: Where it is from, as a path: `en/returns.md`. Files of the same path below folders of languages are
            translations of each other.
        lang: The language that the operator named, over all else.

    Raises:
        Unreadable: it has no text, or too much.
    """
    body = document.body.strip()
    if not body:
        raise Unreadable("has no text")
    if len(body) > MOST_CHARACTERS:
        raise Unreadable(f"has more than {MOST_CHARACTERS} characters")
    path = PurePosixPath(name)
    title = " ".join(document.title.split()) or path.stem or name
    folder = next((part for part in path.parts[:-1] if part in ("zh", "en")), None)
    language = lang or document.lang or folder or language_of(f"{title}\n{body[:_SAMPLE]}")
    plain = slug_of(str(path.with_suffix("")) if path.suffix else name)
    topic = slug_of(document.topic) if document.topic else plain
    slug = slug_of(document.slug) if document.slug else plain
    if folder is not None and not document.slug:
        rest = slug_of("/".join(part for part in path.with_suffix("").parts if part != folder))
        slug, topic = f"{folder}-{rest}", topic if document.topic else rest
    elif not document.topic:
        topic = slug
    asks = [" ".join(ask.split())[:LONGEST_ASK] for ask in document.asks[:MOST_ASKS]]
    return Article(slug, topic, "zh" if language == "zh" else "en", title[:LONGEST_TITLE], [a for a in asks if a], body)


def slug_of(name: str) -> str:
    """An address: letters, digits, `.`, `_` and `-`; a long one ends with a digest of the whole."""
    slug = _NOT_IN_SLUGS.sub("-", name.lower()).strip("-.") or hashlib.sha256(name.encode()).hexdigest()[:12]
    if len(slug) <= LONGEST_SLUG:
        return slug
    return f"{slug[: LONGEST_SLUG - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
