"""Markdown of answers and articles to HTML that can be put into any page.

Two fences: the parser passes no HTML through, and the sanitizer keeps a short list of tags whatever the parser
made. What visitors, models and articles write is alike untrusted.
"""

from __future__ import annotations

import re
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

#: Of relative links only those to a path of the page's own host or to a place on the page.
_LINK = re.compile(r"https?://|mailto:|tel:|/|#", re.IGNORECASE)

_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


def _filter(_tag: str, name: str, value: str) -> str | None:
    return value if name != "href" or _LINK.match(value) else None


_CLEANER = nh3.Cleaner(
    tags={
        "p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a",
        "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
    },
    clean_content_tags={"script", "style"},
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    attribute_filter=_filter,
    url_schemes={"https", "http", "mailto", "tel"},
    link_rel="noopener nofollow",
)  # fmt: skip


@lru_cache(maxsize=1_024)
def render(text: str) -> str:
    """Safe HTML of a Markdown text: no HTML of its own, no images, links to known schemes only.

    Remembered, because it costs a millisecond: a page that is reloaded asks for the whole conversation again.
    """
    return _CLEANER.clean(_PARSER.render(text))
