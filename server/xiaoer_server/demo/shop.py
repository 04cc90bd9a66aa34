"""The demo shop: its articles and its word list, loaded into a tenant at the first start.

An article is a Markdown file below `articles/<language>/`, with TOML between two lines of `+++` in front: `title`,
and `asks`, the ways in which people ask for it. Files of one name are translations of each other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal

from ..brain import wordlist
from ..brain.knowledge import Knowledge
from ..store.articles import Article, Articles
from ..store.engine import Store
from ..store.words import WordRow, Words

LANGUAGES: tuple[Literal["zh"], Literal["en"]] = ("zh", "en")


class DemoError(Exception):
    """A file of the demo shop cannot be read; the message names it."""


async def load(store: Store, tenant: str, *, progress: Callable[[str], object] = lambda line: None) -> bool:
    """Fill `tenant`, which must exist, unless it has articles already; what an operator changed stays.

    Each of the two lists is stored in one transaction, the articles last, so that a start that was cut short is
    made up for by the next one.

    Args:
        progress: Takes a line for people at each step.

    Returns:
        Whether anything was loaded.
    """
    if await Articles(store).count(tenant):
        return False
    rows = words()
    progress(f"demo shop '{tenant}': loading {len(rows)} words")
    await Words(store).replace(tenant, rows)
    found = list(articles())
    progress(f"demo shop '{tenant}': indexing {len(found)} articles")
    await Knowledge(store).replace(tenant, found)
    progress(f"demo shop '{tenant}': ready")
    return True


def articles() -> Iterator[Article]:
    """The demo shop's articles.

    Raises:
        DemoError: a file is not as it should be.
    """
    for language in LANGUAGES:
        folder = files(__package__) / "articles" / language
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".md"):
                yield _article(file, language)


def words() -> list[WordRow]:
    """The demo shop's word list."""
    return wordlist.parse((files(__package__) / "words.txt").read_text(encoding="utf-8"), "words.txt")


def _article(file: Traversable, language: Literal["zh", "en"]) -> Article:
    try:
        _, front, body = file.read_text(encoding="utf-8").split("+++\n", 2)
        meta = tomllib.loads(front)
        topic = file.name.removesuffix(".md")
        return Article(f"{language}-{topic}", topic, language, meta["title"], list(meta["asks"]), body.strip())
    except (ValueError, KeyError) as error:
        raise DemoError(f"{language}/{file.name}: {error}") from error


def flows() -> list[str]:
    """The demo shop's dialogue flows, as text."""
    folder = files(__package__) / "flows"
    found = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [file.read_text(encoding="utf-8") for file in found if file.name.endswith(".yaml")]
