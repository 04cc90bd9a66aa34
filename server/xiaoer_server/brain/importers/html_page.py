"""HTML pages: their main text as Markdown, without scripts, navigation and forms."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Comment, Tag
from markdownify import MarkdownConverter

from .document import Document, Unreadable
from .encoding import decode

#: Never part of the text.
_DROPPED = [
    "script", "style", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "form", "button", "input",
    "select", "textarea", "nav", "aside", "footer", "dialog", "audio", "video", "img", "picture", "link", "meta",
]  # fmt: skip
_LINES = re.compile(r"\n{3,}")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


class _Converter(MarkdownConverter):
    """Links keep their text only: where they lead to is another site's business."""

    def convert_a(self, _element: object, text: str, *_: object, **__: object) -> str:
        return text


def read(data: bytes, declared: str | None = None) -> Document:
    """Read a page.

    Raises:
        Unreadable: it is no text, or has none.
    """
    try:
        soup = BeautifulSoup(decode(data, declared, markup=True), "html.parser")
        return _document(soup)
    except RecursionError:
        raise Unreadable("its elements are nested too deeply") from None


def _document(soup: BeautifulSoup) -> Document:
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    html = soup.html
    language = str(html.get("lang", "")).lower() if isinstance(html, Tag) else ""
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for element in soup.find_all(_DROPPED):
        element.decompose()
    # What a reader does not see may say anything.
    for element in soup.find_all(_is_hidden):
        if not element.decomposed:
            element.decompose()
    main = soup.find("main") or soup.find("article") or soup.body or soup
    if (heading := main.find("h1")) is not None:
        title = heading.get_text(" ", strip=True) or title
        heading.decompose()
    body = _Converter(heading_style="ATX", bullets="-").convert_soup(main)
    body = _LINES.sub("\n\n", "\n".join(line.rstrip() for line in body.splitlines())).strip()
    if not body:
        raise Unreadable("has no text")
    return Document(
        title, body, lang="zh" if language.startswith("zh") else "en" if language.startswith("en") else None
    )


def _is_hidden(element: Tag) -> bool:
    return (
        element.has_attr("hidden")
        or element.get("aria-hidden") == "true"
        or _HIDDEN.search(str(element.get("style", ""))) is not None
    )
