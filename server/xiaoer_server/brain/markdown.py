"""Markdown of answers and articles to HTML that can be put into any page.

Two fences: the parser passes no HTML through, and the sanitizer keeps a short list of tags whatever the parser
made. What visitors, models and articles write is alike untrusted.
"""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt

_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")

_CLEANER = nh3.Cleaner(
    tags={
        "p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a",
        "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
    },
    clean_content_tags={"script", "style"},
    attributes={"a": {"href", "title"}, "ol": {"start"}},
    url_schemes={"https", "http", "mailto", "tel"},
    link_rel="noopener nofollow",
)  # fmt: skip


def render(text: str) -> str:
    """Safe HTML of a Markdown text: no HTML of its own, no images, links that tell nobody where they came from."""
    return _CLEANER.clean(_PARSER.render(text))
